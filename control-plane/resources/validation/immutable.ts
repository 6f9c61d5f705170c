/** Fields that may not change once an object exists. */
import { isDeepStrictEqual } from 'node:util';
import type { ErrorCause } from '../../../lib/errors.ts';
import { toJson } from '../../../proto/index.ts';
import { changesInWords, fieldChanges } from './changed-fields.ts';
import { forbidden, invalid } from './field-errors.ts';

/** An error when `value` differs from `old`; it names both. */
export function immutable(field: string, value: unknown, old: unknown): ErrorCause[] {
  if (isDeepStrictEqual(value ?? null, old ?? null)) return [];
  return [invalid(field, value ?? null, `field is immutable (it was ${JSON.stringify(old ?? null)})`)];
}

/** The same for a message: it names what in it differs. Absent and empty are the same. */
export function immutableMessage(
  field: string,
  messageName: string,
  { value, old }: { readonly value: object | undefined; readonly old: object | undefined },
): ErrorCause[] {
  const changes = fieldChanges(messageName, value ?? {}, old ?? {});
  if (changes.length === 0) return [];
  const json = value === undefined ? null : toJson(messageName, value);
  return [invalid(field, json, `field is immutable (${changesInWords(changes)})`)];
}

interface Sealable {
  readonly immutable?: boolean | undefined;
}

/** The rule of ConfigMaps and Secrets: once `immutable` is true, it stays, and so do `fields`. Values are not shown. */
export function validateSealed<T extends Sealable>(
  object: T,
  old: T,
  fields: readonly (keyof T & string)[],
): ErrorCause[] {
  if (old.immutable !== true) return [];
  const why = 'field is immutable when `immutable` is set';
  const unsealed = object.immutable === true ? [] : [forbidden('immutable', why)];
  const changed = fields.filter((field) => !sameEntries(object[field], old[field]));
  return [...unsealed, ...changed.map((field) => forbidden(field, why))];
}

/** Whether two maps of texts or bytes hold the same. Bytes may come as Buffer or plain array. */
function sameEntries(a: unknown, b: unknown): boolean {
  const plain = (map: unknown): [string, string][] =>
    Object.entries((map ?? {}) as Record<string, string | Uint8Array>)
      .map(([key, value]): [string, string] => [key, Buffer.from(value as string).toString('base64')])
      .sort(([x], [y]) => (x < y ? -1 : 1));
  return isDeepStrictEqual(plain(a), plain(b));
}
