/**
 * Kubernetes JSON ⇄ typed objects, driven by the schema table.
 *
 * Reading is strict: every problem is reported at once, each with its field path. `null` reads as unset; empty lists and
 * maps, and zeros of fields that are not pointers, are stored as unset; map keys are sorted; quantities and times are put
 * in canonical form. So objects that mean the same have equal bytes.
 */
import { distance } from 'fastest-levenshtein';
import { canonicalQuantity } from '../lib/quantity.ts';
import { joinPath, readFreeJson } from './free-json.ts';
import { type FieldSchema, type MessageSchema, messageSchema } from './schema.ts';

export { joinPath } from './free-json.ts';

/** Any JSON value. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
/** A JSON object. */
export type JsonObject = { [key: string]: Json };

/** One problem found while reading. `path` is the field, such as `spec.containers[0].image`. */
export interface DecodeIssue {
  readonly path: string;
  readonly reason: 'unknown' | 'type' | 'value';
  readonly message: string;
  /** For an unknown field: the nearest name there is. */
  readonly suggestion?: string;
}

/** What reading gives: the object as far as it could be read, and everything wrong with it. */
export interface Decoded<T> {
  readonly value: T;
  readonly issues: readonly DecodeIssue[];
}

/** Deepest nesting accepted; protobuf decoders stop at 100. */
const MAX_DEPTH = 64;
const INT32_MAX = 2 ** 31 - 1;

type Loose = Record<string, unknown>;

/** Reads Kubernetes JSON as the message `messageName`. Never throws for bad input. */
export function fromJson<T>(messageName: string, json: Json): Decoded<T> {
  const issues: DecodeIssue[] = [];
  const value = readMessage(messageSchema(messageName), json, '', 0, issues);
  return { value: value as T, issues };
}

function readMessage(schema: MessageSchema, json: Json, path: string, depth: number, issues: DecodeIssue[]): Loose {
  const out: Loose = {};
  if (!isObject(json)) {
    issues.push({ path, reason: 'type', message: `expected an object, got ${describe(json)}` });
    return out;
  }
  if (depth > MAX_DEPTH) {
    issues.push({ path, reason: 'value', message: `nested deeper than ${MAX_DEPTH} levels` });
    return out;
  }
  const inline = inlineField(schema);
  for (const key of Object.keys(json)) {
    if (inline === undefined ? schema.byName.has(key) : isOwnMember(schema, inline, key)) continue;
    if (inline === undefined) issues.push(unknownField(schema, path, key));
    else readInlined(out, key, json[key] ?? null, issues);
  }
  for (const field of schema.fields) {
    if (field === inline) continue;
    const raw = Object.hasOwn(json, field.name) ? json[field.name] : undefined;
    if (raw === undefined || raw === null) {
      if (depth === 0 && isOwnPart(field)) out[field.name] = {};
      continue;
    }
    const value = readField(field, raw, joinPath(path, field.name), depth, issues);
    if (value !== undefined) out[field.name] = value;
  }
  return out;
}

/** The field whose members stand beside the message's own in JSON, and beside them in the typed object. */
function inlineField(schema: MessageSchema): FieldSchema | undefined {
  const last = schema.fields.at(-1);
  return last?.format === 'jsonInline' ? last : undefined;
}

function isOwnMember(schema: MessageSchema, inline: FieldSchema, key: string): boolean {
  return key !== inline.name && schema.byName.has(key);
}

/** Names that typed objects use themselves. */
const RESERVED: ReadonlySet<string> = new Set(['__proto__', '_unknownFields']);

function readInlined(out: Loose, key: string, raw: Json, issues: DecodeIssue[]): void {
  if (RESERVED.has(key)) issues.push({ path: key, reason: 'value', message: `the key "${key}" is not allowed` });
  else out[key] = readFreeJson(raw, key, issues);
}

function unknownField(schema: MessageSchema, path: string, key: string): DecodeIssue {
  const full = joinPath(path, key);
  const suggestion = nearestName(
    key,
    schema.fields.map((f) => f.name),
  );
  return { path: full, reason: 'unknown', message: `unknown field "${full}"`, ...(suggestion ? { suggestion } : {}) };
}

/** The name among `names` a person most likely meant by `typed`, if any is near enough. */
export function nearestName(typed: string, names: readonly string[]): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(1, Math.ceil(typed.length / 3)) + 1;
  for (const name of names) {
    const d = distance(typed.toLowerCase(), name.toLowerCase());
    if (d < bestDistance) [best, bestDistance] = [name, d];
  }
  return best;
}

/** Whether a field is one of the parts that every object of its kind has, empty when nothing is in it: metadata, spec, status. */
export function isOwnPart(field: FieldSchema): boolean {
  return field.always && field.isMessage && field.cardinality === 'single';
}

