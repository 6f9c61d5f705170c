/**
 * Rolls the pods of a Deployment from one template to the next through ReplicaSets.
 *
 * Watches Deployments (key: itself), ReplicaSets (keys: the Deployment that controls it; for one without controller every
 * Deployment that selects it) and, for Recreate, Pods (key: the Deployment of their ReplicaSet).
 *
 * Rollback is no concern of it: whoever wants an older template writes it into the Deployment; the old ReplicaSet is then
 * found again by its template.
 */
import { errorMessage, hasReason } from '../../../lib/errors.ts';
import { objectKey } from '../../../lib/informer.ts';
import { after, done, type Outcome } from '../../../lib/reconcile-loop.ts';
import { labelRequirements, matchesLabels } from '../../../lib/selectors.ts';
import { WorkQueue } from '../../../lib/work-queue.ts';
import { type appsv1, type corev1, KINDS } from '../../../proto/index.ts';
import type { Controller, ControllerContext, ControllerDefinition } from '../controller.ts';
import { OwnWrites } from '../own-writes.ts';
import {
  claim,
  controllerOf,
  controllerReference,
  isControlledBy,
  withController,
  withoutOwners,
} from '../ownership.ts';
import { hasEnded } from '../pod-state.ts';
import { sameStatus } from '../same-value.ts';
import { BY_NAMESPACE, BY_OWNER } from '../shared-informers.ts';
import { ignoreNotFound, isNamespaceTerminating } from '../writes.ts';
import { type DeploymentPlan, planDeployment } from './plan.ts';
import { REVISION_ANNOTATION, revisionOf } from './revisions.ts';
import { isRollingUpdate, sizeOf } from './rollout-math.ts';
import { deploymentStatus, isComplete } from './status.ts';
import { findNewSet, sameTemplate } from './template-hash.ts';

const NAME = 'deployment-controller';

/** The Deployment controller. */
export const deploymentController: ControllerDefinition = { name: NAME, create };

