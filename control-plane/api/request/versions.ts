/**
 * Kinds served in several versions. One of them is stored, and everything behind the edge (admission, validation, watches,
 * controllers) knows only that one; the others are forms of it, converted where a request comes in and where its reply goes
 * out. `Target.definition` is the stored form, `Target.served` the form the request speaks: mostly the same.
 */
import { type Json, type JsonObject, type KubeObject, toJson } from '../../../proto/index.ts';
import { invalidObject } from '../../resources/validate-object.ts';
import type { AnyDefinition } from '../services.ts';
import { decodeJson, stampType, strictDecodingError, toCause } from './decode.ts';
import type { Target } from './target.ts';

/** An object with its encoding. */
export interface Encoded {
  readonly object: KubeObject;
  readonly bytes: Uint8Array;
}

/** Reads JSON strictly as the version the request speaks, and gives it in the stored one. Throws `BadRequest`. */
export function decodeServed(target: Target, json: Json): KubeObject {
  return toStored(target, decodeJson<KubeObject>(target.served.type.messageName, json));
}

/** An object of the version the request speaks, in the stored one. Throws `BadRequest` when it says it is of another kind. */
export function toStored({ definition, served }: Target, object: KubeObject): KubeObject {
  stampType(object, served.type);
  const unknown = served.unknownFields?.(object) ?? [];
  if (unknown.length > 0) throw strictDecodingError(unknown.map(toCause));
  checkOtherVersion(served, object);
  return served.storedAs === undefined
    ? object
    : { ...served.storedAs.toStored(object), apiVersion: definition.type.apiVersion, kind: definition.type.kind };
}

/** A version of a custom kind has a schema of its own: what is written in it must keep that, besides the stored version's. */
function checkOtherVersion(served: AnyDefinition, object: KubeObject): void {
  if (served.custom === undefined || served.storedAs === undefined) return;
  served.setDefaults?.(object);
  const causes = served.validate?.(object) ?? [];
  if (causes.length > 0) throw invalidObject(served, object.metadata?.name ?? '', causes);
}

/** A stored object in the version the request speaks. The argument is not changed. */
function toServed({ served }: Target, object: KubeObject): KubeObject {
  if (served.storedAs === undefined) return object;
  const { apiVersion, kind } = served.type;
  return { ...served.storedAs.fromStored(structuredClone(object)), apiVersion, kind };
}

/** Kubernetes JSON of a stored object in the version the request speaks. */
export function servedJson(target: Target, object: KubeObject): JsonObject {
  return toJson(target.served.type.messageName, toServed(target, object));
}

/** A stored object and its bytes in the version the request speaks. */
export function servedEncoding(target: Target, { object, bytes }: Encoded): Encoded {
  if (target.served.storedAs === undefined) return { object, bytes };
  const converted = toServed(target, object);
  const { resourceVersion: _version, ...metadata } = converted.metadata ?? {};
  return { object: converted, bytes: target.served.type.message.encode({ ...converted, metadata }).finish() };
}

/** An entry of a list or a watch in the version the request speaks. */
export function servedEntry<E extends { readonly object: KubeObject | undefined; readonly value: Uint8Array }>(
  target: Target,
  entry: E,
): E {
  if (entry.object === undefined) return entry;
  const { object, bytes } = servedEncoding(target, { object: entry.object, bytes: entry.value });
  return { ...entry, object, value: bytes };
}
