/** `metadata.managedFields` of an object, read and written. */
import type { Json, metav1 } from '../../../../proto/index.ts';
import { fromFieldsV1, toFieldsV1 } from '../../../merge/fields-v1.ts';
import type { Owner } from '../../../merge/owners.ts';

/** One entry as objects carry it. */
export type ManagedFieldsEntry = metav1.ManagedFieldsEntry;

const FIELDS_TYPE = 'FieldsV1';

/** Whether a client sent the one empty entry that says: forget who owns what. */
export function isReset(entries: readonly ManagedFieldsEntry[] | undefined): boolean {
  const [only] = entries ?? [];
  return entries?.length === 1 && only !== undefined && Object.values(only).every((value) => value === undefined);
}

/** The owners that the entries name; undefined when there are none, or when one of them cannot be read. */
export function readEntries(entries: readonly ManagedFieldsEntry[] | undefined): Owner[] | undefined {
  if (entries === undefined || entries.length === 0) return undefined;
  const owners: Owner[] = [];
  for (const entry of entries) {
    const owner = readEntry(entry);
    if (owner === undefined) return undefined;
    owners.push(owner);
  }
  return owners;
}

function readEntry(entry: ManagedFieldsEntry): Owner | undefined {
  const { manager = '', operation, apiVersion = '', fieldsType, fieldsV1 = '{}', subresource = '', time } = entry;
  if ((operation !== 'Apply' && operation !== 'Update') || apiVersion === '' || fieldsType !== FIELDS_TYPE) {
    return undefined;
  }
  const fields = fromFieldsV1(parse(fieldsV1));
  return fields === undefined ? undefined : { manager, operation, apiVersion, subresource, time, fields };
}

function parse(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return null;
  }
}

/** The entries of the owners, in Kubernetes' order: appliers first, then by time. Undefined when there are none. */
export function writeEntries(owners: readonly Owner[]): ManagedFieldsEntry[] | undefined {
  if (owners.length === 0) return undefined;
  return [...owners].sort(byPlace).map(({ manager, operation, apiVersion, subresource, time, fields }) => ({
    apiVersion,
    fieldsType: FIELDS_TYPE,
    fieldsV1: JSON.stringify(toFieldsV1(fields)),
    ...(manager === '' ? {} : { manager }),
    operation,
    ...(subresource === '' ? {} : { subresource }),
    ...(time === undefined ? {} : { time }),
  }));
}

function byPlace(a: Owner, b: Owner): number {
  return (
    compareText(a.operation, b.operation) ||
    compareText(a.time ?? '', b.time ?? '') ||
    compareText(a.manager, b.manager) ||
    compareText(a.apiVersion, b.apiVersion) ||
    compareText(a.subresource, b.subresource)
  );
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
