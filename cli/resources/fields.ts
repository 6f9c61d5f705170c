import { isJsonList, isJsonObject, type JsonObject, type JsonValue } from '../manifest/json-value.ts';

/** The value at a path of names, or undefined. Positions in lists are not followed: lists are read with {@link listAt}. */
export function valueAt(object: JsonValue | undefined, ...path: readonly string[]): JsonValue | undefined {
  let value = object;
  for (const name of path) {
    if (!isJsonObject(value) || !Object.hasOwn(value, name)) return undefined;
    value = value[name];
  }
  return value;
}

/** Text at a path; empty when there is none. Numbers and booleans become text. */
export function textAt(object: JsonValue | undefined, ...path: readonly string[]): string {
  const value = valueAt(object, ...path);
  if (typeof value === 'string') return value;
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : '';
}

/** A number at a path; undefined when there is none. */
export function numberAt(object: JsonValue | undefined, ...path: readonly string[]): number | undefined {
  const value = valueAt(object, ...path);
  return typeof value === 'number' ? value : undefined;
}

/** Objects of a list at a path; empty when there is none. */
export function listAt(object: JsonValue | undefined, ...path: readonly string[]): readonly JsonObject[] {
  const value = valueAt(object, ...path);
  return isJsonList(value) ? value.filter((item) => isJsonObject(item)) : [];
}

/** A map of text at a path, in its own order; empty when there is none. */
export function mapAt(
  object: JsonValue | undefined,
  ...path: readonly string[]
): readonly (readonly [string, string])[] {
  const value = valueAt(object, ...path);
  if (!isJsonObject(value)) return [];
  return Object.keys(value).map((key) => [key, textAt(value, key)] as const);
}
