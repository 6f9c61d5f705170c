/**
 * Keeps as many pods of a template as a ReplicaSet asks for.
 *
 * Watches ReplicaSets (key: itself) and Pods (keys: the ReplicaSet that controls or controlled it; for a pod without
 * controller every ReplicaSet that selects it).
 *
 * Never makes too many from a stale cache: a decision is taken only when the cache shows every pod this controller made or
 * deleted for the key; after an answer was lost, the decision is taken from a fresh list.
 */
import { rfc3339 } from '../../../lib/clock.ts';
import { errorMessage } from '../../../lib/errors.ts';
import { objectKey } from '../../../lib/informer.ts';
import { after, done, type Outcome } from '../../../lib/reconcile-loop.ts';
import { labelRequirements, matchesLabels } from '../../../lib/selectors.ts';
import { WorkQueue } from '../../../lib/work-queue.ts';
import { type appsv1, type corev1, KINDS } from '../../../proto/index.ts';
import type { Controller, ControllerContext, ControllerDefinition } from '../controller.ts';
import { OwnWrites } from '../own-writes.ts';
import { claim, controllerOf, controllerReference, withController, withoutOwners } from '../ownership.ts';
import { isActive } from '../pod-state.ts';
import { sameStatus, sameValue } from '../same-value.ts';
import { BY_NAMESPACE, BY_OWNER } from '../shared-informers.ts';
import { ignoreNotFound, isNamespaceTerminating, mayHaveHappened, slowStart } from '../writes.ts';
import { planReplicaSet, type ReplicaFailure, replicaSetStatus } from './plan.ts';

const NAME = 'replicaset-controller';
/** Milliseconds between two writes of a status whose counts of ready pods change only: many pods become ready at once. */
const STATUS_INTERVAL_MS = 50;

/** The ReplicaSet controller. */
export const replicaSetController: ControllerDefinition = { name: NAME, create };

