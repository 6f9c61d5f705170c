/** Which pods nobody will ever remove by himself. */
import { isNodeReady } from '../../../lib/node-ready.ts';
import type { corev1 } from '../../../proto/index.ts';
import { hasEnded } from '../pod-state.ts';

/** Taint by which an operator states that a node is off for good. */
const OUT_OF_SERVICE = 'node.kubernetes.io/out-of-service';

/** Why a single pod must be removed without waiting for its node; undefined when it need not be. */
export function abandonedBecause(
  pod: corev1.Pod,
  node: corev1.Node | undefined,
): 'unscheduled' | 'node-gone' | 'out-of-service' | undefined {
  const terminating = pod.metadata?.deletionTimestamp !== undefined;
  if ((pod.spec?.nodeName ?? '') === '') return terminating ? 'unscheduled' : undefined;
  if (node === undefined) return 'node-gone';
  const out = node.spec?.taints?.some((taint) => taint.key === OUT_OF_SERVICE) === true;
  return terminating && !isNodeReady(node) && out ? 'out-of-service' : undefined;
}

/** Ended pods beyond the number to keep, the oldest; what is being deleted already is left out. */
export function surplusEndedPods(pods: readonly corev1.Pod[], kept: number): corev1.Pod[] {
  const ended = pods.filter((pod) => hasEnded(pod) && pod.metadata?.deletionTimestamp === undefined);
  if (ended.length <= kept) return [];
  const created = (pod: corev1.Pod): string => pod.metadata?.creationTimestamp ?? '';
  return ended.sort((a, b) => (created(a) < created(b) ? -1 : 1)).slice(0, ended.length - kept);
}
