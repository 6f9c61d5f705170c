import type { JsonObject } from '../manifest/json-value.ts';
import { ageOf } from '../output/human-duration.ts';
import { formatTable } from '../output/text-table.ts';
import { listAt, mapAt, textAt, valueAt } from '../resources/fields.ts';
import { type Field, field, present } from './description.ts';

/** What a description is made from. */
export interface DescribeInput {
  readonly object: JsonObject;
  /** Events about the object, oldest first. */
  readonly events: readonly JsonObject[];
  /** Objects that belong together with this one: what it owns, directly or not, and what owns it. */
  readonly relatives: readonly JsonObject[];
  /** The node of a pod that is being deleted, where it may be read. */
  readonly node?: JsonObject;
  /** The lease of that node, or of the node that is described. */
  readonly lease?: JsonObject;
  readonly nowMs: number;
}

/** Annotations that repeat what stands elsewhere. */
const HIDDEN_ANNOTATIONS = ['kubectl.kubernetes.io/last-applied-configuration', 'skiff.dev/last-applied-configuration'];

/** Name, namespace, labels and annotations. */
export function identityFields(object: JsonObject): Field[] {
  const annotations = mapAt(object, 'metadata', 'annotations')
    .filter(([key]) => !HIDDEN_ANNOTATIONS.includes(key))
    .map(([key, value]) => `${key}: ${value.split('\n')[0]}`);
  return [field('Labels', pairs(object, 'metadata', 'labels')), field('Annotations', annotations)];
}

/** Name and namespace. */
export function nameFields(object: JsonObject): Field[] {
  const namespace = textAt(object, 'metadata', 'namespace');
  return present([
    field('Name', textAt(object, 'metadata', 'name')),
    namespace === '' ? undefined : field('Namespace', namespace),
  ]);
}

/** A map as `key=value` lines. */
export function pairs(object: JsonObject, ...path: readonly string[]): string[] {
  return mapAt(object, ...path).map(([key, value]) => `${key}=${value}`);
}

/** `Fri, 02 Jan 2026 03:04:05 +0000`, with the age; empty for no time. */
export function timeAndAge(time: string, nowMs: number): string {
  if (time === '') return '';
  const date = new Date(time);
  if (Number.isNaN(date.getTime())) return time;
  return `${date.toUTCString().replace('GMT', '+0000')} (${ageOf(time, nowMs)} ago)`;
}

/** Conditions as a table: type, status, and why where a reason is given. */
export function conditionLines(object: JsonObject): string[] {
  const rows = listAt(object, 'status', 'conditions').map((condition) => [
    textAt(condition, 'type'),
    textAt(condition, 'status'),
    textAt(condition, 'reason'),
    textAt(condition, 'message'),
  ]);
  if (rows.length === 0) return [];
  const hasReasons = rows.some((row) => row[2] !== '' || row[3] !== '');
  const header = hasReasons ? ['Type', 'Status', 'Reason', 'Message'] : ['Type', 'Status'];
  return tableLines([header, ...rows.map((row) => row.slice(0, header.length))]);
}

/** Events as a table, oldest first. */
export function eventLines(events: readonly JsonObject[], nowMs: number): string[] {
  if (events.length === 0) return [];
  const rows = events.map((event) => {
    const count = Number(textAt(event, 'series', 'count') || textAt(event, 'count') || 1);
    const last =
      textAt(event, 'series', 'lastObservedTime') || textAt(event, 'lastTimestamp') || textAt(event, 'eventTime');
    const first = textAt(event, 'firstTimestamp') || textAt(event, 'eventTime');
    const age =
      count > 1 ? `${ageOf(last, nowMs)} (x${count} over ${ageOf(first, nowMs)})` : ageOf(last || first, nowMs);
    const from = textAt(event, 'source', 'component') || textAt(event, 'reportingComponent');
    return [textAt(event, 'type'), textAt(event, 'reason'), age, from, textAt(event, 'message').trim()];
  });
  return tableLines([
    ['Type', 'Reason', 'Age', 'From', 'Message'],
    ['----', '------', '----', '----', '-------'],
    ...rows,
  ]);
}

/** A table as lines with two blanks between columns. */
export function tableLines(rows: readonly (readonly string[])[]): string[] {
  return formatTable(rows, { padding: 2, minWidth: 0 }).trimEnd().split('\n');
}

/** `Kind/name` of the controller that owns the object; empty when none does. */
export function controllerOf(object: JsonObject): string {
  const owner = listAt(object, 'metadata', 'ownerReferences').find((one) => valueAt(one, 'controller') === true);
  return owner === undefined ? '' : `${textAt(owner, 'kind')}/${textAt(owner, 'name')}`;
}
