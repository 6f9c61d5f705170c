/** Who controls what, by ownerReferences; and taking over or letting go of objects by label. */
import type { KubeObject, metav1, ResourceType } from '../../proto/index.ts';

/** The reference that marks an object as controlled, if there is one. */
export function controllerOf(object: KubeObject): metav1.OwnerReference | undefined {
  return object.metadata?.ownerReferences?.find((owner) => owner.controller === true);
}

/** Whether `owner`, this very object and not a namesake, controls `object`. */
export function isControlledBy(object: KubeObject, owner: KubeObject): boolean {
  const uid = controllerOf(object)?.uid;
  return uid !== undefined && uid === owner.metadata?.uid;
}

/** The reference by which `owner` controls an object. */
export function controllerReference<T extends KubeObject>(type: ResourceType<T>, owner: T): metav1.OwnerReference {
  return {
    apiVersion: type.apiVersion,
    kind: type.kind,
    name: owner.metadata?.name,
    uid: owner.metadata?.uid,
    controller: true,
    blockOwnerDeletion: true,
  };
}

/** What to do with each candidate object so that exactly the matching ones are controlled. */
export interface Claim<T> {
  /** Controlled already and still matching. */
  readonly owned: T[];
  /** Matching, controlled by nobody, to be taken over. */
  readonly adopt: T[];
  /** Controlled but no longer matching, to be let go. */
  readonly release: T[];
}

/**
 * Sorts `candidates` for `owner`. An owner that is being deleted takes nothing over and lets nothing go; an object that is
 * being deleted is not taken over.
 */
export function claim<T extends KubeObject>(
  owner: KubeObject,
  candidates: readonly T[],
  matches: (object: T) => boolean,
): Claim<T> {
  const deleting = owner.metadata?.deletionTimestamp !== undefined;
  const result: Claim<T> = { owned: [], adopt: [], release: [] };
  for (const object of candidates) {
    if (isControlledBy(object, owner)) {
      if (matches(object)) result.owned.push(object);
      else if (!deleting) result.release.push(object);
    } else if (controllerOf(object) === undefined && !deleting && object.metadata?.deletionTimestamp === undefined) {
      if (matches(object)) result.adopt.push(object);
    }
  }
  return result;
}

/** `object` with `reference` as its controller. */
export function withController<T extends KubeObject>(object: T, reference: metav1.OwnerReference): T {
  const others = object.metadata?.ownerReferences ?? [];
  return { ...object, metadata: { ...object.metadata, ownerReferences: [...others, reference] } };
}

/** `object` without references to the owners `uids`. */
export function withoutOwners<T extends KubeObject>(object: T, uids: ReadonlySet<string>): T {
  const kept = (object.metadata?.ownerReferences ?? []).filter((owner) => !uids.has(owner.uid ?? ''));
  return { ...object, metadata: { ...object.metadata, ownerReferences: kept } };
}
