import { describe, expect, it } from 'vitest';
import type { corev1, policyv1 } from '../../../proto/index.ts';
import { failedStatus, planBudget } from './plan.ts';

const NOW_MS = Date.UTC(2026, 0, 1);
const NOW = '2026-01-01T00:00:00Z';

function pods(ready: number, unready = 0, going = 0): corev1.Pod[] {
  const pod = (name: string, status: string, deletionTimestamp?: string): corev1.Pod => ({
    metadata: { name, ...(deletionTimestamp === undefined ? {} : { deletionTimestamp }) },
    status: { conditions: [{ type: 'Ready', status }] },
  });
  return [
    ...Array.from({ length: ready }, (_, i) => pod(`r${i}`, 'True')),
    ...Array.from({ length: unready }, (_, i) => pod(`u${i}`, 'False')),
    ...Array.from({ length: going }, (_, i) => pod(`g${i}`, 'True', NOW)),
  ];
}

interface Given {
  readonly spec: policyv1.PodDisruptionBudgetSpec;
  readonly pods: readonly corev1.Pod[];
  readonly expected?: number;
  readonly status?: policyv1.PodDisruptionBudgetStatus;
}

function plan({ spec, pods: there, expected, status }: Given) {
  const budget = { metadata: { generation: 4 }, spec, status };
  return planBudget({ budget, pods: there, expected, nowMs: NOW_MS, now: NOW });
}

describe('a budget allows', () => {
  const rows: [string, Given, { disruptionsAllowed: number; desiredHealthy: number; expectedPods: number }][] = [
    [
      'all above a number that must stay',
      { spec: { minAvailable: '2' }, pods: pods(5) },
      { disruptionsAllowed: 3, desiredHealthy: 2, expectedPods: 5 },
    ],
    [
      'none when too few are ready',
      { spec: { minAvailable: '2' }, pods: pods(1, 4) },
      { disruptionsAllowed: 0, desiredHealthy: 2, expectedPods: 5 },
    ],
    [
      'what is above a part of those wanted, rounded up',
      { spec: { minAvailable: '50%' }, pods: pods(5), expected: 5 },
      { disruptionsAllowed: 2, desiredHealthy: 3, expectedPods: 5 },
    ],
    [
      'as many as may be away',
      { spec: { maxUnavailable: '1' }, pods: pods(3), expected: 3 },
      { disruptionsAllowed: 1, desiredHealthy: 2, expectedPods: 3 },
    ],
    [
      'a part, rounded up',
      { spec: { maxUnavailable: '30%' }, pods: pods(7), expected: 7 },
      { disruptionsAllowed: 3, desiredHealthy: 4, expectedPods: 7 },
    ],
    [
      'fewer while some are missing',
      { spec: { maxUnavailable: '2' }, pods: pods(4), expected: 5 },
      { disruptionsAllowed: 1, desiredHealthy: 3, expectedPods: 5 },
    ],
    [
      'none of pods that go already',
      { spec: { maxUnavailable: '1' }, pods: pods(2, 0, 1), expected: 3 },
      { disruptionsAllowed: 0, desiredHealthy: 2, expectedPods: 3 },
    ],
    [
      'none when it selects none',
      { spec: { maxUnavailable: '1' }, pods: [], expected: 0 },
      { disruptionsAllowed: 0, desiredHealthy: 0, expectedPods: 0 },
    ],
    [
      'more than there are, which is all',
      { spec: { maxUnavailable: '9' }, pods: pods(2), expected: 2 },
      { disruptionsAllowed: 2, desiredHealthy: 0, expectedPods: 2 },
    ],
  ];
  it.each(rows)('%s', (_, given, wanted) => {
    const { status } = plan(given);
    expect(status).toMatchObject({ ...wanted, observedGeneration: 4 });
    const [condition] = status.conditions ?? [];
    const allowed = wanted.disruptionsAllowed > 0;
    expect(condition).toMatchObject({
      type: 'DisruptionAllowed',
      status: allowed ? 'True' : 'False',
      reason: allowed ? 'SufficientPods' : 'InsufficientPods',
    });
  });
});

describe('evictions that were allowed', () => {
  const since = (agoMs: number): string => new Date(NOW_MS - agoMs).toISOString();
  const spec = { maxUnavailable: '2' };

  it('count until their pods are seen going', () => {
    const { status, recheckMs } = plan({
      spec,
      pods: pods(3, 0, 1),
      expected: 4,
      status: { disruptedPods: { r0: since(30_000), g0: since(1000), gone: since(1000) } },
    });
    expect(status).toMatchObject({ disruptedPods: { r0: since(30_000) }, currentHealthy: 2, disruptionsAllowed: 0 });
    expect(recheckMs).toBe(90_000);
  });

  it('are forgotten when nothing came of them for two minutes', () => {
    const { status, recheckMs } = plan({
      spec,
      pods: pods(4),
      expected: 4,
      status: { disruptedPods: { r0: since(120_000) } },
    });
    expect(status.disruptedPods).toBeUndefined();
    expect(status.disruptionsAllowed).toBe(2);
    expect(recheckMs).toBeUndefined();
  });
});

describe('the condition', () => {
  it('keeps its time while it stays', () => {
    const status = { conditions: [{ type: 'DisruptionAllowed', status: 'True', lastTransitionTime: 'then' }] };
    const still = plan({ spec: { minAvailable: '1' }, pods: pods(2), status });
    expect(still.status.conditions?.[0]?.lastTransitionTime).toBe('then');
    const over = plan({ spec: { minAvailable: '1' }, pods: pods(1), status });
    expect(over.status.conditions?.[0]?.lastTransitionTime).toBe(NOW);
  });

  it('says why nothing can be computed, and then nothing is allowed', () => {
    const status = failedStatus({ status: { disruptionsAllowed: 3 } }, 'no scale', NOW);
    expect(status).toMatchObject({
      disruptionsAllowed: 0,
      conditions: [{ reason: 'SyncFailed', message: 'no scale' }],
    });
  });
});