function create(context: ControllerContext): Controller {
  const { client, informers, clock } = context;
  const queue = new WorkQueue({ clock });
  const deployments = informers.of(KINDS.Deployment);
  const sets = informers.of(KINDS.ReplicaSet);
  const pods = informers.of(KINDS.Pod);
  const ownWrites = new OwnWrites(sets);
  const events = context.events(NAME);

  const enqueueFor = (set: appsv1.ReplicaSet): void => {
    const owner = controllerOf(set);
    const namespace = set.metadata?.namespace ?? '';
    if (owner !== undefined) {
      if (owner.kind === 'Deployment') queue.add(`${namespace}/${owner.name ?? ''}`);
      return;
    }
    for (const deployment of deployments.byIndex(BY_NAMESPACE, namespace)) {
      const selector = labelRequirements(deployment.spec?.selector);
      if (matchesLabels(selector, set.metadata?.labels)) queue.add(objectKey(deployment));
    }
  };
  const enqueueForPod = (pod: corev1.Pod): void => {
    const owner = controllerOf(pod);
    if (owner?.kind !== 'ReplicaSet') return;
    const set = sets.get(`${pod.metadata?.namespace ?? ''}/${owner.name ?? ''}`);
    const key = `${pod.metadata?.namespace ?? ''}/${(set && controllerOf(set)?.name) ?? ''}`;
    const deployment = deployments.get(key);
    if (deployment !== undefined && !isRollingUpdate(deployment)) queue.add(key);
  };
  deployments.addHandler({
    onAdd: (deployment) => queue.add(objectKey(deployment)),
    onUpdate: (_, deployment) => queue.add(objectKey(deployment)),
    onDelete: (deployment) => queue.add(objectKey(deployment)),
  });
  sets.addHandler({
    onAdd: enqueueFor,
    onUpdate: (old, set) => {
      if (controllerOf(old)?.uid !== controllerOf(set)?.uid) enqueueFor(old);
      enqueueFor(set);
    },
    onDelete: enqueueFor,
  });
  pods.addHandler({
    onUpdate: (old, pod) => {
      if (hasEnded(old) !== hasEnded(pod)) enqueueForPod(pod);
    },
    onDelete: enqueueForPod,
  });

  async function claimSets(
    key: string,
    deployment: appsv1.Deployment,
    signal: AbortSignal,
  ): Promise<appsv1.ReplicaSet[]> {
    const candidates = sets.byIndex(BY_NAMESPACE, deployment.metadata?.namespace ?? '');
    const selector = labelRequirements(deployment.spec?.selector);
    const result = claim(deployment, candidates, (set) => matchesLabels(selector, set.metadata?.labels));
    if (result.adopt.length > 0) await mustStillExist(deployment, signal);
    const adopt = result.adopt.map((set) => withController(set, controllerReference(KINDS.Deployment, deployment)));
    const release = result.release.map((set) => withoutOwners(set, new Set([deployment.metadata?.uid ?? ''])));
    const write = (set: appsv1.ReplicaSet): Promise<appsv1.ReplicaSet | undefined> =>
      ignoreNotFound(client.update(KINDS.ReplicaSet, set, { signal }));
    const adopted = (await Promise.all(adopt.map(write))).filter((set) => set !== undefined);
    const released = (await Promise.all(release.map(write))).filter((set) => set !== undefined);
    for (const set of [...adopted, ...released]) ownWrites.wrote(key, set);
    return [...result.owned, ...adopted];
  }

  async function mustStillExist(deployment: appsv1.Deployment, signal: AbortSignal): Promise<void> {
    const { namespace, name = '', uid } = deployment.metadata ?? {};
    const fresh = await client.get(KINDS.Deployment, { namespace, name }, signal);
    if (fresh.metadata?.uid !== uid || fresh.metadata?.deletionTimestamp !== undefined) {
      throw new Error(`Cannot adopt replica sets for deployment ${objectKey(deployment)}: it is being deleted`);
    }
  }

  function oldPodsRemain(owned: readonly appsv1.ReplicaSet[], newSet: appsv1.ReplicaSet | undefined): boolean {
    const old = owned.filter((set) => set !== newSet);
    return old.some((set) => pods.byIndex(BY_OWNER, set.metadata?.uid ?? '').some((pod) => !hasEnded(pod)));
  }

  /** Makes the new set. Undefined when its name is taken by another template: the next try has another name. */
  async function createSet(
    deployment: appsv1.Deployment,
    set: appsv1.ReplicaSet,
    signal: AbortSignal,
  ): Promise<appsv1.ReplicaSet | undefined> {
    try {
      const made = await client.create(KINDS.ReplicaSet, set, { signal });
      recordScaling(deployment, made, 0);
      return made;
    } catch (err) {
      if (!hasReason(err, 'AlreadyExists')) throw err;
      const { namespace, name = '' } = set.metadata ?? {};
      const there = await client.get(KINDS.ReplicaSet, { namespace, name }, signal);
      if (isControlledBy(there, deployment) && sameTemplate(there.spec?.template, set.spec?.template)) return there;
      const collisionCount = (deployment.status?.collisionCount ?? 0) + 1;
      const status = { ...deployment.status, collisionCount };
      await client.update(KINDS.Deployment, { ...deployment, status }, { subresource: 'status', signal });
      return undefined;
    }
  }

  function recordScaling(deployment: appsv1.Deployment, set: appsv1.ReplicaSet, from: number): void {
    const to = sizeOf(set);
    if (to === from) return;
    const direction = to > from ? 'up' : 'down';
    const message = `Scaled ${direction} replica set ${set.metadata?.name} to ${to} from ${from}`;
    events.record(deployment, 'Normal', 'ScalingReplicaSet', message);
  }

  async function applyUpdates(
    key: string,
    deployment: appsv1.Deployment,
    plan: DeploymentPlan,
    signal: AbortSignal,
  ): Promise<void> {
    await Promise.all(
      plan.update.map(async ({ replicaSet, from }) => {
        const written = await client.update(KINDS.ReplicaSet, replicaSet, { signal });
        ownWrites.wrote(key, written);
        if (from !== undefined) recordScaling(deployment, written, from);
      }),
    );
    await Promise.all(
      plan.remove.map(async (set) => {
        const { namespace, name = '', uid = '', resourceVersion = '' } = set.metadata ?? {};
        await ignoreNotFound(client.delete(KINDS.ReplicaSet, { namespace, name }, { uid, resourceVersion, signal }));
        ownWrites.deleted(key, objectKey(set), uid);
      }),
    );
  }

  /** Shows the revision on the Deployment; gives the Deployment as it then is. */
  async function showRevision(
    deployment: appsv1.Deployment,
    revision: number,
    signal: AbortSignal,
  ): Promise<appsv1.Deployment> {
    if (revision === 0 || revisionOf(deployment) === revision) return deployment;
    const annotations = { ...deployment.metadata?.annotations, [REVISION_ANNOTATION]: String(revision) };
    return client.update(
      KINDS.Deployment,
      { ...deployment, metadata: { ...deployment.metadata, annotations } },
      { signal },
    );
  }

  async function reconcile(key: string, signal: AbortSignal): Promise<Outcome> {
    await ownWrites.visible(key, signal);
    const cached = deployments.get(key);
    if (cached === undefined) {
      ownWrites.forget(key);
      return done;
    }
    const owned = await claimSets(key, cached, signal);
    const nowMs = clock.now();
    const before = deploymentStatus({
      deployment: cached,
      replicaSets: owned,
      newSet: findNewSet(cached, owned),
      nowMs,
    });
    const state = {
      deployment: cached,
      replicaSets: owned,
      oldPodsRemain: (newSet: appsv1.ReplicaSet | undefined) => oldPodsRemain(owned, newSet),
    };
    const plan = planDeployment(state, isComplete(cached, before.status));
    let created: appsv1.ReplicaSet | undefined;
    let failure: unknown;
    if (plan.create !== undefined) {
      try {
        created = await createSet(cached, plan.create, signal);
        if (created === undefined) return after(0);
        ownWrites.wrote(key, created);
      } catch (err) {
        if (isNamespaceTerminating(err)) return done;
        failure = err;
        events.record(cached, 'Warning', 'ReplicaSetCreateError', createErrorMessage(plan.create, err));
      }
    }
    await applyUpdates(key, cached, plan, signal);
    const deployment = await showRevision(cached, failure === undefined ? plan.revision : 0, signal);
    const { status, recheckMs } = deploymentStatus({
      deployment,
      replicaSets: created === undefined ? owned : [...owned, created],
      newSet: created ?? plan.newSet,
      created: created?.metadata?.name,
      createError:
        failure === undefined || plan.create === undefined ? undefined : createErrorMessage(plan.create, failure),
      nowMs,
    });
    if (!sameStatus(status, deployment.status)) {
      // Deleted meanwhile: nobody reads its status any more.
      await ignoreNotFound(
        client.update(KINDS.Deployment, { ...deployment, status }, { subresource: 'status', signal }),
      );
    }
    if (failure !== undefined) throw failure;
    return recheckMs === undefined ? done : after(recheckMs);
  }

  return { queue, reconcile };
}

function createErrorMessage(set: appsv1.ReplicaSet, err: unknown): string {
  return `Failed to create new replica set "${set.metadata?.name}": ${errorMessage(err)}`;
}
