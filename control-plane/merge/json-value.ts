/** Small questions about JSON values that all merges ask. */
import type { Json, JsonObject } from '../../proto/index.ts';

/** True for a JSON object (not a list, not null). */
export function isObject(json: Json | undefined): json is JsonObject {
  return typeof json === 'object' && json !== null && !Array.isArray(json);
}

/** `json` when it is an object, an empty one otherwise. */
export function asObject(json: Json | undefined): JsonObject {
  return isObject(json) ? json : {};
}

/** `json` when it is a list, an empty one otherwise. */
export function asList(json: Json | undefined): Json[] {
  return Array.isArray(json) ? json : [];
}

/** The own member `key`; undefined when there is none. */
export function member(object: JsonObject, key: string): Json | undefined {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}

/** Sets an own member, whatever its name (`__proto__` included). */
export function setMember(object: JsonObject, key: string, value: Json): void {
  Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true });
}

/** Whether two values mean the same: the order of an object's keys does not count. */
export function jsonEqual(a: Json | undefined, b: Json | undefined): boolean {
  if (a === b) return true;
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((item, i) => jsonEqual(item, b[i]));
  if (!isObject(a) || !isObject(b)) return false;
  const keys = Object.keys(a);
  return (
    keys.length === Object.keys(b).length &&
    keys.every((key) => Object.hasOwn(b, key) && jsonEqual(member(a, key), member(b, key)))
  );
}

/** A copy without the members that are null, at any depth of objects; lists are kept as they are. */
export function withoutNulls(json: Json): Json {
  if (Array.isArray(json)) return json.map((item) => (isObject(item) ? withoutNulls(item) : item));
  if (!isObject(json)) return json;
  const out: JsonObject = {};
  for (const [key, value] of Object.entries(json)) {
    if (value !== null) setMember(out, key, withoutNulls(value));
  }
  return out;
}
