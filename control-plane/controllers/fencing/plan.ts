/**
 * What proves that the pods of a silent node are dead. Time alone does not: the agent may be gone, or cut off, while its containers run
 * on. Pure.
 */
import { isFenceable } from '../../../lib/fencing.ts';
import type { corev1 } from '../../../proto/index.ts';
import { hasEnded } from '../pod-state.ts';

/** Milliseconds that a dead-man may be late: its tick, the rounding of its clock, and the time that killing takes. */
export const DEAD_MAN_MARGIN_MS = 5_000;

/** A lease's last renewal, as this process heard it. */
export interface HeardRenewal {
  /** By this process' monotonic clock. */
  readonly heardMs: number;
  readonly renewTime: string;
  /** What the renewal promised; undefined for nothing. */
  readonly deadManSeconds: number | undefined;
}

/** Everything the verdict rests on. */
export interface FencingFacts {
  readonly node: corev1.Node;
  /** The machine's boot when it was found silent with the pod already going; undefined before that. */
  readonly silentBootId: string | undefined;
  readonly renewal: HeardRenewal | undefined;
  /** Monotonic. */
  readonly nowMs: number;
}

/** A proof in words. That by the dead-man counts once the lease was read afresh. */
export interface Proof {
  readonly kind: 'boot-id' | 'dead-man';
  readonly because: string;
}

/** What to do about one pod. */
export type FencingVerdict =
  | { readonly kind: 'proven'; readonly proof: Proof }
  /** `forMs` is when to look again; undefined: only a change can help. */
  | { readonly kind: 'waits'; readonly forMs: number | undefined; readonly message: string };

/** Whether the pod is one that must be proven dead, and nobody will say so: it is going, and its node says nothing. */
export function needsProof(pod: corev1.Pod, node: corev1.Node | undefined): node is corev1.Node {
  const going = pod.metadata?.deletionTimestamp !== undefined && !hasEnded(pod);
  return node !== undefined && going && isFenceable(pod) && readyCondition(node)?.status === 'Unknown';
}

/**
 * The verdict about a pod that {@link needsProof}, or did when its node was last silent.
 *
 * A pod that was going before the machine's new boot is dead: whatever ran went with the old boot, and no agent starts what is
 * being deleted. A pod on a node whose dead-man was armed is dead a while after the renewal that said so; that this process
 * heard of that renewal later than it was sent only makes it wait longer.
 */
export function fencingVerdict({ node, silentBootId, renewal, nowMs }: FencingFacts): FencingVerdict {
  const name = node.metadata?.name ?? '';
  const bootId = node.status?.nodeInfo?.bootID ?? '';
  if (silentBootId !== undefined && silentBootId !== '' && bootId !== '' && bootId !== silentBootId) {
    const because = `node ${name} was started anew since (boot ${bootId.slice(0, 8)}, before ${silentBootId.slice(0, 8)})`;
    return { kind: 'proven', proof: { kind: 'boot-id', because } };
  }
  const unreachable = `Node ${name} is unreachable since ${readyCondition(node)?.lastTransitionTime ?? 'an unknown time'}`;
  const byHand = `once the machine is surely off, say so: skiff node fence ${name}`;
  const seconds = renewal?.deadManSeconds;
  if (renewal === undefined || seconds === undefined) {
    const message = `${unreachable} and had no dead-man armed, so nothing proves that this pod is dead: it goes when the node is back; or, ${byHand}`;
    return { kind: 'waits', forMs: undefined, message };
  }
  const leftMs = renewal.heardMs + seconds * 1000 + DEAD_MAN_MARGIN_MS - nowMs;
  if (leftMs > 0) {
    const message = `${unreachable}: its dead-man ends this pod ${seconds} s after the node's last renewal; or, ${byHand}`;
    return { kind: 'waits', forMs: leftMs, message };
  }
  const because = `the dead-man of node ${name} was armed with ${seconds} s and its lease was not renewed since ${renewal.renewTime}`;
  return { kind: 'proven', proof: { kind: 'dead-man', because } };
}

function readyCondition(node: corev1.Node): corev1.NodeCondition | undefined {
  return node.status?.conditions?.find(({ type }) => type === 'Ready');
}
