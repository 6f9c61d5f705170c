import { describe, expect, it } from 'vitest';
import { type batchv1, type Json, type JsonObject, KINDS, toJson } from '../../proto/index.ts';
import { job } from './job.ts';
import { countIndexes } from './job-indexes.ts';
import { created, exit, indexed, simple, template } from './test-jobs.ts';
import { problemsOf, readObject, withValue } from './test-objects.ts';
import { expectProblem } from './valid-objects.ts';

const F = 'spec.podFailurePolicy.rules';
const f = 'spec.podFailurePolicy.rules[0]';

describe('a job', () => {
  it('gets the defaults of Kubernetes', () => {
    expect(toJson(KINDS.Job.messageName, readObject(simple)).spec).toMatchObject({
      completions: 1,
      parallelism: 1,
      backoffLimit: 6,
      completionMode: 'NonIndexed',
      suspend: false,
      manualSelector: false,
      podReplacementPolicy: 'TerminatingOrFailed',
    });
    const queue = readObject<batchv1.Job>(withValue(simple, 'spec.parallelism', 3));
    expect(queue.spec?.completions).toBeUndefined();
    const perIndex = readObject<batchv1.Job>(withValue(indexed, 'spec.backoffLimitPerIndex', 1));
    expect(perIndex.spec?.backoffLimit).toBe(2147483647);
    const policy = [{ action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget' }] }];
    const careful = readObject<batchv1.Job>(withValue(simple, F, policy));
    expect(careful.spec?.podReplacementPolicy).toBe('Failed');
    expect(careful.spec?.podFailurePolicy?.rules?.[0]?.onPodConditions?.[0]?.status).toBe('True');
  });

  it('gets labels and a selector that no other job has, and shows its labels as its own', () => {
    const stored = created(simple);
    const labels = {
      'batch.kubernetes.io/controller-uid': 'u1',
      'batch.kubernetes.io/job-name': 'sum',
      'controller-uid': 'u1',
      'job-name': 'sum',
    };
    expect(stored).toMatchObject({
      spec: {
        selector: { matchLabels: { 'batch.kubernetes.io/controller-uid': 'u1' } },
        template: { metadata: { labels } },
      },
    });
    expect(readObject<batchv1.Job>(stored).metadata?.labels).toEqual(labels);
    expect(problemsOf(stored)).toEqual([]);
  });

  it('may bring its own selector, which then must match', () => {
    const own = withValue(withValue(simple, 'spec.manualSelector', true), 'spec.selector', { matchLabels: { a: 'b' } });
    expect(problemsOf(withValue(own, 'spec.template.metadata', { labels: { a: 'b' } }))).toEqual([]);
    expect(problemsOf(own)).toEqual([
      'spec.template.metadata.labels: Invalid value: {}: `selector` does not match template `labels`',
    ]);
    expect(problemsOf(withValue(own, 'spec.selector', undefined))).toEqual(['spec.selector: Required value']);
  });

  it('is refused when it contradicts what would be generated', () => {
    const named = withValue(simple, 'spec.template.metadata', { labels: { 'job-name': 'other' } });
    expectProblem(
      problemsOf(created(named)).map((p) => p.replace(/\{.*\}/, '{…}')),
      "spec.template.metadata.labels: Invalid value: {…}: must be 'sum'",
    );
    const chosen = withValue(simple, 'spec.selector', { matchLabels: { a: 'b' } });
    expectProblem(
      problemsOf(created(chosen)).map((p) => p.replace(/\{.*\}/, '{…}')),
      'spec.selector: Invalid value: {…}: `selector` not auto-generated',
    );
  });

  it.each<[json: Json, path: string, value: Json | undefined, problem: string]>([
    ...(
      ['parallelism', 'completions', 'activeDeadlineSeconds', 'backoffLimit', 'ttlSecondsAfterFinished'] as const
    ).map((name): [Json, string, Json, string] => [
      simple,
      `spec.${name}`,
      -1,
      `spec.${name}: Invalid value: -1: must be greater than or equal to 0`,
    ]),
    [
      simple,
      'spec.template.spec.restartPolicy',
      undefined,
      'spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"',
    ],
    [
      simple,
      'spec.template.spec.restartPolicy',
      'Always',
      'spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"',
    ],
    [
      simple,
      'spec.completionMode',
      'Odd',
      'spec.completionMode: Unsupported value: "Odd": supported values: "Indexed", "NonIndexed"',
    ],
    [
      simple,
      'spec.backoffLimitPerIndex',
      1,
      'spec.backoffLimitPerIndex: Invalid value: 1: requires indexed completion mode',
    ],
    [simple, 'spec.maxFailedIndexes', 1, 'spec.maxFailedIndexes: Invalid value: 1: requires indexed completion mode'],
    [
      simple,
      'spec.managedBy',
      'me',
      'spec.managedBy: Invalid value: "me": must be a domain-prefixed path (such as "acme.io/foo")',
    ],
    [simple, 'spec.managedBy', `a.io/${'x'.repeat(60)}`, 'spec.managedBy: Too long: may not be more than 63 bytes'],
    [
      simple,
      'spec.template.spec.containers.0.image',
      undefined,
      'spec.template.spec.containers[0].image: Required value',
    ],
    [
      withValue(indexed, 'spec.parallelism', 1),
      'spec.completions',
      undefined,
      'spec.completions: Required value: when completion mode is Indexed',
    ],
    [
      indexed,
      'spec.parallelism',
      100_001,
      'spec.parallelism: Invalid value: 100001: must be less than or equal to 100000 when completion mode is Indexed',
    ],
    [
      indexed,
      'spec.maxFailedIndexes',
      1,
      'spec.backoffLimitPerIndex: Required value: when maxFailedIndexes is specified',
    ],
    [
      withValue(indexed, 'spec.backoffLimitPerIndex', 1),
      'spec.maxFailedIndexes',
      6,
      'spec.maxFailedIndexes: Invalid value: 6: must be less than or equal to completions',
    ],
    [
      withValue(indexed, 'spec.backoffLimitPerIndex', 1),
      'spec.completions',
      100_001,
      'spec.maxFailedIndexes: Required value: must be specified when completions is above 100000',
    ],
    [
      indexed,
      'metadata.name',
      'a.b',
      'metadata.name: Invalid value: "a.b": will not able to create pod with invalid DNS label: a.b-4',
    ],
    [simple, F, [], 'spec.podFailurePolicy.rules: Required value'],
    [simple, F, exit({ operator: 'In', values: [] }), `${f}.onExitCodes.values: Required value`],
    [
      simple,
      F,
      exit({ operator: 'In', values: [0] }),
      `${f}.onExitCodes.values[0]: Invalid value: 0: must not be 0 for the In operator`,
    ],
    [simple, F, exit({ operator: 'In', values: [1, 1] }), `${f}.onExitCodes.values[1]: Duplicate value: 1`],
    [
      simple,
      F,
      exit({ operator: 'In', values: [2, 1] }),
      `${f}.onExitCodes.values: Invalid value: [2,1]: must be ordered`,
    ],
    [
      simple,
      F,
      exit({ operator: 'Is', values: [1] }),
      `${f}.onExitCodes.operator: Unsupported value: "Is": supported values: "In", "NotIn"`,
    ],
    [
      simple,
      F,
      exit({ operator: 'In', values: [1], containerName: 'x' }),
      `${f}.onExitCodes.containerName: Invalid value: "x": must be one of the container or initContainer names in the pod template`,
    ],
    [
      simple,
      F,
      [{ action: 'Panic', onPodConditions: [{ type: 'A' }] }],
      `${f}.action: Unsupported value: "Panic": supported values: "Count", "FailIndex", "FailJob", "Ignore"`,
    ],
    [
      simple,
      F,
      [{ action: 'FailIndex', onPodConditions: [{ type: 'A' }] }],
      `${f}.action: Invalid value: "FailIndex": requires the backoffLimitPerIndex to be set`,
    ],
    [
      simple,
      F,
      [{ action: 'Count' }],
      `${f}: Invalid value: specifying one of OnExitCodes and OnPodConditions is required`,
    ],
    [
      simple,
      F,
      [{ action: 'Count', onExitCodes: { operator: 'In', values: [1] }, onPodConditions: [{ type: 'A' }] }],
      `${f}: Invalid value: specifying both OnExitCodes and OnPodConditions is not supported`,
    ],
    [
      simple,
      F,
      [{ action: 'Count', onPodConditions: [{ type: '-' }] }],
      `${f}.onPodConditions[0].type: Invalid value: "-": name part must…`,
    ],
    [
      simple,
      F,
      Array.from({ length: 21 }, () => ({ action: 'Count', onPodConditions: [{ type: 'A' }] })),
      'spec.podFailurePolicy.rules: Too many: 21: must have at most 20 items',
    ],
    [
      withValue(simple, F, exit({ operator: 'In', values: [1] })),
      'spec.template.spec.restartPolicy',
      'OnFailure',
      'spec.template.spec.restartPolicy: Invalid value: "OnFailure": only "Never" is supported when podFailurePolicy is specified',
    ],
    [
      withValue(simple, F, exit({ operator: 'In', values: [1] })),
      'spec.podReplacementPolicy',
      'TerminatingOrFailed',
      'spec.podReplacementPolicy: Unsupported value: "TerminatingOrFailed": supported values: "Failed"',
    ],
    [
      simple,
      'spec.successPolicy',
      { rules: [{ succeededCount: 1 }] },
      'spec.successPolicy: Invalid value: {"rules":[{"succeededCount":1}]}: requires indexed completion mode',
    ],
    [indexed, 'spec.successPolicy', {}, 'spec.successPolicy.rules: Required value'],
    [
      indexed,
      'spec.successPolicy',
      { rules: [{}] },
      'spec.successPolicy.rules[0]: Required value: at least one of succeededCount or succeededIndexes must be specified',
    ],
    [
      indexed,
      'spec.successPolicy',
      { rules: [{ succeededIndexes: '0-9' }] },
      'spec.successPolicy.rules[0].succeededIndexes: Invalid value: "0-9": error parsing succeededIndexes: …',
    ],
    [
      indexed,
      'spec.successPolicy',
      { rules: [{ succeededCount: 9 }] },
      'spec.successPolicy.rules[0].succeededCount: Invalid value: 9: must be less than or equal to 5 (the number of…',
    ],
    [
      indexed,
      'spec.successPolicy',
      { rules: [{ succeededCount: 3, succeededIndexes: '0,2' }] },
      'spec.successPolicy.rules[0].succeededCount: Invalid value: 3: must be less than or equal to 2 (the number of indexes…',
    ],
  ])('is refused: row %#', (json, path, value, problem) => {
    expectProblem(problemsOf(withValue(json, path, value)), problem);
  });

  it.each<[text: string, completions: number, count: number | RegExp]>([
    ['0', 1, 1],
    ['0,2-4', 5, 4],
    ['1-1', 5, 1],
    ['', 5, /neither/],
    ['1,', 5, /neither/],
    ['a', 5, /neither/],
    ['3-2', 5, /ends before it starts/],
    ['2,1', 5, /must ascend/],
    ['2,2', 5, /must ascend/],
    ['5', 5, /out of range/],
  ])('counts the indexes of "%s" of %i', (text, completions, count) => {
    const counted = countIndexes(text, completions);
    if (typeof count === 'number') expect(counted).toBe(count);
    else expect(counted).toMatch(count);
  });

  it('reports a status that makes sense', () => {
    const problems = (status: object) => (job.validateStatusUpdate?.({ status }, {}) ?? []).map((c) => c.field);
    const conditions = [{ type: 'Complete', status: 'True' }];
    const startTime = '2026-01-02T03:04:05Z';
    expect(problems({ active: 1, startTime })).toEqual([]);
    expect(problems({ conditions, startTime, completionTime: '2026-01-02T03:05:05Z' })).toEqual([]);
    expect(problems({ failed: -1 })).toEqual(['status.failed']);
    expect(problems({ conditions, startTime, completionTime: '2026-01-02T03:00:00Z' })).toEqual([
      'status.completionTime',
    ]);
    expect(problems({ startTime, completionTime: '2026-01-02T03:05:05Z' })).toEqual(['status.completionTime']);
    expect(problems({ conditions: [...conditions, { type: 'Failed', status: 'True' }] })).toEqual([
      'status.conditions',
    ]);
  });

  it.each<[status: JsonObject, spec: JsonObject, cells: string[]]>([
    [{}, {}, ['Running', '0/1', ' ']],
    [{ startTime: '2026-01-02T03:04:05Z' }, { completions: 3 }, ['Running', '0/3', '2026-01-02T03:04:05Z']],
    [{ succeeded: 1 }, { parallelism: 4 }, ['Running', '1/1 of 4', ' ']],
    [{ conditions: [{ type: 'Suspended', status: 'True' }] }, {}, ['Suspended', '0/1', ' ']],
    [{ conditions: [{ type: 'Failed', status: 'True' }] }, {}, ['Failed', '0/1', ' ']],
    [
      {
        succeeded: 1,
        startTime: '2026-01-02T03:04:05Z',
        completionTime: '2026-01-02T03:05:15Z',
        conditions: [{ type: 'Complete', status: 'True' }],
      },
      {},
      ['Complete', '1/1', '70s'],
    ],
  ])('is shown as kubectl shows it: %#', (status, spec, cells) => {
    const json = { ...(simple as JsonObject), status, spec: { template, ...spec } };
    const object = readObject<batchv1.Job>(json);
    expect(job.columns.map((c) => c.name).join(' ')).toBe(
      'NAME STATUS COMPLETIONS DURATION AGE CONTAINERS IMAGES SELECTOR',
    );
    expect(job.columns.slice(1, 4).map((c) => c.cell(object))).toEqual(cells);
    expect(job.selectableFields?.['status.successful']?.(object)).toBe(cells[1]?.slice(0, 1));
  });
});
