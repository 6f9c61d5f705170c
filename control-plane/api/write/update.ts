import type { KubeObject } from '../../../proto/index.ts';
import { validateObjectStatus, validateObjectUpdate } from '../../resources/validate-object.ts';
import { badRequest, conflict, modifiedConflict, notFound } from '../api-errors.ts';
import { stampType } from '../request/decode.ts';
import { nameForWrite, namespaceForWrite } from '../request/target.ts';
import type { AnyDefinition, ApiServices } from '../services.ts';
import { encodeForStore, parseVersion } from '../stored-object.ts';
import { decideEphemeralContainers } from './ephemeral-containers.ts';
import { type Current, type Decision, guardedWrite } from './guarded-write.ts';
import { type OwnersOf, ownersAfterUpdate, setOwners } from './managed-fields/track-update.ts';
import { admit, bumpGeneration, type LooseObject, refuseInvalid, warningsAfter } from './prepare.ts';
import type { WriteOutcome, WriteRequest } from './write-request.ts';

/**
 * Replaces the object, or with subresource `status` only its status, with `finalize` only its spec's finalizers, with
 * `ephemeralcontainers` only those of a pod. With a resourceVersion in its metadata it throws `Conflict` when the stored one
 * differs.
 */
export async function updateObject(
  services: ApiServices,
  request: WriteRequest,
  object: KubeObject,
): Promise<WriteOutcome> {
  const { definition } = request.target;
  stampType(object, definition.type);
  const namespace = namespaceForWrite(request.target, object);
  const name = nameForWrite(request.target, object);
  if (name === '') throw badRequest('name must be provided');
  const ifVersion = parseVersion(object.metadata?.resourceVersion);
  const inNamespace = { ...request, target: { ...request.target, namespace } };
  const bytes = encodeForStore(definition, object);
  const outcome = await guardedWrite(services, inNamespace, name, async (current) => {
    if (current === undefined) throw notFound(definition.type, name);
    if (ifVersion !== undefined && ifVersion !== current.version) throw modifiedConflict(definition.type, name);
    return decideReplacement(services, inNamespace, { current, name, next: definition.type.message.decode(bytes) });
  });
  return { ...outcome, warnings: warningsAfter(request, outcome.object) };
}

/** What replaces what. `next` is a private copy, decoded but not defaulted. */
export interface Replacement {
  readonly name: string;
  readonly current: Current;
  readonly next: KubeObject;
  /** The subresource that was written, where it is none of the request's own (scale). */
  readonly subresource?: string;
  /** Who owns what afterwards; by default an update moves what it changes. */
  readonly ownersOf?: OwnersOf;
}

/**
 * The common end of update, patch, apply and scale: keeps what the caller may not touch, defaults, admits, validates, and
 * says what to store. An object marked for deletion whose last finalizer goes is deleted.
 */
export async function decideReplacement(
  services: ApiServices,
  request: WriteRequest,
  replacement: Replacement,
): Promise<Decision> {
  const { current, next, ownersOf } = replacement;
  const given = next.metadata?.managedFields;
  const decision = await decideUntracked(services, request, replacement);
  if (decision.type !== 'put') return decision;
  const { object } = decision;
  const old = current.object;
  if (ownersOf !== undefined) setOwners(object, ownersOf(object));
  else if (old.metadata?.managedFields !== undefined || given !== undefined) {
    const subresource = replacement.subresource ?? request.target.subresource;
    setOwners(object, ownersAfterUpdate(services, request, { old, object, given, subresource }));
  }
  return decision;
}

/** The decision, whoever owns what. */
async function decideUntracked(
  services: ApiServices,
  request: WriteRequest,
  { name, current, next }: Replacement,
): Promise<Decision> {
  const { definition, subresource } = request.target;
  const old = current.object;
  refuseOtherUid(definition, name, next, old);
  if (subresource === 'status' || subresource === 'approval') {
    return decideStatus(definition, name, { next, old, subresource });
  }
  if (subresource === 'finalize') return decideFinalizers(definition, name, { next, old });
  if (subresource === 'ephemeralcontainers') return decideEphemeralContainers(services, request, { name, next, old });
  if (subresource !== '') throw badRequest(`the subresource "${subresource}" cannot be written in this way`);
  next.metadata = keepServerOwned(next, old);
  if (definition.subresources?.status === true) keepStatus(next, old);
  definition.setDefaults?.(next);
  definition.prepareForUpdate?.(next, old);
  await admit(services, request, { name, object: next, old });
  bumpGeneration(definition, next, old);
  refuseInvalid(definition, name, validateObjectUpdate(definition, next, old));
  return decideEnd(next);
}

