/** What a node's signs of life mean: its conditions, its taints, and whether its pods may be taken for lost. */
import type { corev1 } from '../../../proto/index.ts';

/** Taint of a node that says it is not ready. */
export const NOT_READY = 'node.kubernetes.io/not-ready';
/** Taint of a node that says nothing. */
export const UNREACHABLE = 'node.kubernetes.io/unreachable';
const UNSCHEDULABLE = 'node.kubernetes.io/unschedulable';

/** Conditions that taint a node against new pods while they have this status. */
const PRESSURE_TAINTS: readonly (readonly [type: string, key: string])[] = [
  ['MemoryPressure', 'node.kubernetes.io/memory-pressure'],
  ['DiskPressure', 'node.kubernetes.io/disk-pressure'],
  ['PIDPressure', 'node.kubernetes.io/pid-pressure'],
  ['NetworkUnavailable', 'node.kubernetes.io/network-unavailable'],
];

/** Taints this controller alone sets and removes. */
const OWN_KEYS: ReadonlySet<string> = new Set([
  NOT_READY,
  UNREACHABLE,
  UNSCHEDULABLE,
  ...PRESSURE_TAINTS.map(([, key]) => key),
]);

/** The label that names a node's zone. */
const ZONE_LABEL = 'topology.kubernetes.io/zone';

/** Conditions a silent node can no longer vouch for. */
const VOUCHED = ['Ready', 'MemoryPressure', 'DiskPressure', 'PIDPressure'] as const;

/** The node's Ready condition status; `Unknown` when it has none. */
export function readyStatus(node: corev1.Node): string {
  return node.status?.conditions?.find((c) => c.type === 'Ready')?.status ?? 'Unknown';
}

/** The zone of a node; nodes without one are a zone together. */
export function zoneOf(node: corev1.Node): string {
  return node.metadata?.labels?.[ZONE_LABEL] ?? '';
}

/** Whether the node's pods are being evicted because it is not ready. */
export function isEvicting(node: corev1.Node): boolean {
  const isOurs = ({ key, effect }: corev1.Taint): boolean =>
    effect === 'NoExecute' && (key === NOT_READY || key === UNREACHABLE);
  return node.spec?.taints?.some(isOurs) === true;
}

/** The conditions of a node that has been silent for too long. */
export function silentConditions(node: corev1.Node, now: string): corev1.NodeCondition[] {
  const present = node.status?.conditions ?? [];
  const untouched = present.filter((c) => !VOUCHED.some((type) => type === c.type));
  const unknown = VOUCHED.map((type): corev1.NodeCondition => {
    const old = present.find((c) => c.type === type);
    if (old === undefined) {
      const message = 'Kubelet never posted node status.';
      return { type, status: 'Unknown', reason: 'NodeStatusNeverUpdated', message, lastTransitionTime: now };
    }
    if (old.status === 'Unknown') return old;
    const message = 'Kubelet stopped posting node status.';
    return { ...old, status: 'Unknown', reason: 'NodeStatusUnknown', message, lastTransitionTime: now };
  });
  return [...untouched, ...unknown];
}

/** What decides the taints. */
export interface TaintInput {
  readonly node: corev1.Node;
  /** The Ready status after {@link silentConditions}. */
  readonly ready: string;
  /** Whether pods of a node that is not ready may be evicted: some other node proves that the fault is not here, and the brake is off. */
  readonly mayEvict: boolean;
  readonly now: string;
}

/** The node's taints as they should be. Those of others stay; those that stay keep their time. */
export function wantedTaints({ node, ready, mayEvict, now }: TaintInput): corev1.Taint[] {
  const present = node.spec?.taints ?? [];
  const wanted: corev1.Taint[] = [];
  const add = (key: string, effect: string): void => {
    const old = present.find((t) => t.key === key && t.effect === effect);
    wanted.push(old ?? { key, effect, timeAdded: now });
  };
  if (node.spec?.unschedulable === true) add(UNSCHEDULABLE, 'NoSchedule');
  if (ready !== 'True') {
    const key = ready === 'False' ? NOT_READY : UNREACHABLE;
    add(key, 'NoSchedule');
    if (mayEvict) add(key, 'NoExecute');
  }
  for (const [type, key] of PRESSURE_TAINTS) {
    if (node.status?.conditions?.some((c) => c.type === type && c.status === 'True') === true) add(key, 'NoSchedule');
  }
  return [...present.filter((taint) => !OWN_KEYS.has(taint.key ?? '')), ...wanted];
}

/** One node's signs of life, in milliseconds of this process' monotonic clock. */
export interface SignOfLife {
  readonly heardMs: number;
}

/**
 * Whether the silence of a node is its own fault: some other node was heard from in the second half of the grace period. When
 * all are silent, the fault is more likely here (or in the network between) than in all of them at once.
 */
export function silenceIsProven(
  name: string,
  signs: ReadonlyMap<string, SignOfLife>,
  { nowMs, graceMs }: { readonly nowMs: number; readonly graceMs: number },
): boolean {
  for (const [other, { heardMs }] of signs) if (other !== name && nowMs - heardMs <= graceMs / 2) return true;
  return false;
}
