/**
 * Drives pods off nodes with NoExecute taints, each after the time it tolerates.
 *
 * Watches Nodes (keys: the pods on a node whose taints changed) and Pods (key: itself). The time counts from when this
 * process first saw that the pod must go, so a restarted server evicts nobody early. Removing the taint in time cancels.
 */
import { rfc3339 } from '../../../lib/clock.ts';
import { isFenceable } from '../../../lib/fencing.ts';
import { objectKey } from '../../../lib/informer.ts';
import { after, done, type Outcome } from '../../../lib/reconcile-loop.ts';
import { WorkQueue } from '../../../lib/work-queue.ts';
import { type corev1, KINDS } from '../../../proto/index.ts';
import type { Controller, ControllerContext, ControllerDefinition } from '../controller.ts';
import { hasEnded, withCondition } from '../pod-state.ts';
import { sameValue } from '../same-value.ts';
import { BY_NODE } from '../shared-informers.ts';
import { ignoreNotFound } from '../writes.ts';
import { evictingTaints, stayMs } from './plan.ts';

const NAME = 'taint-eviction-controller';

/** The taint eviction controller. */
export const taintEvictionController: ControllerDefinition = { name: NAME, create };

function create(context: ControllerContext): Controller {
  const { client, informers, clock, log } = context;
  const queue = new WorkQueue({ clock });
  const nodes = informers.of(KINDS.Node);
  const pods = informers.of(KINDS.Pod);
  const events = context.events(NAME);
  /** When a pod (by uid) was first seen to have to go, in monotonic milliseconds. */
  const since = new Map<string, number>();

  const enqueuePodsOf = (node: corev1.Node): void => {
    for (const pod of pods.byIndex(BY_NODE, objectKey(node))) queue.add(objectKey(pod));
  };
  const enqueueBound = (pod: corev1.Pod): void => {
    if ((pod.spec?.nodeName ?? '') !== '') queue.add(objectKey(pod));
  };
  nodes.addHandler({
    onAdd: enqueuePodsOf,
    onUpdate: (old, node) => {
      if (!sameValue(evictingTaints(old), evictingTaints(node))) enqueuePodsOf(node);
    },
  });
  pods.addHandler({
    onAdd: enqueueBound,
    onUpdate: (old, pod) => {
      const moved = old.spec?.nodeName !== pod.spec?.nodeName;
      if (moved || !sameValue(old.spec?.tolerations, pod.spec?.tolerations)) enqueueBound(pod);
    },
    onDelete: (pod) => since.delete(pod.metadata?.uid ?? ''),
  });

  async function evict(pod: corev1.Pod, signal: AbortSignal): Promise<void> {
    const { namespace, name = '', uid = '' } = pod.metadata ?? {};
    log.info({ namespace, name, uid, node: pod.spec?.nodeName }, 'evicting pod from tainted node');
    events.record(pod, 'Normal', 'TaintManagerEviction', `Marking for deletion Pod ${namespace}/${name}`);
    const message = 'Taint manager: deleting due to NoExecute taint';
    const disruption: corev1.PodCondition = {
      type: 'DisruptionTarget',
      status: 'True',
      reason: 'DeletionByTaintManager',
      message,
      lastTransitionTime: rfc3339(clock.now()),
    };
    const status = { ...pod.status, conditions: withCondition(pod.status?.conditions, disruption) };
    const marked = await ignoreNotFound(
      client.update(KINDS.Pod, { ...pod, status }, { subresource: 'status', signal }),
    );
    if (marked === undefined) return;
    // A grace of none removes the object at once, and nobody would wait for a proof that the pod is dead.
    const atOnce = pod.spec?.terminationGracePeriodSeconds === 0 && isFenceable(pod);
    const options = { uid, signal, ...(atOnce ? { gracePeriodSeconds: 1 } : {}) };
    await ignoreNotFound(client.delete(KINDS.Pod, { namespace, name }, options));
  }

  async function reconcile(key: string, signal: AbortSignal): Promise<Outcome> {
    const pod = pods.get(key);
    if (pod === undefined || pod.metadata?.deletionTimestamp !== undefined || hasEnded(pod)) return done;
    const uid = pod.metadata?.uid ?? '';
    const node = nodes.get(pod.spec?.nodeName ?? '');
    const taints = node === undefined ? [] : evictingTaints(node);
    const allowedMs = taints.length === 0 ? undefined : stayMs(pod, taints);
    if (allowedMs === undefined) {
      if (since.delete(uid)) {
        const name = `${pod.metadata?.namespace}/${pod.metadata?.name}`;
        events.record(pod, 'Normal', 'TaintManagerEviction', `Cancelling deletion of Pod ${name}`);
      }
      return done;
    }
    const nowMs = clock.monotonicMs();
    const startMs = since.get(uid) ?? nowMs;
    since.set(uid, startMs);
    const leftMs = startMs + allowedMs - nowMs;
    if (leftMs > 0) return after(leftMs);
    await evict(pod, signal);
    since.delete(uid);
    return done;
  }

  return { queue, workers: 8, reconcile };
}
