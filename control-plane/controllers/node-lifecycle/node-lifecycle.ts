/**
 * Watches over nodes: one that gives no sign of life for the grace period is Unknown and gets taints; one that says it is
 * not ready gets them, too. What the taints do to pods is the taint eviction controller's.
 *
 * Watches Nodes and the Leases in `kube-node-lease` (key: the node), and nothing periodically: each node's key comes back
 * when its grace period would end.
 *
 * The age of a lease counts from when this process saw it renewed, by its own monotonic clock; so a restarted server and a
 * wrong clock find nobody late. When all nodes are late, none is evicted; when many are, one after the other (`eviction-brake.ts`).
 */
import { rfc3339 } from '../../../lib/clock.ts';
import { hasReason } from '../../../lib/errors.ts';
import { objectKey } from '../../../lib/informer.ts';
import { after, done, type Outcome } from '../../../lib/reconcile-loop.ts';
import { WorkQueue } from '../../../lib/work-queue.ts';
import { type coordinationv1, type corev1, KINDS } from '../../../proto/index.ts';
import type { Controller, ControllerContext, ControllerDefinition } from '../controller.ts';
import { hasEnded, isReady, withCondition } from '../pod-state.ts';
import { sameStatus, sameValue } from '../same-value.ts';
import { BY_NODE } from '../shared-informers.ts';
import { ignoreNotFound } from '../writes.ts';
import { type BrakedNode, EvictionBrake } from './eviction-brake.ts';
import {
  isEvicting,
  readyStatus,
  type SignOfLife,
  silenceIsProven,
  silentConditions,
  wantedTaints,
  zoneOf,
} from './plan.ts';

const NAME = 'node-controller';
const LEASE_NAMESPACE = 'kube-node-lease';
/** While nobody can prove a silence, milliseconds until the question is put again. */
const PROOF_RECHECK_MS = 1_000;
/** A cache that was behind shows the newest soon. */
const STALE_RECHECK_MS = 100;

/** The node lifecycle controller. */
export const nodeLifecycleController: ControllerDefinition = { name: NAME, create };

