/**
 * The next step of a Deployment, decided from a snapshot of it and its ReplicaSets. Steps are small: each is taken, its
 * effect awaited, and the next decided from what is then.
 */
import { type appsv1, KINDS } from '../../../proto/index.ts';
import { controllerReference } from '../ownership.ts';
import { sameValue } from '../same-value.ts';
import { newSetAnnotations, nextRevision, revisionOf, sizeAnnotations } from './revisions.ts';
import {
  availableOf,
  byAge,
  countAnnotation,
  DESIRED_ANNOTATION,
  isObserved,
  isRollingUpdate,
  newSetSize,
  proportionalSizes,
  type Sizes,
  shrinkOldSets,
  sizeOf,
  wantedReplicas,
} from './rollout-math.ts';
import { findNewSet, HASH_LABEL, templateHash } from './template-hash.ts';

/** A snapshot. */
export interface DeploymentState {
  readonly deployment: appsv1.Deployment;
  /** All ReplicaSets it controls. */
  readonly replicaSets: readonly appsv1.ReplicaSet[];
  /** Whether pods of ReplicaSets other than `newSet` still run or are ending; asked only for Recreate. */
  readonly oldPodsRemain: (newSet: appsv1.ReplicaSet | undefined) => boolean;
}

/** A ReplicaSet to write. `from` is its size before, when that changes. */
export interface SetUpdate {
  readonly replicaSet: appsv1.ReplicaSet;
  readonly from: number | undefined;
}

/** One step. Empty when nothing is to be done until something changes. */
export interface DeploymentPlan {
  /** The ReplicaSet of the Deployment's template, as it is now. */
  readonly newSet: appsv1.ReplicaSet | undefined;
  readonly create: appsv1.ReplicaSet | undefined;
  readonly update: readonly SetUpdate[];
  readonly remove: readonly appsv1.ReplicaSet[];
  /** The revision the Deployment must show; 0 while it has none. */
  readonly revision: number;
}

/** The next step. Whether the rollout is complete is for the caller to say: only then old ReplicaSets are cleaned up. */
export function planDeployment(state: DeploymentState, complete: boolean): DeploymentPlan {
  const { deployment, replicaSets } = state;
  const newSet = findNewSet(deployment, replicaSets);
  const oldSets = replicaSets.filter((set) => set !== newSet);
  const revision = Math.max(nextRevision(oldSets), newSet === undefined ? 0 : revisionOf(newSet));
  const step: DeploymentPlan = {
    newSet,
    create: undefined,
    update: [],
    remove: [],
    revision: newSet === undefined ? 0 : revision,
  };
  if (deployment.metadata?.deletionTimestamp !== undefined) return { ...step, revision: revisionOf(deployment) };
  const update = (sizes: Sizes): DeploymentPlan => ({ ...step, update: updates(state, { newSet, revision, sizes }) });
  const cleanup = complete || deployment.spec?.paused === true ? surplusSets(deployment, oldSets) : [];

  if (deployment.spec?.paused === true || isScalingEvent(deployment, replicaSets)) {
    const scaled = update(scale(deployment, newSet, oldSets));
    return { ...scaled, remove: scaled.update.length === 0 ? cleanup : [] };
  }
  if (!isRollingUpdate(deployment)) {
    const retired: Sizes = new Map(oldSets.filter((set) => sizeOf(set) > 0).map((set) => [set, 0]));
    if (retired.size > 0) return update(retired);
    if (oldSets.some(notEmptyYet) || state.oldPodsRemain(newSet)) return update(new Map());
  }
  if (newSet === undefined) {
    return { ...step, create: makeSet(deployment, newSetSize(deployment, { newSet, oldSets }), revision), revision };
  }
  const size = Math.min(newSetSize(deployment, { newSet, oldSets }), wantedReplicas(deployment));
  const grown = update(new Map([[newSet, size]]));
  if (grown.update.length > 0) return grown;
  const shrunk = update(isRollingUpdate(deployment) ? shrinkOldSets(deployment, newSet, oldSets) : new Map());
  return { ...shrunk, remove: shrunk.update.length === 0 ? cleanup : [] };
}

/** Whether the Deployment's size changed since its ReplicaSets were last scaled. */
function isScalingEvent(deployment: appsv1.Deployment, sets: readonly appsv1.ReplicaSet[]): boolean {
  return sets.some((set) => {
    const desired = countAnnotation(set, DESIRED_ANNOTATION);
    return sizeOf(set) > 0 && desired !== undefined && desired !== wantedReplicas(deployment);
  });
}

