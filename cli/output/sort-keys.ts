import { isJsonList, isJsonObject, type JsonValue } from '../manifest/json-value.ts';

/** The same value with every object's keys in alphabetical order, as kubectl prints JSON. */
export function sortKeys(value: JsonValue): JsonValue {
  if (isJsonList(value)) return value.map((item) => sortKeys(item));
  if (!isJsonObject(value)) return value;
  const keys = Object.keys(value).sort();
  return Object.fromEntries(keys.map((key) => [key, sortKeys(value[key] ?? null)]));
}
