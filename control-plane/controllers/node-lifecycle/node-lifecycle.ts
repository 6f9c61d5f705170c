/**
 * Watches over nodes: one that gives no sign of life for the grace period is Unknown and gets taints; one that says it is
 * not ready gets them, too. What the taints do to pods is the taint eviction controller's.
 *
 * Watches Nodes and the Leases in `kube-node-lease` (key: the node), and nothing periodically: each node's key comes back
 * when its grace period would end.
 *
 * The age of a lease counts from when this process saw it renewed, by its own monotonic clock; so a restarted server and a
 * wrong clock find nobody late. When all nodes are late, none is evicted.
 */
import { rfc3339 } from '../../../lib/clock.ts';
import { objectKey } from '../../../lib/informer.ts';
import { after, done, type Outcome } from '../../../lib/reconcile-loop.ts';
import { WorkQueue } from '../../../lib/work-queue.ts';
import { type coordinationv1, type corev1, KINDS } from '../../../proto/index.ts';
import type { Controller, ControllerContext, ControllerDefinition } from '../controller.ts';
import { isActive, isReady, withCondition } from '../pod-state.ts';
import { sameStatus, sameValue } from '../same-value.ts';
import { BY_NODE } from '../shared-informers.ts';
import { ignoreNotFound } from '../writes.ts';
import { readyStatus, type SignOfLife, silenceIsProven, silentConditions, wantedTaints } from './plan.ts';

const NAME = 'node-controller';
const LEASE_NAMESPACE = 'kube-node-lease';
/** While nobody can prove a silence, milliseconds until the question is put again. */
const PROOF_RECHECK_MS = 1_000;

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
    },
    onDelete: (node) => {
      signs.delete(objectKey(node));
      for (const other of nodes.list()) queue.add(objectKey(other));
    },
  });

  /** Nothing runs on a node that is gone as far as others can tell: its pods serve no longer. */
  async function markPodsNotReady(name: string, signal: AbortSignal): Promise<void> {
    const now = rfc3339(clock.now());
    const affected = pods.byIndex(BY_NODE, name).filter((pod) => isActive(pod) && isReady(pod));
    await Promise.all(
      affected.map(async (pod) => {
        const ready = { type: 'Ready', status: 'False', reason: 'NodeNotReady', lastTransitionTime: now };
        const status = { ...pod.status, conditions: withCondition(pod.status?.conditions, ready) };
        await ignoreNotFound(client.update(KINDS.Pod, { ...pod, status }, { subresource: 'status', signal }));
        events.record(pod, 'Warning', 'NodeNotReady', 'Node is not ready');
      }),
    );
  }

  async function reconcile(key: string, signal: AbortSignal): Promise<Outcome> {
    const node = nodes.get(key);
    if (node === undefined) {
      signs.delete(key);
      return done;
    }
    const nowMs = clock.monotonicMs();
    const now = rfc3339(clock.now());
    const leftMs = (signs.get(key)?.heardMs ?? nowMs) + settings.nodeGraceMs - nowMs;
    const silent = leftMs <= 0;
    const proven = silenceIsProven(key, signs, { nowMs, graceMs: settings.nodeGraceMs });
    const conditions = silent ? silentConditions(node, now) : node.status?.conditions;
    const was = readyStatus(node);
    const ready = conditions?.find((c) => c.type === 'Ready')?.status ?? 'Unknown';

    let current = node;
    if (!sameStatus(conditions, node.status?.conditions)) {
      const status = { ...node.status, conditions };
      current = await client.update(KINDS.Node, { ...node, status }, { subresource: 'status', signal });
      if (was === 'True') events.record(node, 'Normal', 'NodeNotReady', `Node ${key} status is now: NodeNotReady`);
    }
    const othersReady = nodes.list().some((other) => objectKey(other) !== key && readyStatus(other) === 'True');
    const reported = conditions?.some((c) => c.type === 'Ready') === true;
    // A node that is heard again but has not said how it is yet keeps its pods.
    const mayEvict = othersReady && (silent ? proven : reported && ready === 'False');
    const taints = wantedTaints({ node: current, ready: reported ? ready : 'False', mayEvict, now });
    if (!sameValue(taints, current.spec?.taints)) {
      await client.update(KINDS.Node, { ...current, spec: { ...current.spec, taints } }, { signal });
    }
    if (ready !== 'True' && mayEvict) await markPodsNotReady(key, signal);
    // All others decide by this one, too: when the last ready node is lost, or the first comes back.
    if (was !== ready) for (const other of nodes.list()) if (objectKey(other) !== key) queue.add(objectKey(other));
    if (!silent) return after(leftMs);
    return proven ? done : after(PROOF_RECHECK_MS);
  }

  return { queue, workers: 4, reconcile };
}

/** Text that changes with each status the node reports itself. */
function heartbeat(node: corev1.Node): string {
  const ready = node.status?.conditions?.find((c) => c.type === 'Ready');
  return ready?.lastHeartbeatTime ?? '';
}
