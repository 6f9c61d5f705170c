/** Server-side apply: the server knows per manager which fields its configuration names. */
import { rfc3339 } from '../../../../lib/clock.ts';
import { hasReason } from '../../../../lib/errors.ts';
import { type JsonObject, type KubeObject, toJson } from '../../../../proto/index.ts';
import { canonicalConfig, configProblems } from '../../../merge/apply-config.ts';
import { compareFields } from '../../../merge/compare-fields.ts';
import { difference, isEmptySet } from '../../../merge/field-set.ts';
import { asObject, isObject, jsonEqual, member, setMember } from '../../../merge/json-value.ts';
import { mergeConfig } from '../../../merge/merge-config.ts';
import { applyOwned, isSameOwnership, isSameWriter, type Owner, UNOWNED, type Writer } from '../../../merge/owners.ts';
import { badRequest, conflict, modifiedConflict, notFound } from '../../api-errors.ts';
import { decodeJson } from '../../request/decode.ts';
import { nameForWrite, namespaceForWrite, type Target } from '../../request/target.ts';
import { decodeServed } from '../../request/versions.ts';
import type { ApiServices } from '../../services.ts';
import { parseVersion } from '../../stored-object.ts';
import { LAST_APPLIED, lastAppliedText } from '../apply.ts';
import { createObject } from '../create.ts';
import { type Current, type Decision, guardedWrite } from '../guarded-write.ts';
import { warningsFor } from '../prepare.ts';
import { decideReplacement } from '../update.ts';
import type { WriteOutcome, WriteRequest } from '../write-request.ts';
import { applyConflict } from './conflict-error.ts';
import { readEntries, writeEntries } from './entries.ts';
import { requireFieldManager } from './field-manager.ts';
import { firstOwners, isCommandLine, ownersForApply } from './first-owners.ts';
import type { OwnersOf } from './track-update.ts';
import { completeJson, nodeOf, wholeJson } from './whole-object.ts';

/** A configuration as it came, and what to do about fields of others. */
export interface ServerSideApply {
  readonly config: JsonObject;
  /** Take over what other managers own with other values. */
  readonly force: boolean;
}

/** What there is to apply, read and checked. */
interface Work {
  readonly request: WriteRequest;
  readonly applier: Writer;
  readonly force: boolean;
  /** The configuration in the stored version: canonical, and without what nobody may apply. */
  readonly config: JsonObject;
  readonly uid: string;
  readonly ifVersion: number | undefined;
  /** For the annotation of client-side apply, where the object has it. */
  readonly lastApplied: string;
}

/**
 * Makes the object what `config` says, in the name of the request's field manager. Fields it named last time and no longer
 * names go, unless others own them. Creates what is not there; with subresource `status` only the status is applied. Throws
 * `Conflict` with a cause per field when others own fields with other values, `Invalid` without a field manager.
 */
export async function serverSideApply(
  services: ApiServices,
  request: WriteRequest,
  apply: ServerSideApply,
): Promise<WriteOutcome> {
  const work = prepare(request, apply);
  for (;;) {
    try {
      return await applyToLive(services, work);
    } catch (err) {
      if (!(err instanceof NothingLive)) throw err;
    }
    try {
      return await createApplied(services, work);
    } catch (err) {
      // Somebody created it in the meantime: merge with that.
      if (!hasReason(err, 'AlreadyExists')) throw err;
    }
  }
}

/** There is no live object: the configuration is created instead. */
class NothingLive extends Error {}

function prepare(request: WriteRequest, { config, force }: ServerSideApply): Work {
  const { target } = request;
  const manager = requireFieldManager(request.fieldManager ?? '');
  const metadata = asObject(config.metadata);
  if ((metadata.managedFields ?? null) !== null) throw badRequest('metadata.managedFields must be nil');
  // Also refuses, against what the person wrote, what is no object of the kind.
  const written = decodeServed(target, config);
  const namespace = namespaceForWrite(target, written);
  const name = nameForWrite(target, written);
  if (name === '') throw badRequest('name must be provided: apply does not generate names');
  const { definition, served, subresource } = target;
  const inNamespace = { ...target, namespace, name };
  const canonical = canonicalOf(target, config, written);
  const { uid = '', resourceVersion } = written.metadata ?? {};
  const problems = configProblems(nodeOf(definition), canonical);
  if (problems.length > 0) {
    const { group, version, kind } = definition.type;
    const what = `${namespace === '' ? '' : `${namespace}/`}${name}; ${group === '' ? '' : `${group}/`}${version}, Kind=${kind}`;
    throw badRequest(`failed to create typed patch object (${what}): ${problems.join(', ')}`);
  }
  return {
    request: { ...request, target: inNamespace },
    applier: { manager, operation: 'Apply', apiVersion: definition.type.apiVersion, subresource },
    force,
    config: applicable(inNamespace, canonical),
    uid,
    ifVersion: parseVersion(resourceVersion),
    lastApplied: lastAppliedText(config, served, { name, namespace }),
  };
}

/**
 * The configuration in the stored version. Of a version that is not stored every field of the converted object counts as named,
 * but for what the conversion makes of nothing.
 */
