import { describe, expect, it } from 'vitest';
import type { Json } from '../../proto/index.ts';
import { updateProblems, withValue } from './test-objects.ts';
import { expectProblem, type Row, valid } from './valid-objects.ts';

const C = 'spec.containers.0';
const c = 'spec.containers[0]';

describe('an update', () => {
  const sealed = (kind: string): Json => withValue(valid(kind), 'immutable', true);
  it.each<Row>([
    [
      'Deployment',
      'metadata.name',
      'other',
      'metadata.name: Invalid value: "other": field is immutable (it was "web")',
    ],
    [
      'Pod',
      'spec.hostname',
      'other',
      'spec.hostname: Forbidden: pod updates may not change fields other than `spec.containers[*].image`…',
    ],
    ['Pod', `${C}.command`, ['x'], `${c}.command: Forbidden: pod updates may not change fields other than…`],
    ['Pod', 'spec.nodeName', 'n1', 'spec.nodeName: Forbidden: pod updates may not change fields other than…'],
    [
      'Pod',
      'spec.containers',
      [
        { name: 'web', image: 'nginx:1.25' },
        { name: 'b', image: 'b' },
      ],
      'spec.containers: Forbidden: pod updates may not add or remove containers',
    ],
    [
      'Pod',
      'spec.tolerations',
      [{ key: 'other', operator: 'Exists' }],
      'spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds',
    ],
    [
      'Pod',
      'spec.schedulingGates',
      [{ name: 'g' }],
      `spec.schedulingGates: Forbidden: only deletion is allowed, but found new scheduling gate 'g'`,
    ],
    ['Secret', 'type', 'other', 'type: Invalid value: "other": field is immutable (it was "Opaque")'],
    [
      'Node',
      'spec.providerID',
      'x://2',
      'spec.providerID: Forbidden: node updates may not change providerID except from "" to valid',
    ],
  ])('of %s may not change %s', (kind, path, value, problem) => {
    expectProblem(updateProblems(withValue(valid(kind), path, value), valid(kind)), problem);
  });

  it.each<readonly [kind: string, path: string, value: Json | undefined]>([
    ['Pod', `${C}.image`, 'nginx:1.26'],
    ['Pod', 'spec.initContainers.0.image', 'busybox:1'],
    ['Pod', 'spec.activeDeadlineSeconds', 30],
    [
      'Pod',
      'spec.tolerations',
      [
        { key: 'k', operator: 'Exists' },
        { key: 'l', operator: 'Exists' },
      ],
    ],
    ['Pod', 'metadata.labels', { a: 'b' }],
    ['Deployment', 'spec.replicas', 5],
    ['Deployment', 'spec.template.spec.hostname', 'other'],
    ['ConfigMap', 'data', { b: '2' }],
    ['ConfigMap', 'immutable', true],
    ['Node', 'spec.unschedulable', true],
  ])('of %s may change %s', (kind, path, value) => {
    expect(updateProblems(withValue(valid(kind), path, value), valid(kind))).toEqual([]);
  });

  it('of a selector names what it was', () => {
    const json = withValue(valid('Deployment'), 'spec.selector.matchLabels', { app: 'web', tier: 'x' });
    const both = withValue(json, 'spec.template.metadata.labels', { app: 'web', tier: 'x' });
    expectProblem(
      updateProblems(both, valid('Deployment')),
      'spec.selector: Invalid value: {"matchLabels":{"app":"web","tier":"x"}}: field is immutable (it was {"matchLabels":{"app":"web"}})',
    );
  });

  it('may shorten a deadline, never lengthen or remove it', () => {
    const old = withValue(valid('Pod'), 'spec.activeDeadlineSeconds', 30);
    expect(updateProblems(withValue(old, 'spec.activeDeadlineSeconds', 20), old)).toEqual([]);
    expectProblem(
      updateProblems(withValue(old, 'spec.activeDeadlineSeconds', 40), old),
      'spec.activeDeadlineSeconds: Invalid value: 40: must be less than…',
    );
    expectProblem(
      updateProblems(valid('Pod'), old),
      'spec.activeDeadlineSeconds: Invalid value: null: must not update from a positive integer…',
    );
  });

  it.each(['ConfigMap', 'Secret'])('of an immutable %s changes nothing in it', (kind) => {
    const field = kind === 'Secret' ? 'stringData' : 'data';
    expect(updateProblems(sealed(kind), sealed(kind))).toEqual([]);
    const why = 'Forbidden: field is immutable when `immutable` is set';
    expect(updateProblems(withValue(sealed(kind), field, { a: '2' }), sealed(kind))).toEqual([`data: ${why}`]);
    expect(updateProblems(valid(kind), sealed(kind))).toEqual([`immutable: ${why}`]);
    expect(updateProblems(withValue(sealed(kind), 'metadata.labels', { a: 'b' }), sealed(kind))).toEqual([]);
  });

  it('adds no finalizer to an object that is going', () => {
    const old = withValue(valid('Pod'), 'metadata.deletionTimestamp', '2026-01-02T03:04:05Z');
    expectProblem(
      updateProblems(withValue(old, 'metadata.finalizers', ['x.io/a']), old),
      'metadata.finalizers: Forbidden: no new finalizers…',
    );
  });
});
