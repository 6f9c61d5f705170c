/** What to do with an object that has owners or is being deleted with a propagation policy. */
import type { KubeObject, metav1 } from '../../../proto/index.ts';

/** Finalizer of an owner that waits until its dependents are gone. */
export const FOREGROUND = 'foregroundDeletion';
/** Finalizer of an owner whose dependents are to be left alone. */
export const ORPHAN = 'orphan';

/** How an owner stands: there; certainly not there; there but only waiting for its dependents to go; or not to be found out. */
export type OwnerState = 'solid' | 'absent' | 'waiting' | 'unknown';

/** What is known of an object. */
export interface DependentState {
  readonly object: KubeObject;
  /** State of each owner reference, in order. */
  readonly owners: readonly OwnerState[];
  /** Whether something names the object as its owner. */
  readonly hasDependents: boolean;
  /** Whether one of those dependents waits for its own dependents: the object may be part of a ring. */
  readonly dependentIsWaiting: boolean;
}

/** What to do. */
export type DependentPlan =
  | { readonly kind: 'nothing' }
  /** Remove the references to these owners. */
  | { readonly kind: 'detach'; readonly uids: ReadonlySet<string> }
  /** Delete it; `unblock` says that it must first stop blocking its owners, or a ring would wait for itself. */
  | { readonly kind: 'delete'; readonly policy: 'Background' | 'Foreground' | 'Orphan'; readonly unblock: boolean };

/**
 * An object goes when it has owners and none of them stands any longer. While one stands, references to the others are
 * removed. An owner that cannot be looked up (its kind is not served, or it is namespaced and the object is not) counts as
 * standing: in doubt nothing is deleted.
 */
export function planDependent(state: DependentState): DependentPlan {
  const { object, owners } = state;
  const references = object.metadata?.ownerReferences ?? [];
  if (object.metadata?.deletionTimestamp !== undefined || references.length === 0) return { kind: 'nothing' };
  const uids = (wanted: OwnerState): string[] =>
    references.flatMap((owner, i) => (owners[i] === wanted ? [owner.uid ?? ''] : []));
  if (owners.includes('solid') || owners.includes('unknown')) {
    const gone = new Set([...uids('absent'), ...uids('waiting')]);
    // With only owners in doubt beside them, the references to absent ones stay as they are: evidence for a person.
    return gone.size > 0 && owners.includes('solid') ? { kind: 'detach', uids: gone } : { kind: 'nothing' };
  }
  const waiting = owners.includes('waiting');
  if (waiting && state.hasDependents)
    return { kind: 'delete', policy: 'Foreground', unblock: state.dependentIsWaiting };
  const finalizers = object.metadata?.finalizers ?? [];
  const policy = finalizers.includes(ORPHAN) ? 'Orphan' : finalizers.includes(FOREGROUND) ? 'Foreground' : 'Background';
  return { kind: 'delete', policy, unblock: false };
}

/** Whether the object is being deleted and waits for its dependents. */
export function isWaiting(object: KubeObject): boolean {
  return object.metadata?.deletionTimestamp !== undefined && (object.metadata.finalizers ?? []).includes(FOREGROUND);
}

/** Whether `dependent` keeps the owner `uid` from going in a foreground deletion. */
export function blocks(dependent: KubeObject, uid: string): boolean {
  return (dependent.metadata?.ownerReferences ?? []).some(
    (owner: metav1.OwnerReference) => owner.uid === uid && owner.blockOwnerDeletion === true,
  );
}