function readField(field: FieldSchema, raw: Json, path: string, depth: number, issues: DecodeIssue[]): unknown {
  if (field.cardinality === 'list') return readList(field, raw, path, depth, issues);
  if (field.cardinality === 'map') return readMap(field, raw, path, depth, issues);
  const value = readElement(field, raw, path, depth, issues);
  // What Kubernetes holds by value is printed even when empty: absent and empty are the same, and stored as unset. (But for
  // an object's own parts, which are always there.)
  if (field.isMessage) return field.always && depth > 0 && Object.keys(value as Loose).length === 0 ? undefined : value;
  const isUnset = isZero(value) || (field.format === 'quantity' && value === '0');
  return field.explicit || !isUnset ? value : undefined;
}

function readList(field: FieldSchema, raw: Json, path: string, depth: number, issues: DecodeIssue[]): unknown {
  if (!Array.isArray(raw)) {
    issues.push({ path, reason: 'type', message: `expected a list, got ${describe(raw)}` });
    return undefined;
  }
  if (raw.length === 0) return undefined;
  return raw.map((item, i) => readElement(field, item, `${path}[${i}]`, depth, issues));
}

function readMap(field: FieldSchema, raw: Json, path: string, depth: number, issues: DecodeIssue[]): unknown {
  if (!isObject(raw)) {
    issues.push({ path, reason: 'type', message: `expected a map, got ${describe(raw)}` });
    return undefined;
  }
  const keys = Object.keys(raw).sort();
  if (keys.length === 0) return undefined;
  const out: Loose = {};
  for (const key of keys) {
    const at = joinPath(path, key);
    if (key === '__proto__') {
      issues.push({ path: at, reason: 'value', message: 'the key "__proto__" is not allowed' });
      continue;
    }
    // A null in a map of scalars reads as the zero value, as it does in Kubernetes.
    const item = raw[key] ?? (field.isMessage ? {} : '');
    out[key] = readElement(field, item, at, depth, issues);
  }
  return out;
}

function readElement(field: FieldSchema, raw: Json, path: string, depth: number, issues: DecodeIssue[]): unknown {
  const bad = (expected: string, reason: DecodeIssue['reason'] = 'type'): undefined => {
    issues.push({ path, reason, message: `expected ${expected}, got ${describe(raw)}` });
    return undefined;
  };
  if (field.format === 'json') return JSON.stringify(readFreeJson(raw, path, issues));
  if (field.format === 'union') return readUnion(field, raw, path, depth, issues);
  if (field.format !== undefined) return readFormatted(field, raw, bad);
  if (field.isMessage) return readMessage(messageSchema(field.type), raw, path, depth + 1, issues);
  switch (field.type) {
    case 'string':
      return typeof raw === 'string' ? raw : bad('a string');
    case 'bool':
      return typeof raw === 'boolean' ? raw : bad('a boolean');
    case 'int32':
    case 'int64':
      return readInteger(field.type, raw, bad);
    case 'double':
      return typeof raw === 'number' ? raw : bad('a number');
    case 'bytes':
      return typeof raw === 'string' && isBase64(raw) ? new Uint8Array(Buffer.from(raw, 'base64')) : bad('base64 data');
    default:
      throw new Error(`the codec knows no type ${field.type}`);
  }
}

/** One of the message's fields, by the JSON's type; the first that fits. */
function readUnion(field: FieldSchema, raw: Json, path: string, depth: number, issues: DecodeIssue[]): unknown {
  const { fields } = messageSchema(field.type);
  const fitting = fields.find((one) => {
    if (one.cardinality === 'list') return Array.isArray(raw);
    return one.isMessage ? isObject(raw) : typeof raw === 'boolean';
  });
  if (fitting === undefined) {
    const expected = fields.map((one) =>
      one.cardinality === 'list' ? 'a list' : one.isMessage ? 'an object' : 'a boolean',
    );
    issues.push({ path, reason: 'type', message: `expected ${expected.join(' or ')}, got ${describe(raw)}` });
    return {};
  }
  const value = readField(fitting, raw, path, depth + 1, issues);
  return value === undefined ? {} : { [fitting.name]: value };
}

function readInteger(type: 'int32' | 'int64', raw: Json, bad: (what: string, why?: 'value') => undefined): unknown {
  if (typeof raw !== 'number' || !Number.isInteger(raw)) return bad('an integer');
  const max = type === 'int32' ? INT32_MAX : Number.MAX_SAFE_INTEGER;
  const min = type === 'int32' ? -INT32_MAX - 1 : -max;
  return raw > max || raw < min ? bad(`an integer between ${min} and ${max}`, 'value') : raw;
}

function readFormatted(field: FieldSchema, raw: Json, bad: (what: string, why?: 'value') => undefined): unknown {
  switch (field.format) {
    case 'quantity': {
      const text = typeof raw === 'number' ? String(raw) : raw;
      if (typeof text !== 'string') return bad('a quantity');
      return canonicalQuantity(text) ?? bad('a quantity such as "500m", "1.5" or "2Gi"', 'value');
    }
    case 'intOrString':
      if (typeof raw === 'number' && Number.isInteger(raw) && Math.abs(raw) <= INT32_MAX) return String(raw);
      return typeof raw === 'string' ? raw : bad('an integer or a string');
    case 'time':
    case 'microTime':
      return typeof raw === 'string'
        ? (canonicalTime(raw, field.format) ?? bad('an RFC 3339 time', 'value'))
        : bad('an RFC 3339 time');
    default:
      throw new Error(`the codec knows no format ${field.format}`);
  }
}

