/**
 * What a manifest means, as plain JSON. Integers that a double cannot hold exactly are `bigint`, so that nothing a person
 * wrote is rounded on the way to the server; {@link encodeJson} writes them digit for digit.
 */

/** A JSON value as manifests and the server's replies hold it. */
export type JsonValue = null | boolean | number | bigint | string | readonly JsonValue[] | JsonObject;

/** A JSON object. */
export interface JsonObject {
  readonly [key: string]: JsonValue;
}

/** True for a JSON object: neither a list nor null nor a scalar. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** True for a list. (`Array.isArray` forgets that the list is read-only and of JSON values.) */
export function isJsonList(value: JsonValue | undefined): value is readonly JsonValue[] {
  return Array.isArray(value);
}

/** JSON text of `value`, keys in their own order, big integers exact. `indent` is the number of blanks a level. */
export function encodeJson(value: JsonValue, indent = 0): string {
  // Compact text of a value without big integers is what the engine does fastest.
  if (indent === 0 && !hasBigInt(value)) return JSON.stringify(value);
  return encode(value, indent, '\n');
}

function hasBigInt(value: JsonValue): boolean {
  if (typeof value === 'bigint') return true;
  if (typeof value !== 'object' || value === null) return false;
  return Object.values(value).some((child: JsonValue) => hasBigInt(child));
}

function encode(value: JsonValue, indent: number, newline: string): string {
  if (typeof value === 'bigint') return value.toString();
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const inner = newline + ' '.repeat(indent);
  const open = indent === 0 ? '' : inner;
  const close = indent === 0 ? '' : newline;
  const comma = indent === 0 ? ',' : `,${inner}`;
  const colon = indent === 0 ? ':' : ': ';
  if (isJsonList(value)) {
    if (value.length === 0) return '[]';
    return `[${open}${value.map((child) => encode(child, indent, inner)).join(comma)}${close}]`;
  }
  const entries = Object.entries(value);
  if (entries.length === 0) return '{}';
  const members = entries.map(([key, child]) => `${JSON.stringify(key)}${colon}${encode(child, indent, inner)}`);
  return `{${open}${members.join(comma)}${close}}`;
}
