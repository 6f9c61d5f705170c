import { describe, expect, it } from 'vitest';
import type { Json } from '../../proto/index.ts';
import { created, exit, indexed, simple } from './test-jobs.ts';
import { updateProblems, withValue } from './test-objects.ts';
import { expectProblem } from './valid-objects.ts';

const F = 'spec.podFailurePolicy.rules';
const TERM: Json = { matchExpressions: [{ key: 'disk', operator: 'Exists' }] };

describe('a job that exists', () => {
  const stored = created(simple);
  const suspended = created(withValue(simple, 'spec.suspend', true));
  it.each<[json: Json, path: string, value: Json]>([
    [stored, 'spec.parallelism', 3],
    [stored, 'spec.suspend', true],
    [stored, 'spec.backoffLimit', 3],
    [stored, 'spec.ttlSecondsAfterFinished', 3],
    [suspended, 'spec.template.spec.nodeSelector', { disk: 'ssd' }],
    [suspended, 'spec.template.spec.tolerations', [{ operator: 'Exists' }]],
    [suspended, 'spec.template.metadata.annotations', { a: 'b' }],
    [
      suspended,
      'spec.template.spec.affinity',
      { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [TERM] } } },
    ],
  ])('may change: row %#', (json, path, value) => {
    expect(updateProblems(withValue(json, path, value), json)).toEqual([]);
  });

  it.each<[json: Json, path: string, value: Json | undefined, problem: string]>([
    [stored, 'spec.completions', 2, 'spec.completions: Invalid value: 2: field is immutable (it was 1)'],
    [
      stored,
      'spec.completionMode',
      'Indexed',
      'spec.completionMode: Invalid value: "Indexed": field is immutable (it was "NonIndexed")',
    ],
    [
      withValue(stored, 'spec.podReplacementPolicy', 'Failed'),
      F,
      exit({ operator: 'In', values: [1] }),
      'spec.podFailurePolicy: Invalid value: {"rules":[{"action":"FailJob","onExitCodes":{"operator":"In","values":[1]}}]}: field is immutable (rules was null and would be…',
    ],
    [stored, 'spec.managedBy', 'a.io/b', 'spec.managedBy: Invalid value: "a.io/b": field is immutable (it was null)'],
    [
      created(indexed),
      'spec.backoffLimitPerIndex',
      1,
      'spec.backoffLimitPerIndex: Invalid value: 1: field is immutable (it was null)',
    ],
    [
      created(indexed),
      'spec.successPolicy',
      { rules: [{ succeededCount: 1 }] },
      'spec.successPolicy: Invalid value: {"rules":[{"succeededCount":1}]}: field is immutable (rules was null and would be…',
    ],
    [
      created(indexed),
      'spec.completions',
      7,
      'spec.completions: Invalid value: 7: can only be modified in tandem with spec.parallelism',
    ],
  ])('may not change: row %#', (json, path, value, problem) => {
    expectProblem(updateProblems(withValue(json, path, value), json), problem);
  });

  it.each<[what: string, json: Json]>([
    ['as it runs', stored],
    ['while it is suspended', suspended],
    ['where it runs, once started', { ...suspended, status: { startTime: '2026-01-02T03:04:05Z' } }],
  ])('keeps its template %s, and says what would change', (what, json) => {
    const path = what.startsWith('where') ? 'spec.template.spec.nodeSelector' : 'spec.template.spec.containers.0.image';
    const [problem = '', ...more] = updateProblems(
      withValue(json, path, what.startsWith('where') ? { a: 'b' } : 'x'),
      json,
    );
    expect(more).toEqual([]);
    expect(problem).toContain('spec.template: Invalid value: ');
    expect(problem).toContain(
      what.startsWith('where')
        ? 'field is immutable (spec.nodeSelector was null and would be {"a":"b"})'
        : 'field is immutable (spec.containers[0].image was "busybox:1" and would be "x")',
    );
  });

  it('grows and shrinks together with its parallelism when it is indexed', () => {
    const old = created(indexed);
    const grown = withValue(withValue(old, 'spec.completions', 7), 'spec.parallelism', 7);
    expect(updateProblems(grown, old)).toEqual([]);
  });
});
