import { encodeJson, type JsonValue } from '../manifest/json-value.ts';
import { sortKeys } from '../output/sort-keys.ts';

/** Whether two values are equal, whatever the order of their keys. Empty maps and nulls count as absent. */
export function sameJson(a: JsonValue, b: JsonValue): boolean {
  return encodeJson(sortKeys(withoutEmpty(a))) === encodeJson(sortKeys(withoutEmpty(b)));
}

function withoutEmpty(value: JsonValue): JsonValue {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((item: JsonValue) => withoutEmpty(item));
  const kept = Object.entries(value)
    .map(([key, child]) => [key, withoutEmpty(child as JsonValue)] as const)
    .filter(([, child]) => child !== null && !(typeof child === 'object' && Object.keys(child).length === 0));
  return Object.fromEntries(kept);
}
