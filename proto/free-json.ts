/** JSON of any form inside typed objects: what is checked before it is kept, and the one text it is kept as. */
import type { DecodeIssue, Json } from './codec.ts';

/** Deepest nesting of free-form JSON. */
const MAX_DEPTH = 100;
/** Integers of which a double cannot hold every one, up to where other programs hold them exactly. */
const MAX_EXACT = Number.MAX_SAFE_INTEGER;
const INT64_SPAN = 2 ** 63;

/**
 * Checks what could not be read back as it was written: nesting, integers between 2^53 and 2^63, the key `__proto__`. Adds to
 * `issues`; gives a copy with sorted keys, so that equal values have equal text.
 */
export function readFreeJson(json: Json, path: string, issues: DecodeIssue[]): Json {
  return read(json, { path, issues }, 0);
}

interface Walk {
  readonly path: string;
  readonly issues: DecodeIssue[];
}

function read(json: Json, { path, issues }: Walk, depth: number): Json {
  if (typeof json === 'number') {
    const size = Math.abs(json);
    if (Number.isInteger(json) && size > MAX_EXACT && size < INT64_SPAN) {
      issues.push({ path, reason: 'value', message: `expected an integer between ${-MAX_EXACT} and ${MAX_EXACT}` });
    }
    return json;
  }
  if (typeof json !== 'object' || json === null) return json;
  if (depth >= MAX_DEPTH) {
    issues.push({ path, reason: 'value', message: `nested deeper than ${MAX_DEPTH} levels` });
    return null;
  }
  if (Array.isArray(json)) return json.map((item, i) => read(item, { path: `${path}[${i}]`, issues }, depth + 1));
  const out: { [key: string]: Json } = {};
  for (const key of Object.keys(json).sort()) {
    const at = joinPath(path, key);
    if (key === '__proto__') {
      issues.push({ path: at, reason: 'value', message: 'the key "__proto__" is not allowed' });
    } else out[key] = read(json[key] ?? null, { path: at, issues }, depth + 1);
  }
  return out;
}

/** The JSON text of a value, with the keys of every object sorted. Members that are undefined are left out. */
export function sortedJson(value: unknown): string {
  return JSON.stringify(sorted(value));
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const members = value as { [key: string]: unknown };
  const out: { [key: string]: unknown } = {};
  for (const key of Object.keys(members).sort()) out[key] = sorted(members[key]);
  return out;
}

/** Appends a field name or map key to a path: `a.b`, or `a[some.key]` when the key has dots or slashes. */
export function joinPath(path: string, key: string): string {
  if (/[./[\]]/.test(key)) return `${path}[${key}]`;
  return path === '' ? key : `${path}.${key}`;
}
