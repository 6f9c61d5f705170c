/**
 * Says in the status of PodDisruptionBudgets how many pods may be evicted now. Evictions count themselves in the same status
 * (`disruptedPods`) when they are allowed, so that many at once cannot use one allowance twice.
 *
 * Watches PodDisruptionBudgets (key: itself), Pods (keys: the budgets that select or selected it), and the workloads that own
 * pods (keys: the budgets of their namespace): how many pods there should be is what these want.
 */
import { rfc3339 } from '../../../lib/clock.ts';
import { hasReason } from '../../../lib/errors.ts';
import { objectKey } from '../../../lib/informer.ts';
import { after, done, type Outcome } from '../../../lib/reconcile-loop.ts';
import { selectorMatches } from '../../../lib/selectors.ts';
import { WorkQueue } from '../../../lib/work-queue.ts';
import {
  type corev1,
  KINDS,
  type KubeObject,
  type metav1,
  type policyv1,
  type ResourceType,
} from '../../../proto/index.ts';
import type { Controller, ControllerContext, ControllerDefinition } from '../controller.ts';
import { controllerOf } from '../ownership.ts';
import { isReady } from '../pod-state.ts';
import { sameStatus, sameValue } from '../same-value.ts';
import { BY_NAMESPACE } from '../shared-informers.ts';
import { ignoreNotFound } from '../writes.ts';
import { type BudgetPlan, failedStatus, needsExpected, planBudget } from './plan.ts';

const NAME = 'disruption-controller';

/** The disruption controller. */
export const disruptionController: ControllerDefinition = { name: NAME, create };

/** Why the wanted number of pods cannot be said. */
class ScaleUnknown extends Error {}

function create(context: ControllerContext): Controller {
  const { client, informers, kinds, clock } = context;
  const queue = new WorkQueue({ clock });
  const budgets = informers.of(KINDS.PodDisruptionBudget);
  const pods = informers.of(KINDS.Pod);
  const events = context.events(NAME);

  const budgetsIn = (object: KubeObject): policyv1.PodDisruptionBudget[] =>
    budgets.byIndex(BY_NAMESPACE, object.metadata?.namespace ?? '');
  const enqueueSelecting = (pod: corev1.Pod): void => {
    for (const budget of budgetsIn(pod)) {
      if (selectorMatches(budget.spec?.selector, pod.metadata?.labels)) queue.add(objectKey(budget));
    }
  };
  const enqueueNamespace = (object: KubeObject): void => {
    for (const budget of budgetsIn(object)) queue.add(objectKey(budget));
  };
  budgets.addHandler({
    onAdd: (budget) => queue.add(objectKey(budget)),
    onUpdate: (_, budget) => queue.add(objectKey(budget)),
  });
  pods.addHandler({
    onAdd: enqueueSelecting,
    onUpdate: (old, pod) => {
      const matters =
        isReady(old) !== isReady(pod) ||
        old.metadata?.deletionTimestamp !== pod.metadata?.deletionTimestamp ||
        !sameValue(old.metadata?.ownerReferences, pod.metadata?.ownerReferences) ||
        !sameValue(old.metadata?.labels, pod.metadata?.labels);
      if (!matters) return;
      enqueueSelecting(old);
      enqueueSelecting(pod);
    },
    onDelete: enqueueSelecting,
  });
  for (const type of [KINDS.Deployment, KINDS.ReplicaSet, KINDS.StatefulSet, KINDS.ReplicationController]) {
    informers.metadataOf(type as unknown as ResourceType).addHandler({
      onUpdate: (old, object) => {
        if (old.metadata?.generation !== object.metadata?.generation) enqueueNamespace(object);
      },
    });
  }

  /** What the owners of the pods want together; a pod that nobody owns is one too many to say. */
  async function expectedOf(owned: readonly corev1.Pod[], signal: AbortSignal): Promise<number> {
    const owners = new Map<string, { readonly namespace: string; readonly reference: metav1.OwnerReference }>();
    for (const pod of owned) {
      const reference = controllerOf(pod);
      if (reference?.uid === undefined) continue;
      owners.set(reference.uid, { namespace: pod.metadata?.namespace ?? '', reference });
    }
    const counted = new Set<string>();
    let total = 0;
    for (const { namespace, reference } of owners.values()) {
      const top = await topOwner(namespace, reference, signal);
      if (top === undefined || counted.has(top.uid)) continue;
      counted.add(top.uid);
      total += top.replicas;
    }
    return total;
  }

  /** The workload that decides the number: the Deployment of a ReplicaSet, or the owner itself. Undefined when it is gone. */
  async function topOwner(
    namespace: string,
    reference: metav1.OwnerReference,
    signal: AbortSignal,
  ): Promise<{ readonly uid: string; readonly replicas: number } | undefined> {
    const { apiVersion = '', kind = '', name = '', uid = '' } = reference;
    const type = kinds.find(apiVersion, kind);
    const scale = kinds.scaleOf?.(apiVersion, kind);
    if (type === undefined || scale === undefined) {
      throw new ScaleUnknown(`${kind}.${apiVersion} ${namespace}/${name} does not implement the scale subresource`);
    }
    const owner = await ignoreNotFound(client.get(type, { namespace, name }, signal));
    if (owner === undefined || owner.metadata?.uid !== uid) return undefined;
    const above = controllerOf(owner);
    if (above !== undefined && kinds.scaleOf?.(above.apiVersion ?? '', above.kind ?? '') !== undefined) {
      return topOwner(namespace, above, signal);
    }
    return { uid, replicas: scale.specReplicas(owner) };
  }

  async function plan(budget: policyv1.PodDisruptionBudget, signal: AbortSignal): Promise<BudgetPlan> {
    const now = rfc3339(clock.now());
    const selected = pods
      .byIndex(BY_NAMESPACE, budget.metadata?.namespace ?? '')
      .filter((pod) => selectorMatches(budget.spec?.selector, pod.metadata?.labels));
    try {
      const expected = needsExpected(budget) ? await expectedOf(selected, signal) : undefined;
      return planBudget({ budget, pods: selected, expected, nowMs: clock.now(), now });
    } catch (err) {
      if (!(err instanceof ScaleUnknown)) throw err;
      events.record(budget, 'Warning', 'CalculateExpectedPodCountFailed', err.message);
      return { status: failedStatus(budget, err.message, now), recheckMs: undefined };
    }
  }

  async function reconcile(key: string, signal: AbortSignal): Promise<Outcome> {
    const budget = budgets.get(key);
    if (budget === undefined) return done;
    const { status, recheckMs } = await plan(budget, signal);
    if (!sameStatus(status, budget.status)) {
      try {
        // With its version: an eviction that was counted meanwhile must not be forgotten.
        await client.update(KINDS.PodDisruptionBudget, { ...budget, status }, { subresource: 'status', signal });
      } catch (err) {
        if (!hasReason(err, 'Conflict', 'NotFound')) throw err;
        // What changed it comes through the watch and brings the key back.
        return done;
      }
    }
    return recheckMs === undefined ? done : after(recheckMs);
  }

  return { queue, reconcile };
}
