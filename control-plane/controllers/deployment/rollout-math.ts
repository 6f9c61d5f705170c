/** The arithmetic of a rollout: how many pods may be more, how many may be missing, and who gets how many. */
import { scaledCount } from '../../../lib/int-or-string.ts';
import type { appsv1 } from '../../../proto/index.ts';

/** Size the Deployment had when the ReplicaSet was last scaled. */
export const DESIRED_ANNOTATION = 'deployment.kubernetes.io/desired-replicas';
/** Most pods the Deployment allowed when the ReplicaSet was last scaled. */
export const MAX_ANNOTATION = 'deployment.kubernetes.io/max-replicas';

/** Whether pods are replaced step by step. */
export function isRollingUpdate(deployment: appsv1.Deployment): boolean {
  return (deployment.spec?.strategy?.type ?? 'RollingUpdate') === 'RollingUpdate';
}

/** `spec.replicas`. */
export function wantedReplicas(deployment: appsv1.Deployment): number {
  return deployment.spec?.replicas ?? 1;
}

/**
 * Pods allowed above and below the wanted count. Percentages of surge are rounded up, of unavailable down; when both come
 * to nothing, one pod may be unavailable, or nothing could ever move.
 */
export function rolloutBounds(deployment: appsv1.Deployment): { maxSurge: number; maxUnavailable: number } {
  if (!isRollingUpdate(deployment)) return { maxSurge: 0, maxUnavailable: 0 };
  const replicas = wantedReplicas(deployment);
  const rolling = deployment.spec?.strategy?.rollingUpdate;
  const maxSurge = scaledCount(rolling?.maxSurge ?? '25%', replicas, 'up') ?? 0;
  const unavailable = scaledCount(rolling?.maxUnavailable ?? '25%', replicas, 'down') ?? 0;
  const maxUnavailable = maxSurge === 0 && unavailable === 0 ? 1 : unavailable;
  return { maxSurge, maxUnavailable: replicas === 0 ? 0 : Math.min(maxUnavailable, replicas) };
}

/** `spec.replicas` of a ReplicaSet. */
export function sizeOf(set: appsv1.ReplicaSet): number {
  return set.spec?.replicas ?? 1;
}

/** Sum of the sizes. */
export function totalSize(sets: readonly appsv1.ReplicaSet[]): number {
  return sets.reduce((sum, set) => sum + sizeOf(set), 0);
}

/**
 * Available pods of a ReplicaSet that may be counted on: never more than its size, as a smaller size written since means
 * that some of them are about to go.
 */
export function availableOf(set: appsv1.ReplicaSet): number {
  return Math.min(set.status?.availableReplicas ?? 0, sizeOf(set));
}

/** Whether the status of a ReplicaSet tells of its present size. Until it does, its counts may include pods about to go. */
export function isObserved(set: appsv1.ReplicaSet): boolean {
  return (set.status?.observedGeneration ?? 0) >= (set.metadata?.generation ?? 0);
}

/**
 * Size for the new ReplicaSet, never smaller than `current`: as large as the surge allows beside the pods there are. A set
 * that was made smaller counts with the pods it still has, and while one has not acted on its size yet, nothing grows.
 */
export function newSetSize(
  deployment: appsv1.Deployment,
  {
    newSet,
    oldSets,
  }: { readonly newSet: appsv1.ReplicaSet | undefined; readonly oldSets: readonly appsv1.ReplicaSet[] },
): number {
  const replicas = wantedReplicas(deployment);
  const current = newSet === undefined ? 0 : sizeOf(newSet);
  if (!isRollingUpdate(deployment)) return replicas;
  if (!oldSets.every(isObserved)) return current;
  const oldPods = oldSets.reduce((sum, set) => sum + Math.max(sizeOf(set), set.status?.replicas ?? 0), 0);
  const room = replicas + rolloutBounds(deployment).maxSurge - oldPods - current;
  return room <= 0 ? current : current + Math.min(room, Math.max(0, replicas - current));
}

/** New sizes by ReplicaSet. */
export type Sizes = Map<appsv1.ReplicaSet, number>;

