/** Which fields differ between two objects of one message. */
import { isDeepStrictEqual } from 'node:util';
import { type FieldSchema, type Json, joinPath, messageSchema, toJson } from '../../../proto/index.ts';

/** Most fields named; a person needs no more to see what happened. */
const MAX_NAMED = 10;

/** The paths at which `object` and `old` differ in meaning, outermost fields first; at most ten. */
export function changedFields(messageName: string, object: object, old: object): string[] {
  const out: string[] = [];
  compareMessage(messageName, toJson(messageName, object), toJson(messageName, old), { path: '', out });
  return out;
}

/** True when nothing differs in meaning. */
export function isSame(messageName: string, object: object | undefined, old: object | undefined): boolean {
  return changedFields(messageName, object ?? {}, old ?? {}).length === 0;
}

interface Walk {
  readonly path: string;
  readonly out: string[];
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
    walk.out.push(walk.path);
  else if (field.cardinality === 'single') compareMessage(field.type, value, old, walk);
  else if (!Array.isArray(value) || !Array.isArray(old) || value.length !== old.length) walk.out.push(walk.path);
  else {
    for (const [i, item] of value.entries())
      compareMessage(field.type, item, old[i], { ...walk, path: `${walk.path}[${i}]` });
  }
}

function memberOf(json: Json | undefined, key: string): Json | undefined {
  return typeof json === 'object' && json !== null && !Array.isArray(json) ? json[key] : undefined;
}