function refuseOtherUid(definition: AnyDefinition, name: string, next: KubeObject, old: KubeObject): void {
  const wanted = next.metadata?.uid ?? '';
  const actual = old.metadata?.uid ?? '';
  if (wanted !== '' && wanted !== actual) {
    throw conflict(
      definition.type,
      name,
      `Precondition failed: UID in precondition: ${wanted}, UID in object meta: ${actual}`,
    );
  }
}

function decideStatus(
  definition: AnyDefinition,
  name: string,
  { next, old, subresource }: { readonly next: LooseObject; readonly old: LooseObject; readonly subresource: string },
): Decision {
  const merged: LooseObject = { ...old, metadata: metadataWithStatus(definition, next, old) };
  if (next.status === undefined) delete merged.status;
  else merged.status = next.status;
  definition.setDefaults?.(merged);
  refuseInvalid(definition, name, validateObjectStatus(definition, merged, { old, subresource }));
  return { type: 'put', object: merged, action: 'configured' };
}

/** The metadata as it is, with what a write of the status of this kind may change in it. */
function metadataWithStatus(
  { metadataWithStatus: parts = ['labels', 'annotations'] }: AnyDefinition,
  next: KubeObject,
  old: KubeObject,
): NonNullable<KubeObject['metadata']> {
  const meta = { ...old.metadata };
  for (const part of parts) {
    const given = next.metadata?.[part];
    if (given === undefined) delete meta[part];
    else meta[part] = given;
  }
  return meta;
}

/** Takes only the spec's finalizers of `next`: how a namespace is let go once it is empty. */
function decideFinalizers(
  definition: AnyDefinition,
  name: string,
  { next, old }: { readonly next: LooseObject; readonly old: LooseObject },
): Decision {
  const { finalizers: _kept, ...rest } = specOf(old) as { finalizers?: unknown };
  const { finalizers } = specOf(next);
  const spec = Array.isArray(finalizers) && finalizers.length > 0 ? { ...rest, finalizers } : rest;
  const merged: LooseObject = { ...old, spec };
  refuseInvalid(definition, name, validateObjectStatus(definition, merged, { old, subresource: 'status' }));
  return decideEnd(merged);
}

function specOf(object: KubeObject): { finalizers?: unknown } {
  return ((object as LooseObject).spec ?? {}) as { finalizers?: unknown };
}

function keepServerOwned(next: KubeObject, old: KubeObject): NonNullable<KubeObject['metadata']> {
  const before = old.metadata ?? {};
  const meta = { ...next.metadata };
  delete meta.selfLink;
  delete meta.managedFields;
  for (const field of ['uid', 'creationTimestamp', 'deletionTimestamp', 'generateName'] as const) {
    if (before[field] === undefined) delete meta[field];
    else meta[field] = before[field];
  }
  for (const field of ['generation', 'deletionGracePeriodSeconds'] as const) {
    if (before[field] === undefined) delete meta[field];
    else meta[field] = before[field];
  }
  meta.name ??= before.name;
  meta.namespace ??= before.namespace;
  if (meta.namespace === undefined) delete meta.namespace;
  return meta;
}

function keepStatus(next: LooseObject, old: LooseObject): void {
  if (old.status === undefined) delete next.status;
  else next.status = old.status;
}

/** Stores `object`, or deletes it when nothing holds it any longer. */
export function decideEnd(object: KubeObject): Decision {
  return isReleased(object) ? { type: 'delete', object } : { type: 'put', object, action: 'configured' };
}

/** Whether an object marked for deletion waits for nothing more. */
export function isReleased(object: KubeObject): boolean {
  const meta = object.metadata;
  return (
    meta?.deletionTimestamp !== undefined &&
    (meta.deletionGracePeriodSeconds ?? 0) === 0 &&
    finalizersOf(object).length === 0
  );
}

/** Everything that holds the object: its finalizers and, for a namespace, those of its spec. */
export function finalizersOf(object: KubeObject): readonly string[] {
  const own = specOf(object).finalizers;
  return [...(object.metadata?.finalizers ?? []), ...(Array.isArray(own) ? (own as string[]) : [])];
}