/**
 * Shrinks old ReplicaSets as far as the available pods allow, unhealthy pods first, oldest set first. Pods of the new set
 * that are not available yet count as missing. Nothing is shrunk on counts that are out of date.
 */
export function shrinkOldSets(
  deployment: appsv1.Deployment,
  newSet: appsv1.ReplicaSet | undefined,
  oldSets: readonly appsv1.ReplicaSet[],
): Sizes {
  const sizes: Sizes = new Map();
  const minAvailable = wantedReplicas(deployment) - rolloutBounds(deployment).maxUnavailable;
  const allSets = newSet === undefined ? oldSets : [newSet, ...oldSets];
  if (!allSets.every(isObserved)) return sizes;
  const newUnavailable = newSet === undefined ? 0 : sizeOf(newSet) - availableOf(newSet);
  let removable = totalSize(allSets) - minAvailable - newUnavailable;
  if (removable <= 0) return sizes;
  const oldestFirst = [...oldSets].sort(byAge);
  for (const set of oldestFirst) {
    const unhealthy = sizeOf(set) - availableOf(set);
    const cut = Math.min(removable, unhealthy);
    if (cut <= 0) continue;
    sizes.set(set, sizeOf(set) - cut);
    removable -= cut;
  }
  const available = allSets.reduce((sum, set) => sum + availableOf(set), 0);
  let spare = Math.min(removable, available - minAvailable);
  for (const set of oldestFirst) {
    const size = sizes.get(set) ?? sizeOf(set);
    const cut = Math.min(spare, size);
    if (cut <= 0) continue;
    sizes.set(set, size - cut);
    spare -= cut;
  }
  return sizes;
}

/** Oldest first; equal ages by name. */
export function byAge(a: appsv1.ReplicaSet, b: appsv1.ReplicaSet): number {
  const [left, right] = [a.metadata?.creationTimestamp ?? '', b.metadata?.creationTimestamp ?? ''];
  if (left !== right) return left < right ? -1 : 1;
  return (a.metadata?.name ?? '') < (b.metadata?.name ?? '') ? -1 : 1;
}

/**
 * Spreads a changed size over several sets that have pods, each in proportion to its own size, so that a rollout under way
 * keeps its shape. What rounding leaves goes to the first: the largest, the newer of equals when growing and the older when
 * shrinking.
 */
export function proportionalSizes(deployment: appsv1.Deployment, activeSets: readonly appsv1.ReplicaSet[]): Sizes {
  const replicas = wantedReplicas(deployment);
  const allowed = replicas > 0 ? replicas + rolloutBounds(deployment).maxSurge : 0;
  const toAdd = allowed - totalSize(activeSets);
  const sorted = [...activeSets].sort((a, b) => sizeOf(b) - sizeOf(a) || (toAdd > 0 ? byAge(b, a) : byAge(a, b)));
  const sizes: Sizes = new Map();
  let added = 0;
  for (const set of sorted) {
    const share = toAdd === 0 ? 0 : shareOf(deployment, set, toAdd - added);
    sizes.set(set, sizeOf(set) + share);
    added += share;
  }
  const first = sorted[0];
  if (first !== undefined && toAdd !== added) sizes.set(first, Math.max(0, (sizes.get(first) ?? 0) + toAdd - added));
  return sizes;
}

/** Pods to add to (or, negative, take from) one set, at most `left`. */
function shareOf(deployment: appsv1.Deployment, set: appsv1.ReplicaSet, left: number): number {
  const size = sizeOf(set);
  if (size === 0 || left === 0) return 0;
  const replicas = wantedReplicas(deployment);
  if (replicas === 0) return -size;
  const before = countAnnotation(set, MAX_ANNOTATION) ?? deployment.status?.replicas ?? 0;
  if (before === 0) return 0;
  const wanted = Math.round((size * (replicas + rolloutBounds(deployment).maxSurge)) / before) - size;
  return left > 0 ? Math.min(wanted, left) : Math.max(wanted, left);
}

/** The whole number in an annotation; undefined when there is none. */
export function countAnnotation(set: appsv1.ReplicaSet, name: string): number | undefined {
  const text = set.metadata?.annotations?.[name];
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;
}
