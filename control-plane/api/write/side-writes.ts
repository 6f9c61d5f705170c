/**
 * Kinds whose objects come with keys of their own, written and deleted in the object's transaction: all or none. One line for
 * each kind.
 */
import { KINDS, type KubeObject } from '../../../proto/index.ts';
import type { StoreEntry, StoreWrite } from '../../store/store.ts';
import { allocateForNode } from '../allocation/allocate-for-node.ts';
import { allocateForService } from '../allocation/allocate-for-service.ts';
import type { Target } from '../request/target.ts';
import type { AnyDefinition, ApiServices } from '../services.ts';

/** The write it is about: the object's target, and what is stored of it now. */
export interface SideWriteContext {
  readonly target: Target;
  readonly entry: StoreEntry | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A write as it will be. */
export interface WithSideWrites<T> {
  /** The object with what it was given; the one handed in when there was nothing to give. */
  readonly object: T;
  /** To be committed in the transaction of the object itself, or not at all. */
  readonly writes: readonly StoreWrite[];
}

/** Says what goes along with an object that is about to be stored; undefined when it goes. The object is not changed. */
export type SideWriter = <T extends KubeObject | undefined>(
  services: ApiServices,
  context: SideWriteContext,
  object: T,
) => Promise<WithSideWrites<T>>;

const WRITERS: ReadonlyMap<string, SideWriter> = new Map<string, SideWriter>([
  [KINDS.Service.messageName, allocateForService],
  [KINDS.Node.messageName, allocateForNode],
]);

/** The kind's own; undefined for nearly every kind. */
export function sideWriterOf({ type }: AnyDefinition): SideWriter | undefined {
  return WRITERS.get(type.messageName);
}