const TIME = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)$/;

/** An RFC 3339 time in UTC with whole seconds or six decimals; undefined when `text` is none. */
export function canonicalTime(text: string, format: 'time' | 'microTime'): string | undefined {
  const match = TIME.exec(text);
  if (match === null) return undefined;
  const ms = Date.parse(`${match[1]}${match[3]}`);
  if (Number.isNaN(ms)) return undefined;
  const seconds = new Date(ms).toISOString().slice(0, 19);
  return format === 'time' ? `${seconds}Z` : `${seconds}.${(match[2] ?? '.').slice(1, 7).padEnd(6, '0')}Z`;
}

/** Kubernetes JSON of a typed object. `extra` is laid over the metadata (resourceVersion travels beside the bytes). */
export function toJson(messageName: string, value: object): JsonObject {
  return writeMessage(messageSchema(messageName), value as Loose);
}

function writeMessage(schema: MessageSchema, value: Loose): JsonObject {
  const out: JsonObject = {};
  const inline = inlineField(schema);
  for (const field of schema.fields) {
    if (field === inline) {
      for (const key of Object.keys(value)) {
        const member = value[key];
        if (isOwnMember(schema, inline, key) || RESERVED.has(key) || member === undefined) continue;
        out[key] = member as Json;
      }
      continue;
    }
    const raw = value[field.name];
    if (raw === undefined || raw === null) {
      if (field.always) out[field.name] = zeroJson(field);
    } else {
      const json = writeField(field, raw);
      if (json !== undefined) out[field.name] = json;
    }
  }
  return out;
}

function writeField(field: FieldSchema, raw: unknown): Json | undefined {
  if (field.cardinality === 'list') {
    const items = raw as readonly unknown[];
    return items.length === 0 && !field.always ? undefined : items.map((item) => writeElement(field, item));
  }
  if (field.cardinality === 'map') {
    const keys = Object.keys(raw as Loose).sort();
    if (keys.length === 0 && !field.always) return undefined;
    return Object.fromEntries(keys.map((key) => [key, writeElement(field, (raw as Loose)[key])]));
  }
  if (!field.explicit && !field.isMessage && !field.always && isZero(raw)) return undefined;
  return writeElement(field, raw);
}

function writeElement(field: FieldSchema, raw: unknown): Json {
  if (field.format === 'union') return writeUnion(field, raw as Loose);
  if (field.isMessage) return writeMessage(messageSchema(field.type), raw as Loose);
  if (field.type === 'bytes') return Buffer.from(raw as Uint8Array).toString('base64');
  if (field.format === 'intOrString' && isIntegerText(raw as string)) return Number(raw);
  if (field.format === 'json') return JSON.parse(raw as string) as Json;
  return raw as Json;
}

function writeUnion(field: FieldSchema, value: Loose): Json {
  const { fields } = messageSchema(field.type);
  const there = fields.find((one) => value[one.name] !== undefined);
  if (there !== undefined) return writeField(there, value[there.name]) ?? {};
  // Of the alternatives only a list can be empty on the wire.
  return fields.some((one) => one.cardinality === 'list') ? [] : {};
}

function zeroJson(field: FieldSchema): Json {
  if (field.cardinality === 'list') return [];
  if (field.cardinality === 'map') return {};
  if (field.isMessage) return writeMessage(messageSchema(field.type), {});
  if (field.format === 'quantity') return '0';
  if (field.type === 'bool') return false;
  return field.type === 'string' || field.type === 'bytes' ? '' : 0;
}

/** True for text an int-or-string field prints as a number. */
export function isIntegerText(text: string): boolean {
  return /^-?(0|[1-9]\d{0,9})$/.test(text);
}

function isZero(value: unknown): boolean {
  return (
    value === undefined ||
    value === '' ||
    value === 0 ||
    value === false ||
    (value instanceof Uint8Array && value.length === 0)
  );
}

function isObject(json: Json | undefined): json is JsonObject {
  return typeof json === 'object' && json !== null && !Array.isArray(json);
}

function isBase64(text: string): boolean {
  const bare = text.replace(/[\r\n]/g, '');
  return bare.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(bare);
}

function describe(json: Json): string {
  if (json === null) return 'null';
  if (Array.isArray(json)) return 'a list';
  if (typeof json === 'object') return 'an object';
  if (typeof json === 'string')
    return `the string ${JSON.stringify(json.length > 60 ? `${json.slice(0, 60)}…` : json)}`;
  if (typeof json === 'boolean') return `the boolean ${json}`;
  return Number.isInteger(json) ? `the integer ${json}` : `the number ${json}`;
}
