/** How many pods a budget lets go now. Pure. */
import { integerOf, percentOf, scaledCount } from '../../../lib/int-or-string.ts';
import type { corev1, metav1, policyv1 } from '../../../proto/index.ts';
import { isReady } from '../pod-state.ts';

/** An eviction that was allowed counts this long as under way although its pod is not seen going. */
const EVICTION_SEEN_MS = 120_000;

/** What a budget is computed from. */
export interface BudgetState {
  readonly budget: policyv1.PodDisruptionBudget;
  /** The pods it is about. */
  readonly pods: readonly corev1.Pod[];
  /** Replicas that the owners of these pods want together; undefined when that cannot be said. */
  readonly expected: number | undefined;
  readonly nowMs: number;
  readonly now: string;
}

/** A status, and when it changes by time alone. */
export interface BudgetPlan {
  readonly status: policyv1.PodDisruptionBudgetStatus;
  readonly recheckMs: number | undefined;
}

/** Whether the budget needs to know how many replicas are wanted: a number that must stay does not. */
export function needsExpected({ spec = {} }: policyv1.PodDisruptionBudget): boolean {
  return spec.maxUnavailable !== undefined || percentOf(spec.minAvailable) !== undefined;
}

/** The status of the budget as things are. When nothing can be computed nothing may go: see {@link failedStatus}. */
export function planBudget({ budget, pods, expected, nowMs, now }: BudgetState): BudgetPlan {
  const expectedPods = needsExpected(budget) ? (expected ?? 0) : pods.length;
  const desiredHealthy = desiredOf(budget.spec ?? {}, expectedPods);
  const { disrupted, recheckMs } = stillDisrupted(budget, pods, nowMs);
  const currentHealthy = pods.filter(
    (pod) =>
      pod.metadata?.deletionTimestamp === undefined &&
      !Object.hasOwn(disrupted, pod.metadata?.name ?? '') &&
      isReady(pod),
  ).length;
  const disruptionsAllowed = expectedPods <= 0 ? 0 : Math.max(0, currentHealthy - desiredHealthy);
  const status: policyv1.PodDisruptionBudgetStatus = {
    conditions: withAllowed(budget, disruptionsAllowed > 0 ? 'SufficientPods' : 'InsufficientPods', now),
    currentHealthy,
    desiredHealthy,
    disruptionsAllowed,
    expectedPods,
    observedGeneration: budget.metadata?.generation ?? 0,
    ...(Object.keys(disrupted).length === 0 ? {} : { disruptedPods: disrupted }),
  };
  return { status, recheckMs };
}

/** The status when what is wanted cannot be found out: nothing may go, and the condition says why. */
export function failedStatus(
  budget: policyv1.PodDisruptionBudget,
  because: string,
  now: string,
): policyv1.PodDisruptionBudgetStatus {
  return {
    ...budget.status,
    conditions: withAllowed(budget, 'SyncFailed', now, because),
    disruptionsAllowed: 0,
    observedGeneration: budget.metadata?.generation ?? 0,
  };
}

function desiredOf(spec: policyv1.PodDisruptionBudgetSpec, expected: number): number {
  if (spec.maxUnavailable !== undefined) {
    return Math.max(0, expected - (scaledCount(spec.maxUnavailable, expected, 'up') ?? 0));
  }
  return integerOf(spec.minAvailable) ?? scaledCount(spec.minAvailable, expected, 'up') ?? 0;
}

/** Evictions whose pods are still there and not going yet, without those that were allowed too long ago. */
function stillDisrupted({ status }: policyv1.PodDisruptionBudget, pods: readonly corev1.Pod[], nowMs: number) {
  const there = new Set(
    pods.filter((pod) => pod.metadata?.deletionTimestamp === undefined).map((pod) => pod.metadata?.name ?? ''),
  );
  const disrupted: Record<string, string> = {};
  let recheckMs: number | undefined;
  for (const [name, since] of Object.entries(status?.disruptedPods ?? {})) {
    const leftMs = Date.parse(since) + EVICTION_SEEN_MS - nowMs;
    if (!there.has(name) || !(leftMs > 0)) continue;
    disrupted[name] = since;
    recheckMs = Math.min(recheckMs ?? leftMs, leftMs);
  }
  return { disrupted, recheckMs };
}

/** The budget's conditions with DisruptionAllowed set; it is true only for the reason SufficientPods. */
export function withAllowed(
  budget: policyv1.PodDisruptionBudget,
  reason: 'SufficientPods' | 'InsufficientPods' | 'SyncFailed',
  now: string,
  message = '',
): metav1.Condition[] {
  const conditions = budget.status?.conditions ?? [];
  const old = conditions.find((condition) => condition.type === 'DisruptionAllowed');
  const status = reason === 'SufficientPods' ? 'True' : 'False';
  const condition: metav1.Condition = {
    type: 'DisruptionAllowed',
    status,
    reason,
    message,
    lastTransitionTime: old?.status === status ? old.lastTransitionTime : now,
    observedGeneration: budget.metadata?.generation ?? 0,
  };
  return [...conditions.filter((other) => other !== old), condition];
}
