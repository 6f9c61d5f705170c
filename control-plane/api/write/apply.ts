import { hasReason } from '../../../lib/errors.ts';
import type { Json, JsonObject, KubeObject } from '../../../proto/index.ts';
import { applyThreeWay } from '../../merge/three-way-apply.ts';
import { sortedKeys } from '../../resources/sorted-keys.ts';
import { badRequest, modifiedConflict, qualifiedPlural } from '../api-errors.ts';
import { nameForWrite, namespaceForWrite, type Target } from '../request/target.ts';
import { decodeServed, servedJson } from '../request/versions.ts';
import type { AnyDefinition, ApiServices } from '../services.ts';
import { encodeForStore, equalBytes, parseVersion } from '../stored-object.ts';
import { createObject } from './create.ts';
import { type Current, guardedWrite } from './guarded-write.ts';
import { warningsFor } from './prepare.ts';
import { decideReplacement } from './update.ts';
import type { WriteOutcome, WriteRequest } from './write-request.ts';

/** Where the configuration given last is kept, as kubectl keeps it. */
export const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';

/**
 * Makes the object what the configuration says, and leaves alone what it never said: a three-way merge of the configuration
 * applied last, the live object, and `config`. Creates what is not there.
 */
export async function applyObject(
  services: ApiServices,
  request: WriteRequest,
  config: JsonObject,
): Promise<WriteOutcome> {
  const { served } = request.target;
  // Read once on its own, so that mistakes are reported against what the person wrote.
  const written = decodeServed(request.target, config);
  const namespace = namespaceForWrite(request.target, written);
  const name = nameForWrite(request.target, written);
  if (name === '') throw badRequest('name must be provided: apply does not generate names');
  const inNamespace = { ...request, target: { ...request.target, namespace, name } };
  const modified = withLastApplied(config, served, { name, namespace });
  for (;;) {
    try {
      return await applyToLive(services, inNamespace, modified);
    } catch (err) {
      if (!(err instanceof NothingLive)) throw err;
    }
    try {
      const object = decodeServed(inNamespace.target, withoutVersion(modified));
      return await createObject(services, inNamespace, object);
    } catch (err) {
      // Somebody created it in the meantime: merge with that.
      if (!hasReason(err, 'AlreadyExists')) throw err;
    }
  }
}

/** There is no live object: the configuration is created instead. */
class NothingLive extends Error {}

async function applyToLive(services: ApiServices, request: WriteRequest, modified: JsonObject): Promise<WriteOutcome> {
  const { definition, name } = request.target;
  const notes: string[] = [];
  const outcome = await guardedWrite(services, request, name, (current) => {
    if (current === undefined) throw new NothingLive();
    notes.length = 0;
    if (lastAppliedOf(current.object) === undefined) {
      notes.push(
        `${qualifiedPlural(definition.type)} "${name}" was not made by apply: what the file does not name stays as it is; ` +
          'from now on the file is kept track of',
      );
    }
    const next = merged(request.target, current, modified);
    if (namesUidOf(modified, current.object) && isSameBesides(definition, next, current.object))
      keepLastApplied(next, current.object);
    const ifVersion = parseVersion(next.metadata?.resourceVersion);
    if (ifVersion !== undefined && ifVersion !== current.version) throw modifiedConflict(definition.type, name);
    return decideReplacement(services, request, { name, current, next });
  });
  if (outcome.action === 'unchanged') return outcome;
  return { ...outcome, warnings: [...notes, ...warningsFor(definition, outcome.object)] };
}

function merged(target: Target, current: Current, modified: JsonObject): KubeObject {
  const { messageName } = target.served.type;
  const live = servedJson(target, current.object);
  const lastApplied = lastAppliedOf(current.object) ?? null;
  return decodeServed(target, applyThreeWay(messageName, { lastApplied, live, modified }));
}

/** Whether the configuration is of this very object: what `get -o yaml` printed of it, altered or not. */
function namesUidOf(config: JsonObject, live: KubeObject): boolean {
  const uid = asObject(config.metadata)?.uid;
  return uid !== undefined && uid === live.metadata?.uid;
}

/** Whether nothing but the note of what was applied would change. */
function isSameBesides(definition: AnyDefinition, next: KubeObject, live: KubeObject): boolean {
  const bare = (one: KubeObject): Uint8Array => {
    const { [LAST_APPLIED]: _text, ...annotations } = one.metadata?.annotations ?? {};
    return encodeForStore(definition, { ...one, metadata: { ...one.metadata, annotations } });
  };
  return equalBytes(bare(next), bare(live));
}

/** Applying an unaltered export is no news: what was applied before stays what later removals are judged by. */
function keepLastApplied(next: KubeObject, live: KubeObject): void {
  const { [LAST_APPLIED]: _text, ...annotations } = next.metadata?.annotations ?? {};
  const kept = live.metadata?.annotations?.[LAST_APPLIED];
  const all = kept === undefined ? annotations : { ...annotations, [LAST_APPLIED]: kept };
  next.metadata = { ...next.metadata, annotations: sortedKeys(all) };
  if (Object.keys(all).length === 0) delete next.metadata.annotations;
}

function lastAppliedOf(object: KubeObject): Json | undefined {
  const text = object.metadata?.annotations?.[LAST_APPLIED];
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as Json;
  } catch {
    // Somebody edited it by hand; without it nothing is known to have been removed.
    return undefined;
  }
}

/** Where a configuration belongs. */
interface Place {
  readonly name: string;
  readonly namespace: string;
}

/** What the annotation says of a configuration. */
export function lastAppliedText(config: JsonObject, definition: AnyDefinition, at: Place): string {
  const { annotations } = asObject(withLastApplied(config, definition, at).metadata) ?? {};
  const text = asObject(annotations)?.[LAST_APPLIED];
  return typeof text === 'string' ? text : '';
}

/** The configuration with its own text in the annotation, in the form kubectl writes: sorted keys, a final newline. */
function withLastApplied(config: JsonObject, definition: AnyDefinition, at: Place): JsonObject {
  const { managedFields: _owners, ...written } = asObject(config.metadata) ?? {};
  const metadata: JsonObject = { ...written, name: at.name };
  if (at.namespace !== '') metadata.namespace = at.namespace;
  const { [LAST_APPLIED]: _previous, ...annotations } = asObject(metadata.annotations) ?? {};
  const { status: _status, ...rest } = config;
  const base = { ...rest, apiVersion: definition.type.apiVersion, kind: definition.type.kind };
  const original = { ...base, metadata: { ...metadata, annotations } };
  const text = `${JSON.stringify(sortKeys(original))}\n`;
  return { ...base, metadata: { ...metadata, annotations: { ...annotations, [LAST_APPLIED]: text } } };
}

function withoutVersion(config: JsonObject): JsonObject {
  const { resourceVersion: _version, ...metadata } = asObject(config.metadata) ?? {};
  return { ...config, metadata };
}

function asObject(json: Json | undefined): JsonObject | undefined {
  return typeof json === 'object' && json !== null && !Array.isArray(json) ? json : undefined;
}

function sortKeys(json: Json): Json {
  if (Array.isArray(json)) return json.map(sortKeys);
  if (typeof json !== 'object' || json === null) return json;
  return Object.fromEntries(
    Object.keys(json)
      .sort()
      .map((key) => [key, sortKeys(json[key] ?? null)]),
  );
}