function create(context: ControllerContext): Controller {
  const { client, informers, clock } = context;
  const queue = new WorkQueue({ clock });
  const sets = informers.of(KINDS.ReplicaSet);
  const pods = informers.of(KINDS.Pod);
  const ownWrites = new OwnWrites(pods);
  const events = context.events(NAME);
  /** When the status of a set was last written, in monotonic milliseconds. */
  const statusWrittenMs = new Map<string, number>();

  const enqueueSelecting = (pod: corev1.Pod): void => {
    for (const set of sets.byIndex(BY_NAMESPACE, pod.metadata?.namespace ?? '')) {
      if (matchesLabels(labelRequirements(set.spec?.selector), pod.metadata?.labels)) queue.add(objectKey(set));
    }
  };
  const enqueueOwner = (pod: corev1.Pod, urgent = true): boolean => {
    const owner = controllerOf(pod);
    if (owner === undefined) return false;
    if (owner.kind !== 'ReplicaSet') return true;
    const key = `${pod.metadata?.namespace ?? ''}/${owner.name ?? ''}`;
    const sinceMs = clock.monotonicMs() - (statusWrittenMs.get(key) ?? Number.NEGATIVE_INFINITY);
    queue.addAfter(key, urgent ? 0 : STATUS_INTERVAL_MS - sinceMs);
    return true;
  };
  sets.addHandler({
    onAdd: (set) => queue.add(objectKey(set)),
    onUpdate: (_, set) => queue.add(objectKey(set)),
    onDelete: (set) => queue.add(objectKey(set)),
  });
  pods.addHandler({
    onAdd: (pod) => {
      if (!enqueueOwner(pod, false)) enqueueSelecting(pod);
    },
    onUpdate: (old, pod) => {
      const moved = controllerOf(old)?.uid !== controllerOf(pod)?.uid;
      if (moved) enqueueOwner(old);
      const relabelled = !sameValue(old.metadata?.labels, pod.metadata?.labels);
      const urgent = moved || relabelled || isActive(old) !== isActive(pod);
      if (!enqueueOwner(pod, urgent)) enqueueSelecting(pod);
    },
    onDelete: (pod) => void enqueueOwner(pod, isActive(pod)),
  });

  /** Pods the set controls, after taking over and letting go. */
  async function claimPods(key: string, set: appsv1.ReplicaSet, signal: AbortSignal): Promise<corev1.Pod[]> {
    const namespace = set.metadata?.namespace ?? '';
    const candidates = ownWrites.takeUncertain(key)
      ? (await client.list(KINDS.Pod, { namespace, signal })).items
      : pods.byIndex(BY_NAMESPACE, namespace);
    const selector = labelRequirements(set.spec?.selector);
    const result = claim(set, candidates, (pod) => matchesLabels(selector, pod.metadata?.labels));
    const adopt = result.adopt.filter(isActive);
    if (adopt.length > 0) await mustStillExist(set, signal);
    const adopted = await Promise.all(
      adopt.map(async (pod) => {
        const owned = withController(pod, controllerReference(KINDS.ReplicaSet, set));
        return ignoreNotFound(client.update(KINDS.Pod, owned, { signal }));
      }),
    );
    const released = await Promise.all(
      result.release.map((pod) => {
        const free = withoutOwners(pod, new Set([set.metadata?.uid ?? '']));
        return ignoreNotFound(client.update(KINDS.Pod, free, { signal }));
      }),
    );
    for (const pod of [...adopted, ...released]) if (pod !== undefined) ownWrites.wrote(key, pod);
    return [...result.owned, ...adopted.filter((pod) => pod !== undefined)];
  }

  /** A cache may still show a set that was deleted or made anew; such a one must not take pods over. */
  async function mustStillExist(set: appsv1.ReplicaSet, signal: AbortSignal): Promise<void> {
    const { namespace, name = '', uid } = set.metadata ?? {};
    const fresh = await client.get(KINDS.ReplicaSet, { namespace, name }, signal);
    if (fresh.metadata?.uid !== uid || fresh.metadata?.deletionTimestamp !== undefined) {
      throw new Error(`Cannot adopt pods for replicaset ${objectKey(set)}: it is being deleted`);
    }
  }

  async function createPods(key: string, set: appsv1.ReplicaSet, count: number, signal: AbortSignal): Promise<unknown> {
    const pod = podFromTemplate(set);
    const { failures } = await slowStart(count, async () => {
      try {
        const made = await client.create(KINDS.Pod, pod, { signal });
        ownWrites.wrote(key, made);
        events.record(set, 'Normal', 'SuccessfulCreate', `Created pod: ${made.metadata?.name ?? ''}`);
      } catch (err) {
        if (isNamespaceTerminating(err)) return;
        if (mayHaveHappened(err)) ownWrites.lostAnswer(key);
        events.record(set, 'Warning', 'FailedCreate', `Error creating: ${errorMessage(err)}`);
        throw err;
      }
    });
    return failures[0];
  }

  async function removePods(
    key: string,
    set: appsv1.ReplicaSet,
    doomed: readonly corev1.Pod[],
    signal: AbortSignal,
  ): Promise<unknown> {
    const results = await Promise.allSettled(
      doomed.map(async (pod) => {
        const { namespace, name = '', uid = '' } = pod.metadata ?? {};
        const deleted = await ignoreNotFound(client.delete(KINDS.Pod, { namespace, name }, { uid, signal }));
        ownWrites.deleted(key, objectKey(pod), uid);
        if (deleted !== undefined) events.record(set, 'Normal', 'SuccessfulDelete', `Deleted pod: ${name}`);
      }),
    );
    for (const result of results) {
      if (result.status === 'fulfilled') continue;
      if (mayHaveHappened(result.reason)) ownWrites.lostAnswer(key);
      events.record(set, 'Warning', 'FailedDelete', `Error deleting: ${errorMessage(result.reason)}`);
      return result.reason as unknown;
    }
    return undefined;
  }

  /** Active pods of all sets of the same owner, by node. */
  function podsOnNodes(set: appsv1.ReplicaSet): (node: string) => number {
    const owner = controllerOf(set);
    const related = owner?.uid === undefined ? [set] : sets.byIndex(BY_OWNER, owner.uid);
    const counts = new Map<string, number>();
    for (const pod of related.flatMap((one) => pods.byIndex(BY_OWNER, one.metadata?.uid ?? '')).filter(isActive)) {
      const node = pod.spec?.nodeName ?? '';
      counts.set(node, (counts.get(node) ?? 0) + 1);
    }
    return (node) => counts.get(node) ?? 0;
  }

  async function reconcile(key: string, signal: AbortSignal): Promise<Outcome> {
    await ownWrites.visible(key, signal);
    const set = sets.get(key);
    if (set === undefined) {
      ownWrites.forget(key);
      statusWrittenMs.delete(key);
      return done;
    }
    const owned = await claimPods(key, set, signal);
    const nowMs = clock.now();
    const plan = planReplicaSet({ replicaSet: set, pods: owned, podsOnNode: podsOnNodes(set), nowMs });
    let failure: unknown;
    let reason: ReplicaFailure['reason'] = 'FailedCreate';
    if (plan.create > 0) {
      failure = await createPods(key, set, plan.create, signal);
    } else if (plan.remove.length > 0) {
      reason = 'FailedDelete';
      failure = await removePods(key, set, plan.remove, signal);
    }
    const trouble = failure === undefined ? undefined : { reason, message: errorMessage(failure) };
    // What was just deleted must not be counted on by anybody who reads the status.
    const left = owned.filter((pod) => !plan.remove.includes(pod));
    const { status, recheckMs } = replicaSetStatus({ replicaSet: set, pods: left, nowMs }, trouble, rfc3339(nowMs));
    // The pods just made bring the key back as soon as they are seen; only then there is something to tell.
    if (plan.create > 0 && failure === undefined) return done;
    if (!sameStatus(status, set.status)) {
      statusWrittenMs.set(key, clock.monotonicMs());
      await ignoreNotFound(client.update(KINDS.ReplicaSet, { ...set, status }, { subresource: 'status', signal }));
    }
    if (failure !== undefined) throw failure;
    return recheckMs === undefined ? done : after(recheckMs);
  }

  return { queue, workers: 8, reconcile };
}

/** A new pod of the set's template. */
function podFromTemplate(set: appsv1.ReplicaSet): corev1.Pod {
  const { metadata = {}, spec = {} } = set.spec?.template ?? {};
  return {
    metadata: {
      generateName: `${set.metadata?.name ?? ''}-`,
      namespace: set.metadata?.namespace,
      labels: metadata.labels,
      annotations: metadata.annotations,
      finalizers: metadata.finalizers,
      ownerReferences: [controllerReference(KINDS.ReplicaSet, set)],
    },
    spec,
  };
}
