/** What one object uses of the quotas of its namespace. */
import type { Quantity } from '../../lib/quantity.ts';
import type { corev1, KubeObject, ResourceType } from '../../proto/index.ts';
import { type Amounts, addAll, raiseTo, readAmounts, whole } from './amounts.ts';
import { computeUsage } from './pod-usage.ts';
import { COUNTED_KINDS } from './quota-resources.ts';

type Kind = Pick<ResourceType, 'group' | 'plural' | 'namespaced'>;

/** A deleted pod's grace is over for this long before its refund is left to the next count. */
const REFUND_UNTIL_MS = 10_000;
/** A deleted pod that is still there counts this long beyond its grace at least: longer than clocks differ. */
const OVERDUE_AFTER_MS = 30_000;

/**
 * When usage is asked for. A pod whose node does not say that it is gone stops counting some time after its grace is over.
 * Whoever counts everything says `count`; whoever charges or refunds a single change says `change`, and is more careful:
 * what may be left out of a count already is not refunded again.
 */
export interface UsageTime {
  readonly nowMs: number;
  readonly purpose: 'count' | 'change';
}

/** Whether objects of the kind are counted at all. Events come and go by themselves. */
export function isCountedKind({ plural, namespaced }: Kind): boolean {
  return namespaced && plural !== 'events';
}

/** Whether a quota over `names` has anything to do with objects of the kind. */
export function concernsKind(names: Iterable<string>, kind: Kind): boolean {
  if (!isCountedKind(kind)) return false;
  const { group, plural } = kind;
  for (const name of names) {
    if (name === countName(kind)) return true;
    if (group !== '') continue;
    if (name === plural) return true;
    const isOfClaims = name === 'requests.storage' || name.includes('.storageclass.storage.k8s.io/');
    const isOfServices = name.startsWith('services.');
    if (plural === 'persistentvolumeclaims' && isOfClaims) return true;
    if (plural === 'services' && isOfServices) return true;
    const isOfPods = !isOfClaims && !isOfServices && !name.startsWith('count/') && !COUNTED_KINDS.has(name);
    if (plural === 'pods' && isOfPods) return true;
  }
  return false;
}

/** Everything `object` uses, by every name it is counted under. */
export function usageOf(kind: Kind, object: KubeObject, time: UsageTime): Map<string, Quantity> {
  const usage = new Map<string, Quantity>();
  if (!isCountedKind(kind)) return usage;
  usage.set(countName(kind), whole(1));
  if (kind.group !== '') return usage;
  if (kind.plural === 'pods') {
    if (isOver(object as corev1.Pod, time)) return usage;
    addAll(usage, computeUsage((object as corev1.Pod).spec));
  }
  if (COUNTED_KINDS.has(kind.plural)) usage.set(kind.plural, whole(1));
  if (kind.plural === 'services') addAll(usage, serviceUsage(object as corev1.Service));
  if (kind.plural === 'persistentvolumeclaims') addAll(usage, claimUsage(object as corev1.PersistentVolumeClaim));
  return usage;
}

function countName({ group, plural }: Kind): string {
  return group === '' ? `count/${plural}` : `count/${plural}.${group}`;
}

/** Whether the pod uses nothing any more: it ended, or its node fails to say so. */
function isOver(pod: corev1.Pod, { nowMs, purpose }: UsageTime): boolean {
  const phase = pod.status?.phase;
  if (phase === 'Succeeded' || phase === 'Failed') return true;
  const deadline = Date.parse(pod.metadata?.deletionTimestamp ?? '');
  if (Number.isNaN(deadline)) return false;
  const graceMs = (pod.metadata?.deletionGracePeriodSeconds ?? 0) * 1000;
  return nowMs > deadline + (purpose === 'change' ? REFUND_UNTIL_MS : Math.max(graceMs, OVERDUE_AFTER_MS));
}

function serviceUsage({ spec }: corev1.Service): Amounts {
  const ports = spec?.ports?.length ?? 0;
  const usage = new Map<string, Quantity>();
  if (spec?.type === 'NodePort') usage.set('services.nodeports', whole(ports));
  if (spec?.type === 'LoadBalancer') {
    const opened =
      spec.allocateLoadBalancerNodePorts === false
        ? (spec.ports ?? []).filter((port) => (port.nodePort ?? 0) !== 0).length
        : ports;
    usage.set('services.nodeports', whole(opened));
    usage.set('services.loadbalancers', whole(1));
  }
  return usage;
}

function claimUsage(claim: corev1.PersistentVolumeClaim): Amounts {
  const usage = new Map<string, Quantity>();
  const asked = new Map<string, Quantity>();
  raiseTo(asked, readAmounts(claim.spec?.resources?.requests));
  raiseTo(asked, readAmounts(claim.status?.allocatedResources));
  const storage = asked.get('storage');
  const storageClass =
    claim.metadata?.annotations?.['volume.beta.kubernetes.io/storage-class'] ?? claim.spec?.storageClassName ?? '';
  if (storageClass !== '') {
    usage.set(`${storageClass}.storageclass.storage.k8s.io/persistentvolumeclaims`, whole(1));
  }
  if (storage !== undefined) {
    usage.set('requests.storage', storage);
    if (storageClass !== '') usage.set(`${storageClass}.storageclass.storage.k8s.io/requests.storage`, storage);
  }
  return usage;
}
