/** Keeps track of who owns which fields, through every write that is no server-side apply. */
import { rfc3339 } from '../../../../lib/clock.ts';
import type { KubeObject } from '../../../../proto/index.ts';
import { updateOwned } from '../../../merge/owners.ts';
import type { ApiServices } from '../../services.ts';
import type { WriteRequest } from '../write-request.ts';
import { isReset, type ManagedFieldsEntry, readEntries, writeEntries } from './entries.ts';
import { managerOf } from './field-manager.ts';
import { nodeOf, wholeJson } from './whole-object.ts';

/** Says who owns what of the object that is about to be stored; undefined when nobody keeps track. */
export type OwnersOf = (object: KubeObject) => ManagedFieldsEntry[] | undefined;

/** A write from one state of an object to another. */
export interface TrackedWrite {
  readonly old: KubeObject;
  readonly object: KubeObject;
  /** What the client sent as managedFields; clients may edit them with the whole object, and not with a subresource. */
  readonly given: readonly ManagedFieldsEntry[] | undefined;
  /** The subresource written to; empty for the object itself. */
  readonly subresource: string;
}

/**
 * The entries after a write. Objects are tracked from their first server-side apply on: for others there is nothing to do, and
 * that is found out at no cost.
 */
export function ownersAfterUpdate(
  services: ApiServices,
  request: WriteRequest,
  write: TrackedWrite,
): ManagedFieldsEntry[] | undefined {
  const { old, object, subresource } = write;
  const given = subresource === '' ? write.given : undefined;
  const known = old.metadata?.managedFields;
  if ((known === undefined && given === undefined) || isReset(given)) return undefined;
  // A client that sends no owners, or none that can be read, does not know about them: it must not erase them.
  const owners = readEntries(given) ?? readEntries(known);
  if (owners === undefined) return undefined;
  const { definition } = request.target;
  const { apiVersion } = definition.type;
  return writeEntries(
    updateOwned({
      node: nodeOf(definition),
      before: wholeJson(definition, old),
      after: wholeJson(definition, object),
      owners,
      updater: { manager: managerOf(request), operation: 'Update', apiVersion, subresource },
      now: rfc3339(services.now()),
    }),
  );
}

/** Puts the entries into the object, which keeps its identity but gets metadata of its own. */
export function setOwners(object: KubeObject, entries: ManagedFieldsEntry[] | undefined): void {
  const metadata = { ...object.metadata };
  if (entries === undefined) delete metadata.managedFields;
  else metadata.managedFields = entries;
  object.metadata = metadata;
}
