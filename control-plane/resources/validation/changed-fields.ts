/** Which fields differ between two objects of one message. */
import { isDeepStrictEqual } from 'node:util';
import { type FieldSchema, type Json, joinPath, messageSchema, toJson } from '../../../proto/index.ts';
import { shown } from './field-errors.ts';

/** Most fields named; a person needs no more to see what happened. */
const MAX_NAMED = 10;

/** A field that differs between two objects; undefined where one of them does not have it. */
export interface FieldChange {
  readonly path: string;
  readonly value: Json | undefined;
  readonly old: Json | undefined;
}

/** Where `object` and `old` differ in meaning, outermost fields first; at most ten places. */
export function fieldChanges(messageName: string, object: object, old: object): FieldChange[] {
  const out: FieldChange[] = [];
  compareMessage(messageName, toJson(messageName, object), toJson(messageName, old), { path: '', out });
  return out;
}

/** The paths at which `object` and `old` differ in meaning, outermost fields first; at most ten. */
export function changedFields(messageName: string, object: object, old: object): string[] {
  return fieldChanges(messageName, object, old).map(({ path }) => path);
}

/** The changes as a person reads them: `serviceName was "db" and would be "web"`. */
export function changesInWords(changes: readonly FieldChange[]): string {
  return changes
    .map(({ path, value, old }) => `${path} was ${shown(old ?? null)} and would be ${shown(value ?? null)}`)
    .join('; ');
}

/** True when nothing differs in meaning. */
export function isSame(messageName: string, object: object | undefined, old: object | undefined): boolean {
  return changedFields(messageName, object ?? {}, old ?? {}).length === 0;
}

interface Walk {
  readonly path: string;
  readonly out: FieldChange[];
}

function compareMessage(messageName: string, value: Json | undefined, old: Json | undefined, walk: Walk): void {
  for (const field of messageSchema(messageName).fields) {
    if (walk.out.length >= MAX_NAMED) return;
    const [a, b] = [memberOf(value, field.name), memberOf(old, field.name)];
    if (!isDeepStrictEqual(a, b)) compareField(field, a, b, { ...walk, path: joinPath(walk.path, field.name) });
  }
}

function compareField(field: FieldSchema, value: Json | undefined, old: Json | undefined, walk: Walk): void {
  if (value === undefined || old === undefined || !field.isMessage || field.cardinality === 'map')
    walk.out.push({ path: walk.path, value, old });
  else if (field.cardinality === 'single') compareMessage(field.type, value, old, walk);
  else if (!Array.isArray(value) || !Array.isArray(old) || value.length !== old.length)
    walk.out.push({ path: walk.path, value, old });
  else {
    for (const [i, item] of value.entries())
      compareMessage(field.type, item, old[i], { ...walk, path: `${walk.path}[${i}]` });
  }
}

function memberOf(json: Json | undefined, key: string): Json | undefined {
  return typeof json === 'object' && json !== null && !Array.isArray(json) ? json[key] : undefined;
}
