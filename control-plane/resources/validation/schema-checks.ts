/**
 * What the schema alone says is wrong with an object: required fields that are absent, values outside an enumeration, texts
 * not in their field's format. One place for every kind; rules that depend on other fields live with the kind.
 */
import type { ErrorCause } from '../../../lib/errors.ts';
import { parseQuantity } from '../../../lib/quantity.ts';
import { canonicalTime, type FieldSchema, joinPath, messageSchema } from '../../../proto/index.ts';
import { invalid, notSupported, required } from './field-errors.ts';

type Loose = Readonly<Record<string, unknown>>;

/** Fields that must be written but may be written empty, which is the same once read. */
const MAY_BE_EMPTY: ReadonlySet<string> = new Set(['skiff.core.v1.HTTPHeader.value', 'skiff.core.v1.Sysctl.value']);

/** Everything the schema has against `object`, without its status, which only programs write. */
export function checkAgainstSchema(messageName: string, object: object): ErrorCause[] {
  const causes: ErrorCause[] = [];
  checkMessage(messageName, object as Loose, '', causes);
  return causes;
}

function checkMessage(messageName: string, object: Loose, path: string, causes: ErrorCause[]): void {
  for (const field of messageSchema(messageName).fields) {
    if (path === '' && field.name === 'status') continue;
    const at = joinPath(path, field.name);
    const value = object[field.name];
    if (isAbsent(field, value)) {
      if (field.required && !MAY_BE_EMPTY.has(`${messageName}.${field.name}`)) causes.push(required(at));
      // What Kubernetes holds by value is there even when nothing was written: its own required fields count.
      else if (field.always && field.isMessage && field.cardinality === 'single')
        checkMessage(field.type, {}, at, causes);
    } else checkValue(field, value, at, causes);
  }
}

/** Whether a field counts as not given. Zero numbers count as given: absent and zero are the same bytes. */
function isAbsent(field: FieldSchema, value: unknown): boolean {
  if (value === undefined || value === null) return field.isMessage || field.explicit || isText(field) || isMany(field);
  if (value === '') return !field.explicit;
  return Array.isArray(value) && value.length === 0;
}

function isText(field: FieldSchema): boolean {
  return field.type === 'string';
}

function isMany(field: FieldSchema): boolean {
  return field.cardinality !== 'single';
}

function checkValue(field: FieldSchema, value: unknown, path: string, causes: ErrorCause[]): void {
  if (field.cardinality === 'list') {
    for (const [i, item] of (value as readonly unknown[]).entries()) checkElement(field, item, `${path}[${i}]`, causes);
  } else if (field.cardinality === 'map') {
    for (const [key, item] of Object.entries(value as Loose)) checkElement(field, item, joinPath(path, key), causes);
  } else checkElement(field, value, path, causes);
}

function checkElement(field: FieldSchema, value: unknown, path: string, causes: ErrorCause[]): void {
  if (field.isMessage) checkMessage(field.type, value as Loose, path, causes);
  else if (typeof value === 'string') checkText(field, value, path, causes);
}

function checkText(field: FieldSchema, value: string, path: string, causes: ErrorCause[]): void {
  if (field.values !== undefined && !field.values.includes(value)) causes.push(notSupported(path, value, field.values));
  if (field.format === 'quantity' && parseQuantity(value) === undefined) {
    causes.push(invalid(path, value, 'must be a quantity such as "500m", "1.5" or "2Gi"'));
  }
  if ((field.format === 'time' || field.format === 'microTime') && canonicalTime(value, field.format) === undefined) {
    causes.push(invalid(path, value, 'must be an RFC 3339 time'));
  }
}