function canonicalOf(target: Target, config: JsonObject, written: KubeObject): JsonObject {
  const { definition, served } = target;
  const named = (by: object, object: KubeObject): JsonObject =>
    canonicalConfig(nodeOf(definition), by, toJson(definition.type.messageName, object));
  if (served.storedAs === undefined) return named(config, written);
  const { apiVersion, kind } = served.type;
  const nothing = decodeServed(target, { apiVersion, kind, metadata: {} });
  return without(named(written, written), named(nothing, nothing));
}

/** `json` without the members that `other` has with the same values. */
function without(json: JsonObject, other: JsonObject): JsonObject {
  const out: JsonObject = {};
  for (const [name, value] of Object.entries(json)) {
    const same = member(other, name);
    if (same !== undefined && jsonEqual(value, same)) continue;
    setMember(out, name, isObject(value) && isObject(same) ? without(value, same) : value);
  }
  return out;
}

/** The configuration without what is not applied: server-owned metadata, and either the status or everything but it. */
function applicable(target: Target, canonical: JsonObject): JsonObject {
  const { definition, subresource, name, namespace } = target;
  const { apiVersion, kind } = definition.type;
  const identity = { name, ...(namespace === '' ? {} : { namespace }) };
  const { status, ...rest } = canonical;
  if (subresource === 'status') {
    return { apiVersion, kind, metadata: identity, ...(status === undefined ? {} : { status }) };
  }
  const { metadata, ...desired } = definition.subresources?.status === true ? rest : canonical;
  const kept = Object.entries(asObject(metadata)).filter(([key]) => !isServerOwned(key));
  return { ...desired, apiVersion, kind, metadata: { ...Object.fromEntries(kept), ...identity } };
}

function isServerOwned(key: string): boolean {
  return UNOWNED.children.get('f:metadata')?.children.has(`f:${key}`) === true;
}

async function createApplied(services: ApiServices, work: Work): Promise<WriteOutcome> {
  const { request, config, applier, uid, ifVersion } = work;
  const { definition, name, subresource } = request.target;
  if (subresource !== '') throw notFound(definition.type, name);
  if (uid !== '') {
    const why = `Precondition failed: UID in precondition: ${uid}, UID in object meta: `;
    throw conflict(definition.type, name, why);
  }
  if (ifVersion !== undefined) throw badRequest('resourceVersion should not be set on objects to be created');
  const node = nodeOf(definition);
  const object = decodeJson<KubeObject>(definition.type.messageName, mergeConfig(node, {}, config));
  const { owners } = applyOwned({ node, live: {}, config, owners: [], applier, force: work.force });
  const time = rfc3339(services.now());
  return createObject(services, request, object, {
    ownersOf: () => writeEntries(owners.map((owner) => ({ ...owner, time }))),
  });
}

async function applyToLive(services: ApiServices, work: Work): Promise<WriteOutcome> {
  const { request } = work;
  const { definition, name, subresource } = request.target;
  const outcome = await guardedWrite(services, request, name, (current) => {
    if (current === undefined) throw new NothingLive();
    return decideApply(services, work, current);
  });
  if (outcome.action === 'unchanged' || subresource !== '') return outcome;
  return { ...outcome, warnings: warningsFor(definition, outcome.object) };
}

async function decideApply(services: ApiServices, work: Work, current: Current): Promise<Decision> {
  const { request, applier, config, force } = work;
  const { definition, name } = request.target;
  const node = nodeOf(definition);
  if (work.ifVersion !== undefined && work.ifVersion !== current.version) throw modifiedConflict(definition.type, name);
  const now = rfc3339(services.now());
  const before = readEntries(current.object.metadata?.managedFields) ?? [];
  const known = before.length > 0 ? before : firstOwners(definition, current.object, now);
  const live = wholeJson(definition, current.object);
  const applied = applyOwned({
    ...{ node, live, config, applier, force },
    owners: ownersForApply(known, applier),
    complete: (object) => completeJson(definition, object),
  });
  if (applied.conflicts.length > 0) throw applyConflict(applied.conflicts);
  const next = decodeJson<KubeObject>(definition.type.messageName, withUid(applied.object, work.uid));
  followClientSideApply(next, work);
  const ownersOf: OwnersOf = (object) => {
    const changes = compareFields(node, live, wholeJson(definition, object));
    const touched = [changes.added, changes.modified, changes.removed].some(
      (set) => !isEmptySet(difference(set, UNOWNED)),
    );
    const isNews = touched || !isSameOwnership(before, applied.owners);
    return writeEntries(applied.owners.map((owner) => timed(owner, { applier, time: isNews ? now : undefined })));
  };
  return decideReplacement(services, request, { name, current, next, ownersOf });
}

/** The applier's entry gets the time of an apply that changed something. */
function timed(
  owner: Owner,
  { applier, time }: { readonly applier: Writer; readonly time: string | undefined },
): Owner {
  return time !== undefined && isSameWriter(owner, applier) ? { ...owner, time } : owner;
}

/** A uid that the configuration names must be that of the live object; whoever replaces the object checks it. */
function withUid(object: JsonObject, uid: string): JsonObject {
  return uid === '' ? object : { ...object, metadata: { ...asObject(object.metadata), uid } };
}

/** Keeps the annotation of client-side apply true, for people who use both. */
function followClientSideApply(next: KubeObject, { applier, lastApplied }: Work): void {
  const annotations = next.metadata?.annotations;
  if (!isCommandLine(applier.manager) || applier.subresource !== '' || annotations?.[LAST_APPLIED] === undefined)
    return;
  annotations[LAST_APPLIED] = lastApplied;
}
