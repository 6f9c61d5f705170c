/** What a ReplicaSet needs, decided from a snapshot. */
import { isFenceable } from '../../../lib/fencing.ts';
import type { appsv1, corev1 } from '../../../proto/index.ts';
import { availableInMs, deletionCost, isActive, isReady, maxRestarts } from '../pod-state.ts';

/** Most pods made or removed in one go. */
const BURST = 500;

/** A snapshot. */
export interface ReplicaSetState {
  readonly replicaSet: appsv1.ReplicaSet;
  /** All pods it controls. */
  readonly pods: readonly corev1.Pod[];
  /** How many active pods of the same owner's ReplicaSets run on a node; crowded nodes lose pods first. */
  readonly podsOnNode: (node: string) => number;
  readonly nowMs: number;
}

/** What to do. At most one of the two is not empty. */
export interface ReplicaSetPlan {
  readonly create: number;
  readonly remove: readonly corev1.Pod[];
}

/** Pods to make or remove so that `spec.replicas` are active. A ReplicaSet that is being deleted does neither. */
export function planReplicaSet(state: ReplicaSetState): ReplicaSetPlan {
  const { replicaSet, pods } = state;
  if (replicaSet.metadata?.deletionTimestamp !== undefined) return { create: 0, remove: [] };
  const active = pods.filter(isActive);
  const missing = (replicaSet.spec?.replicas ?? 1) - active.length;
  if (missing >= 0) return { create: Math.max(0, Math.min(missing - pods.filter(isHeld).length, BURST)), remove: [] };
  const surplus = Math.min(-missing, BURST);
  return { create: 0, remove: removalOrder(active, state.podsOnNode).slice(0, surplus) };
}

/** A pod that may not run twice keeps its place until it is gone. */
function isHeld(pod: corev1.Pod): boolean {
  return pod.metadata?.deletionTimestamp !== undefined && !hasEndedPhase(pod) && isFenceable(pod);
}

/** One reason to remove `a` before `b`: negative when so. */
type Preference = (a: corev1.Pod, b: corev1.Pod) => number;

/**
 * Active pods, the one to lose first in front: not bound before bound; Pending before Unknown before Running; not ready
 * before ready; lower deletion cost; on a crowded node; ready for a shorter time; restarted more often; younger. Times are
 * compared by their order of magnitude, so that not always the youngest of equals goes.
 */
export function removalOrder(pods: readonly corev1.Pod[], podsOnNode: (node: string) => number): corev1.Pod[] {
  const preferences: readonly Preference[] = [
    (a, b) => Number(isBound(a)) - Number(isBound(b)),
    (a, b) => phaseRank(a) - phaseRank(b),
    (a, b) => Number(isReady(a)) - Number(isReady(b)),
    (a, b) => deletionCost(a) - deletionCost(b),
    (a, b) => podsOnNode(b.spec?.nodeName ?? '') - podsOnNode(a.spec?.nodeName ?? ''),
    (a, b) => readySinceMs(b) - readySinceMs(a),
    (a, b) => maxRestarts(b) - maxRestarts(a),
    (a, b) => createdMs(b) - createdMs(a),
    (a, b) => ((a.metadata?.uid ?? '') < (b.metadata?.uid ?? '') ? -1 : 1),
  ];
  return [...pods].sort((a, b) => {
    for (const preference of preferences) {
      const order = preference(a, b);
      if (order !== 0) return order;
    }
    return 0;
  });
}

function isBound(pod: corev1.Pod): boolean {
  return (pod.spec?.nodeName ?? '') !== '';
}

function phaseRank(pod: corev1.Pod): number {
  const phase = pod.status?.phase;
  return phase === 'Running' ? 2 : phase === 'Unknown' ? 1 : 0;
}

function readySinceMs(pod: corev1.Pod): number {
  if (!isReady(pod)) return 0;
  return Date.parse(pod.status?.conditions?.find((c) => c.type === 'Ready')?.lastTransitionTime ?? '') || 0;
}

function createdMs(pod: corev1.Pod): number {
  return Date.parse(pod.metadata?.creationTimestamp ?? '') || 0;
}

/** Why creating or deleting pods failed last. */
export interface ReplicaFailure {
  readonly reason: 'FailedCreate' | 'FailedDelete';
  readonly message: string;
}

/** The status to write, and when it will change by itself as pods become available. */
export interface StatusPlan {
  readonly status: appsv1.ReplicaSetStatus;
  readonly recheckMs: number | undefined;
}

/** The status of a ReplicaSet with these pods. */
export function replicaSetStatus(
  state: Pick<ReplicaSetState, 'replicaSet' | 'pods' | 'nowMs'>,
  failure: ReplicaFailure | undefined,
  now: string,
): StatusPlan {
  const { replicaSet, pods, nowMs } = state;
  const { spec, status: old } = replicaSet;
  const active = pods.filter(isActive);
  const wanted = Object.entries(spec?.template?.metadata?.labels ?? {});
  const waits = active.map((pod) => availableInMs(pod, spec?.minReadySeconds ?? 0, nowMs));
  const pending = waits.filter((ms) => ms !== undefined && ms > 0) as number[];
  const status: appsv1.ReplicaSetStatus = {
    replicas: active.length,
    fullyLabeledReplicas: active.filter((pod) => wanted.every(([k, v]) => pod.metadata?.labels?.[k] === v)).length,
    readyReplicas: active.filter(isReady).length,
    availableReplicas: waits.filter((ms) => ms === 0).length,
    terminatingReplicas: pods.filter((pod) => pod.metadata?.deletionTimestamp !== undefined && !hasEndedPhase(pod))
      .length,
    observedGeneration: replicaSet.metadata?.generation ?? 0,
  };
  const conditions = failureConditions(old?.conditions, failure, now);
  if (conditions.length > 0) status.conditions = conditions;
  return { status, recheckMs: pending.length === 0 ? undefined : Math.min(...pending) };
}

function hasEndedPhase(pod: corev1.Pod): boolean {
  return pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';
}

function failureConditions(
  old: readonly appsv1.ReplicaSetCondition[] | undefined,
  failure: ReplicaFailure | undefined,
  now: string,
): appsv1.ReplicaSetCondition[] {
  const others = (old ?? []).filter((condition) => condition.type !== 'ReplicaFailure');
  if (failure === undefined) return others;
  const known = (old ?? []).find((condition) => condition.type === 'ReplicaFailure');
  if (known !== undefined && known.reason === failure.reason) return [...others, known];
  return [...others, { type: 'ReplicaFailure', status: 'True', lastTransitionTime: now, ...failure }];
}
