/**
 * Removes pods nobody else will remove: bound to a Node that is gone, deleted before they were bound, on a node declared out
 * of service, and ended ones beyond the number that is kept.
 *
 * Watches Pods (key: itself, and one key for the count of ended pods) and Nodes (keys: the pods on a node that left or
 * changed). A Node that is missing must stay missing for a while, as an agent may only be registering it anew, and is asked
 * for once more before its pods go.
 */
import { rfc3339 } from '../../../lib/clock.ts';
import { objectKey } from '../../../lib/informer.ts';
import { after, done, type Outcome } from '../../../lib/reconcile-loop.ts';
import { WorkQueue } from '../../../lib/work-queue.ts';
import { type corev1, KINDS } from '../../../proto/index.ts';
import type { Controller, ControllerContext, ControllerDefinition } from '../controller.ts';
import { hasEnded, withCondition } from '../pod-state.ts';
import { BY_NODE } from '../shared-informers.ts';
import { ignoreNotFound } from '../writes.ts';
import { abandonedBecause, surplusEndedPods } from './plan.ts';

const NAME = 'pod-garbage-collector';
/** Stands for the count of ended pods; no pod has such a key. */
const ENDED = '*';

/** The collector of abandoned pods. */
export const podGarbageCollector: ControllerDefinition = { name: NAME, create };

function create(context: ControllerContext): Controller {
  const { client, informers, clock, settings, log } = context;
  const queue = new WorkQueue({ clock });
  const nodes = informers.of(KINDS.Node);
  const pods = informers.of(KINDS.Pod);
  const events = context.events(NAME);
  /** When a node was first found missing, in monotonic milliseconds. */
  const missingSince = new Map<string, number>();

  const look = (pod: corev1.Pod): void => {
    if (hasEnded(pod)) queue.add(ENDED);
    if (abandonedBecause(pod, nodes.get(pod.spec?.nodeName ?? '')) !== undefined) queue.add(objectKey(pod));
  };
  const lookAll = (node: corev1.Node): void => {
    for (const pod of pods.byIndex(BY_NODE, objectKey(node))) look(pod);
  };
  pods.addHandler({ onAdd: look, onUpdate: (_, pod) => look(pod) });
  nodes.addHandler({
    onAdd: (node) => missingSince.delete(objectKey(node)),
    onUpdate: (_, node) => lookAll(node),
    onDelete: lookAll,
  });

  async function removeSurplus(signal: AbortSignal): Promise<void> {
    const surplus = surplusEndedPods(pods.list(), settings.endedPodsKept);
    for (const pod of surplus) await remove(pod, signal);
  }

  async function remove(pod: corev1.Pod, signal: AbortSignal): Promise<void> {
    const { namespace, name = '', uid = '' } = pod.metadata ?? {};
    log.info({ namespace, name, uid, node: pod.spec?.nodeName }, 'removing abandoned pod');
    const options = { uid, gracePeriodSeconds: 0, signal };
    await ignoreNotFound(client.delete(KINDS.Pod, { namespace, name }, options));
  }

  /** Milliseconds until the absence of a node is believed; 0 when it is. */
  async function absenceMs(name: string, signal: AbortSignal): Promise<number> {
    const nowMs = clock.monotonicMs();
    const sinceMs = missingSince.get(name) ?? nowMs;
    missingSince.set(name, sinceMs);
    const leftMs = sinceMs + settings.orphanQuarantineMs - nowMs;
    if (leftMs > 0) return leftMs;
    const fresh = await ignoreNotFound(client.get(KINDS.Node, { name }, signal));
    return fresh === undefined ? 0 : settings.orphanQuarantineMs;
  }

  async function fail(pod: corev1.Pod, signal: AbortSignal): Promise<void> {
    if (hasEnded(pod)) return;
    const disruption: corev1.PodCondition = {
      type: 'DisruptionTarget',
      status: 'True',
      reason: 'DeletionByPodGC',
      message: 'PodGC: node no longer exists',
      lastTransitionTime: rfc3339(clock.now()),
    };
    const conditions = withCondition(pod.status?.conditions, disruption);
    const failed = { ...pod, status: { ...pod.status, phase: 'Failed', conditions } };
    await ignoreNotFound(client.update(KINDS.Pod, failed, { subresource: 'status', signal }));
  }

  async function reconcile(key: string, signal: AbortSignal): Promise<Outcome> {
    if (key === ENDED) {
      await removeSurplus(signal);
      return done;
    }
    const pod = pods.get(key);
    if (pod === undefined) return done;
    const name = pod.spec?.nodeName ?? '';
    const reason = abandonedBecause(pod, nodes.get(name));
    if (reason === undefined) return done;
    if (reason === 'node-gone') {
      const leftMs = await absenceMs(name, signal);
      if (leftMs > 0) return after(leftMs);
      await fail(pod, signal);
    }
    if (reason === 'out-of-service') {
      events.record(pod, 'Normal', 'Fenced', `Taken for dead: node ${name} was declared out of service`);
    }
    await remove(pod, signal);
    return done;
  }

  return { queue, reconcile };
}