/** Sizes after a change of the Deployment's size that leave the rollout where it is. */
function scale(
  deployment: appsv1.Deployment,
  newSet: appsv1.ReplicaSet | undefined,
  oldSets: readonly appsv1.ReplicaSet[],
): Sizes {
  const all = newSet === undefined ? oldSets : [newSet, ...oldSets];
  const active = all.filter((set) => sizeOf(set) > 0);
  const replicas = wantedReplicas(deployment);
  if (active.length <= 1) {
    const only = active[0] ?? newSet ?? [...oldSets].sort(byAge).at(-1);
    return only === undefined ? new Map() : new Map([[only, replicas]]);
  }
  if (newSet !== undefined && isObserved(newSet) && isSaturated(deployment, newSet)) {
    return new Map(oldSets.filter((set) => sizeOf(set) > 0).map((set) => [set, 0]));
  }
  return isRollingUpdate(deployment) ? proportionalSizes(deployment, active) : new Map();
}

/** Whether the set alone serves everything that is wanted. */
function isSaturated(deployment: appsv1.Deployment, set: appsv1.ReplicaSet): boolean {
  const replicas = wantedReplicas(deployment);
  return (
    sizeOf(set) === replicas && countAnnotation(set, DESIRED_ANNOTATION) === replicas && availableOf(set) === replicas
  );
}

interface WantedSizes {
  readonly newSet: appsv1.ReplicaSet | undefined;
  readonly revision: number;
  readonly sizes: Sizes;
}

/** The sets whose size or annotations must be written. */
function updates(state: DeploymentState, { newSet, revision, sizes }: WantedSizes): SetUpdate[] {
  const { deployment, replicaSets } = state;
  return replicaSets.flatMap((set) => {
    const size = sizes.get(set) ?? sizeOf(set);
    const current = set.metadata?.annotations ?? {};
    let annotations = set === newSet ? newSetAnnotations(deployment, current, revision) : current;
    if (sizes.has(set)) annotations = { ...annotations, ...sizeAnnotations(deployment) };
    const minReadySeconds = set === newSet ? deployment.spec?.minReadySeconds : set.spec?.minReadySeconds;
    const sameSpec = size === sizeOf(set) && (minReadySeconds ?? 0) === (set.spec?.minReadySeconds ?? 0);
    if (sameSpec && sameValue(annotations, current)) return [];
    const replicaSet = {
      ...set,
      metadata: { ...set.metadata, annotations },
      spec: { ...set.spec, replicas: size, minReadySeconds },
    };
    return [{ replicaSet, from: size === sizeOf(set) ? undefined : sizeOf(set) }];
  });
}

function makeSet(deployment: appsv1.Deployment, replicas: number, revision: number): appsv1.ReplicaSet {
  const template = deployment.spec?.template ?? {};
  const hash = templateHash(template, deployment.status?.collisionCount ?? 0);
  const labels = { ...template.metadata?.labels, [HASH_LABEL]: hash };
  const selector = deployment.spec?.selector;
  return {
    metadata: {
      name: `${deployment.metadata?.name ?? ''}-${hash}`,
      namespace: deployment.metadata?.namespace,
      labels,
      annotations: { ...newSetAnnotations(deployment, {}, revision), ...sizeAnnotations(deployment) },
      ownerReferences: [controllerReference(KINDS.Deployment, deployment)],
    },
    spec: {
      replicas,
      minReadySeconds: deployment.spec?.minReadySeconds,
      selector: { ...selector, matchLabels: { ...selector?.matchLabels, [HASH_LABEL]: hash } },
      template: { ...template, metadata: { ...template.metadata, labels } },
    },
  };
}

/** Empty old sets beyond the history limit, the oldest revisions. */
function surplusSets(deployment: appsv1.Deployment, oldSets: readonly appsv1.ReplicaSet[]): appsv1.ReplicaSet[] {
  const limit = deployment.spec?.revisionHistoryLimit ?? 10;
  const alive = oldSets.filter((set) => set.metadata?.deletionTimestamp === undefined);
  const surplus = alive.length - limit;
  if (surplus <= 0) return [];
  return [...alive]
    .sort((a, b) => revisionOf(a) - revisionOf(b) || byAge(a, b))
    .slice(0, surplus)
    .filter((set) => sizeOf(set) === 0 && !notEmptyYet(set));
}

/** Whether pods of a set of size 0 may remain, as far as its status tells. */
function notEmptyYet(set: appsv1.ReplicaSet): boolean {
  return (set.status?.replicas ?? 0) > 0 || !isObserved(set);
}
