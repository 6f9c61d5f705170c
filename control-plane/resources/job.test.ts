import { describe, expect, it } from 'vitest';
import { type batchv1, type Json, type JsonObject, KINDS, toJson } from '../../proto/index.ts';
import { job } from './job.ts';
import { countIndexes } from './job-indexes.ts';
import { problemsOf, readObject, withValue } from './test-objects.ts';
import { expectProblem } from './valid-objects.ts';

const template: Json = { spec: { restartPolicy: 'Never', containers: [{ name: 'main', image: 'busybox:1' }] } };
const simple: Json = {
  apiVersion: 'batch/v1',
  kind: 'Job',
  metadata: { name: 'sum', namespace: 'shop', uid: 'u1' },
  spec: { template },
};
const indexed = withValue(withValue(simple, 'spec.completionMode', 'Indexed'), 'spec.completions', 5);
const F = 'spec.podFailurePolicy.rules';
const f = 'spec.podFailurePolicy.rules[0]';
const exit = (onExitCodes: JsonObject): Json => [{ action: 'FailJob', onExitCodes }];

/** The object as it is stored: with its selector. */
function created(json: Json): JsonObject {
  const object = readObject<batchv1.Job>(json);
  job.prepareForCreate?.(object, { user: 'ann', now: '2026-01-02T03:04:05Z' });
  return toJson(KINDS.Job.messageName, object) as JsonObject;
}

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
