/**
 * One walk over a typed object by its schema, for what a wire message can carry and Kubernetes JSON cannot: unknown fields,
 * numbers beyond 2^53, values not in canonical form, maps in any order. JSON is put in order by the codec already.
 */

import type { ErrorCause } from '../../../lib/errors.ts';
import { canonicalQuantity } from '../../../lib/quantity.ts';
import {
  canonicalTime,
  type DecodeIssue,
  type FieldSchema,
  isOwnPart,
  type Json,
  joinPath,
  type MessageSchema,
  messageSchema,
  readFreeJson,
} from '../../../proto/index.ts';

type Loose = Record<string, unknown>;

/** Field numbers a sender knew and this schema does not, by path; problems found on the way. */
export interface Inspection {
  readonly unknown: readonly { readonly path: string; readonly number: number }[];
  readonly problems: readonly ErrorCause[];
}

const NOTHING: Inspection = { unknown: [], problems: [] };

/**
 * Puts `value` into the form in which equal objects have equal bytes, in place: sorted maps, canonical quantities and
 * times, no empty lists and maps. Reports what it cannot repair.
 */
export function normalize(messageName: string, value: object): Inspection {
  const unknown: { path: string; number: number }[] = [];
  const problems: ErrorCause[] = [];
  const schema = messageSchema(messageName);
  for (const field of schema.fields) if (isOwnPart(field)) (value as Loose)[field.name] ??= {};
  walk(schema, value as Loose, '', { unknown, problems });
  return unknown.length === 0 && problems.length === 0 ? NOTHING : { unknown, problems };
}

interface Findings {
  readonly unknown: { path: string; number: number }[];
  readonly problems: ErrorCause[];
}

function walk(schema: MessageSchema, value: Loose, path: string, findings: Findings): void {
  const unknown = value._unknownFields;
  if (unknown !== undefined) {
    // ts-proto keys them by tag, which is number << 3 | wire type.
    for (const tag of Object.keys(unknown as Loose)) findings.unknown.push({ path, number: Number(tag) >>> 3 });
  }
  for (const name of Object.keys(value)) {
    const field = schema.byName.get(name);
    const raw = value[name];
    if (raw !== undefined && isInlined(schema, name)) value[name] = freeJson(raw, name, findings);
    if (field === undefined || raw === undefined || field.format === 'jsonInline') continue;
    if (field.cardinality === 'list') normalizeList(field, value, path, findings);
    else if (field.cardinality === 'map') normalizeMap(field, value, path, findings);
    else if (field.isMessage) {
      walk(messageSchema(field.type), raw as Loose, joinPath(path, name), findings);
      // Held by value: empty and absent are the same below the object's own parts.
      if (path !== '' && field.always && Object.keys(raw as Loose).length === 0) delete value[name];
    } else if (needsCheck(field)) value[name] = scalar(field, raw, () => joinPath(path, name), findings);
  }
}

/** Whether that member of a custom object belongs to its body. */
function isInlined(schema: MessageSchema, name: string): boolean {
  const inline = schema.fields.at(-1);
  return (
    inline?.format === 'jsonInline' && (name === inline.name || !schema.byName.has(name)) && name !== '_unknownFields'
  );
}

function freeJson(raw: unknown, path: string, { problems }: Findings): Json {
  const issues: DecodeIssue[] = [];
  const json = readFreeJson(raw as Json, path, issues);
  for (const { path: field, message } of issues) problems.push({ field, reason: 'FieldValueInvalid', message });
  return json;
}

function needsCheck(field: FieldSchema): boolean {
  return field.format !== undefined || field.type === 'int64' || field.type === 'double';
}

function normalizeList(field: FieldSchema, owner: Loose, path: string, findings: Findings): void {
  const items = owner[field.name] as unknown[];
  if (items.length === 0) {
    delete owner[field.name];
    return;
  }
  if (!field.isMessage && !needsCheck(field)) return;
  const at = joinPath(path, field.name);
  items.forEach((item, i) => {
    if (field.isMessage) walk(messageSchema(field.type), item as Loose, `${at}[${i}]`, findings);
    else items[i] = scalar(field, item, () => `${at}[${i}]`, findings);
  });
}

function normalizeMap(field: FieldSchema, owner: Loose, path: string, findings: Findings): void {
  const map = owner[field.name] as Loose;
  const keys = Object.keys(map);
  if (keys.length === 0) {
    delete owner[field.name];
    return;
  }
  if (keys.some((key, i) => i > 0 && key < (keys[i - 1] ?? ''))) {
    owner[field.name] = Object.fromEntries(keys.sort().map((key) => [key, map[key]]));
  }
  const sorted = owner[field.name] as Loose;
  if (!field.isMessage && !needsCheck(field)) return;
  const at = joinPath(path, field.name);
  for (const key of keys) {
    if (field.isMessage) walk(messageSchema(field.type), sorted[key] as Loose, joinPath(at, key), findings);
    else sorted[key] = scalar(field, sorted[key], () => joinPath(at, key), findings);
  }
}

function scalar(field: FieldSchema, raw: unknown, path: () => string, findings: Findings): unknown {
  const { problems } = findings;
  const bad = (expected: string): unknown => {
    problems.push({
      field: path(),
      reason: 'FieldValueInvalid',
      message: `Invalid value: ${JSON.stringify(raw)}: expected ${expected}`,
    });
    return raw;
  };
  switch (field.format) {
    case 'quantity':
      return canonicalQuantity(raw as string) ?? bad('a quantity such as "500m", "1.5" or "2Gi"');
    case 'time':
    case 'microTime':
      return canonicalTime(raw as string, field.format) ?? bad('an RFC 3339 time');
    case 'json':
      return isJson(raw as string)
        ? JSON.stringify(freeJson(JSON.parse(raw as string), path(), findings))
        : bad('JSON text');
    default:
      return typeof raw === 'number' && field.type === 'int64' && !Number.isSafeInteger(raw)
        ? bad('an integer between -(2^53-1) and 2^53-1')
        : raw;
  }
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
