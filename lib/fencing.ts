/** Which pods may never run twice, and the words by which a node and the control plane agree on when they are dead. */
import type { corev1 } from '../proto/index.ts';

/** On a pod, `true`: it is treated like one of a StatefulSet. Counts from the pod's creation: it belongs into the template. */
export const FENCED_ANNOTATION = 'skiff.dev/fenced';

/**
 * On a node's Lease: so many seconds after the renewal that carried it, unless there was another, every fenceable pod of the
 * node is dead, whatever became of its agent.
 */
export const DEAD_MAN_ANNOTATION = 'skiff.dev/dead-man-seconds';

/**
 * Whether the pod must be proven dead before its name and its place are given to another: one of a StatefulSet, which promises at
 * most one pod of each identity, or one that says so itself. All others promise nothing of the kind, and are replaced at once.
 */
export function isFenceable(pod: corev1.Pod): boolean {
  if (pod.metadata?.annotations?.[FENCED_ANNOTATION] === 'true') return true;
  return (
    pod.metadata?.ownerReferences?.some((owner) => owner.controller === true && owner.kind === 'StatefulSet') === true
  );
}

/** The seconds that a Lease's annotation promises; undefined for none and for what is no number of seconds. */
export function deadManSeconds(annotations: Readonly<Record<string, string>> | undefined): number | undefined {
  const text = annotations?.[DEAD_MAN_ANNOTATION] ?? '';
  return /^[1-9]\d{0,5}$/.test(text) ? Number(text) : undefined;
}
