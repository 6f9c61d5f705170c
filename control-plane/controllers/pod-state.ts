/** Questions about pods that several controllers ask. */
import type { corev1 } from '../../proto/index.ts';

/** The pod's condition of that type. */
export function podCondition(pod: corev1.Pod, type: string): corev1.PodCondition | undefined {
  return pod.status?.conditions?.find((condition) => condition.type === type);
}

/** Whether all of the pod's containers ended and none will start again. */
export function hasEnded(pod: corev1.Pod): boolean {
  return pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';
}

/** Whether the pod counts: neither ended nor being deleted. */
export function isActive(pod: corev1.Pod): boolean {
  return !hasEnded(pod) && pod.metadata?.deletionTimestamp === undefined;
}

/** Whether the pod serves. */
export function isReady(pod: corev1.Pod): boolean {
  return podCondition(pod, 'Ready')?.status === 'True';
}

/** Milliseconds until a ready pod has been ready for `minReadySeconds`: 0 when it has, undefined when it is not ready. */
export function availableInMs(pod: corev1.Pod, minReadySeconds: number, nowMs: number): number | undefined {
  const condition = podCondition(pod, 'Ready');
  if (condition?.status !== 'True') return undefined;
  if (minReadySeconds === 0) return 0;
  const sinceMs = Date.parse(condition.lastTransitionTime ?? '');
  if (Number.isNaN(sinceMs)) return undefined;
  return Math.max(0, sinceMs + minReadySeconds * 1000 - nowMs);
}

/** Restarts of the container that restarted most. */
export function maxRestarts(pod: corev1.Pod): number {
  const statuses = [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])];
  return Math.max(0, ...statuses.map((status) => status.restartCount ?? 0));
}

/** The annotation `controller.kubernetes.io/pod-deletion-cost`; 0 when absent or unreadable. */
export function deletionCost(pod: corev1.Pod): number {
  const text = pod.metadata?.annotations?.['controller.kubernetes.io/pod-deletion-cost'];
  return text !== undefined && /^-?\d+$/.test(text) ? Number(text) : 0;
}

/** `conditions` with one set; the transition time is kept when the status stays. */
export function withCondition(
  conditions: readonly corev1.PodCondition[] | undefined,
  condition: corev1.PodCondition,
): corev1.PodCondition[] {
  const old = conditions?.find((c) => c.type === condition.type);
  const kept =
    old?.status === condition.status && old?.lastTransitionTime !== undefined
      ? { ...condition, lastTransitionTime: old.lastTransitionTime }
      : condition;
  return [...(conditions ?? []).filter((c) => c.type !== condition.type), kept];
}