function create(context: ControllerContext): Controller {
  const { client, informers, clock, settings } = context;
  const queue = new WorkQueue({ clock });
  const nodes = informers.of(KINDS.Node);
  const leases = informers.of(KINDS.Lease);
  const pods = informers.of(KINDS.Pod);
  const events = context.events(NAME);
  const signs = new Map<string, SignOfLife>();
  const brake = new EvictionBrake();
  /** Nodes whose pods were marked since they were ready last. */
  const marked = new Set<string>();

  const heard = (name: string): void => {
    signs.set(name, { heardMs: clock.monotonicMs() });
    queue.add(name);
  };
  const renewed = (lease: coordinationv1.Lease): void => {
    if (lease.metadata?.namespace === LEASE_NAMESPACE) heard(lease.metadata.name ?? '');
  };
  leases.addHandler({
    onAdd: renewed,
    onUpdate: (old, lease) => {
      if (old.spec?.renewTime !== lease.spec?.renewTime) renewed(lease);
    },
  });
  nodes.addHandler({
    onAdd: (node) => heard(objectKey(node)),
    onUpdate: (old, node) => {
      if (heartbeat(old) === heartbeat(node)) queue.add(objectKey(node));
      else heard(objectKey(node));
      // All others decide by this one, too: when the last ready node is lost, or the first comes back.
      if (readyStatus(old) !== readyStatus(node)) for (const other of nodes.list()) queue.add(objectKey(other));
    },
    onDelete: (node) => {
      forget(objectKey(node));
      for (const other of nodes.list()) queue.add(objectKey(other));
    },
  });

  function forget(name: string): void {
    signs.delete(name);
    marked.delete(name);
    brake.recovered(name);
  }

  /**
   * Nothing runs on a node that is gone as far as others can tell: its pods serve no longer. All are written at once, which the
   * server commits as one group: services drop them together. False when the cache was behind for some of them.
   */
  async function markPodsNotReady(name: string, signal: AbortSignal): Promise<boolean> {
    const now = rfc3339(clock.now());
    const affected = pods.byIndex(BY_NODE, name).filter((pod) => !hasEnded(pod) && isReady(pod));
    const results = await Promise.allSettled(
      affected.map(async (pod) => {
        const ready = { type: 'Ready', status: 'False', reason: 'NodeNotReady', lastTransitionTime: now };
        const status = { ...pod.status, conditions: withCondition(pod.status?.conditions, ready) };
        await ignoreNotFound(client.update(KINDS.Pod, { ...pod, status }, { subresource: 'status', signal }));
        events.record(pod, 'Warning', 'NodeNotReady', 'Node is not ready');
      }),
    );
    const failures = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : []));
    const serious = failures.find((failure) => !hasReason(failure, 'Conflict'));
    if (serious !== undefined) throw serious;
    return failures.length === 0;
  }

  async function reconcile(key: string, signal: AbortSignal): Promise<Outcome> {
    const node = nodes.get(key);
    if (node === undefined) {
      forget(key);
      return done;
    }
    const nowMs = clock.monotonicMs();
    const now = rfc3339(clock.now());
    const leftMs = (signs.get(key)?.heardMs ?? nowMs) + settings.nodeGraceMs - nowMs;
    const silent = leftMs <= 0;
    const proven = silenceIsProven(key, signs, { nowMs, graceMs: settings.nodeGraceMs });
    const conditions = silent ? silentConditions(node, now) : node.status?.conditions;
    const ready = conditions?.find((c) => c.type === 'Ready')?.status ?? 'Unknown';

    let current = node;
    if (!sameStatus(conditions, node.status?.conditions)) {
      const status = { ...node.status, conditions };
      current = await client.update(KINDS.Node, { ...node, status }, { subresource: 'status', signal });
      if (readyStatus(node) === 'True')
        events.record(node, 'Normal', 'NodeNotReady', `Node ${key} status is now: NodeNotReady`);
    }
    const othersReady = nodes.list().some((other) => objectKey(other) !== key && readyStatus(other) === 'True');
    const reported = conditions?.some((c) => c.type === 'Ready') === true;
    // A node that is heard again but has not said how it is yet keeps its pods.
    const isLost = othersReady && (silent ? proven : reported && ready === 'False');
    // First of all: services must not wait for the brake. A node that speaks corrects its pods itself, once.
    let stale = false;
    if (isLost && (silent || !marked.has(key))) {
      stale = !(await markPodsNotReady(key, signal));
      if (!stale) marked.add(key);
    }
    if (ready === 'True') marked.delete(key);
    const brakedMs = isLost ? waitForBrake(key, node, nowMs) : 0;
    if (!isLost) brake.recovered(key);
    const mayEvict = isLost && brakedMs === 0;
    const taints = wantedTaints({ node: current, ready: reported ? ready : 'False', mayEvict, now });
    if (!sameValue(taints, current.spec?.taints)) {
      await client.update(KINDS.Node, { ...current, spec: { ...current.spec, taints } }, { signal });
    }
    if (stale) return after(STALE_RECHECK_MS);
    if (brakedMs > 0) return after(brakedMs);
    if (!silent) return after(leftMs);
    return proven ? done : after(PROOF_RECHECK_MS);
  }

  /** Milliseconds until the lost node may lose its pods; 0 for now. */
  function waitForBrake(name: string, node: corev1.Node, nowMs: number): number {
    if (isEvicting(node)) brake.keepReleased(name);
    const others = nodes.list().filter((other) => objectKey(other) !== name && hasReported(other));
    const all: BrakedNode[] = [
      { zone: zoneOf(node), ready: false },
      ...others.map((other) => ({ zone: zoneOf(other), ready: readyStatus(other) === 'True' })),
    ];
    return brake.waitMs(name, { zone: zoneOf(node), nodes: all, nowMs });
  }

  return { queue, workers: 4, reconcile };
}

/** A machine that has only just joined says nothing about the health of its zone. */
function hasReported(node: corev1.Node): boolean {
  return node.status?.conditions?.some((c) => c.type === 'Ready') === true;
}

/** Text that changes with each status the node reports itself. */
function heartbeat(node: corev1.Node): string {
  const ready = node.status?.conditions?.find((c) => c.type === 'Ready');
  return ready?.lastHeartbeatTime ?? '';
}
