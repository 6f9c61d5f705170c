import { describe, expect, it } from 'vitest';
import type { Json, JsonObject } from '../../../proto/index.ts';
import { updateProblems, withValue } from '../test-objects.ts';
import { expectProblem } from '../valid-objects.ts';

const REQUIRED = 'requiredDuringSchedulingIgnoredDuringExecution';
const disk: JsonObject = { key: 'disk', operator: 'In', values: ['ssd'] };
const zone: JsonObject = { key: 'zone', operator: 'Exists' };
const affinity = (...terms: JsonObject[][]): JsonObject => ({
  nodeAffinity: { [REQUIRED]: { nodeSelectorTerms: terms.map((matchExpressions) => ({ matchExpressions })) } },
});
const gated: Json = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'p', namespace: 'n' },
  spec: {
    containers: [{ name: 'main', image: 'x:1' }],
    schedulingGates: [{ name: 'example.com/wait' }],
    nodeSelector: { a: '1' },
    affinity: affinity([disk]),
  },
};
const at = `spec.affinity.nodeAffinity.${REQUIRED}.nodeSelectorTerms`;

describe('a pod that waits at a gate', () => {
  it.each<[what: string, path: string, value: Json]>([
    ['a label more', 'spec.nodeSelector', { a: '1', b: '2' }],
    ['a condition more', 'spec.affinity', affinity([disk, zone])],
    ['an open gate', 'spec.schedulingGates', []],
  ])('may be narrowed: %s', (_what, path, value) => {
    expect(updateProblems(withValue(gated, path, value), gated)).toEqual([]);
  });

  it('may get its first conditions', () => {
    const free = withValue(withValue(gated, 'spec.affinity', undefined), 'spec.nodeSelector', undefined);
    expect(updateProblems(gated, free)).toEqual([]);
  });

  it.each<[path: string, value: Json | undefined, problem: string]>([
    [
      'spec.nodeSelector',
      { a: '2' },
      'spec.nodeSelector: Invalid value: {"a":"2"}: only additions to spec.nodeSelector are allowed (no mutations or deletions)',
    ],
    ['spec.nodeSelector', undefined, 'spec.nodeSelector: Invalid value: null: only additions…'],
    [
      'spec.affinity',
      affinity([disk], [zone]),
      `${at}: Invalid value: [{"matchExpressions":[{"key":"disk","operator":"In","values":["ssd"]}]},{"matchExpressions":[{"key":"zone","operator":"Exists"}]}]: no additions/deletions to non-empty…`,
    ],
    [
      'spec.affinity',
      affinity([zone]),
      `${at}[0]: Invalid value: {"matchExpressions":[{"key":"zone","operator":"Exists"}]}: only…`,
    ],
    ['spec.affinity', undefined, `${at}: Invalid value: []: no additions/deletions…`],
    ['spec.hostname', 'other', 'spec.hostname: Forbidden: pod updates may not change fields other than…'],
  ])('may not be widened or changed otherwise: %s %j', (path, value, problem) => {
    expectProblem(updateProblems(withValue(gated, path, value), gated), problem);
  });

  it('keeps its place once it is through', () => {
    const through = withValue(gated, 'spec.schedulingGates', undefined);
    expectProblem(
      updateProblems(withValue(through, 'spec.nodeSelector', { a: '1', b: '2' }), through),
      'spec.nodeSelector: Forbidden: pod updates may not change fields other than…',
    );
  });
});
