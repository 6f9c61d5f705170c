/**
 * Client-side apply: what a live object becomes when its author changes the file from `lastApplied` to `modified`.
 *
 * Fields the file names are set. Fields the last file named and this one does not are removed. Fields that only the live
 * object has (defaults, the status, what controllers wrote) stay. Lists merge as the schema says: by key, as sets, or whole.
 */
import { type FieldSchema, type Json, type JsonObject, type MessageSchema, messageSchema } from '../../proto/index.ts';
import { asList, asObject, isObject, jsonEqual, member, setMember, withoutNulls } from './json-value.ts';
import { interleave, matchElements, type Placed } from './list-elements.ts';

/** The three versions. `lastApplied` is null when the object was never applied. */
export interface ApplyInput {
  readonly lastApplied: Json;
  readonly live: Json;
  readonly modified: Json;
}

/**
 * The new object, as JSON, of the message called `messageName`. The inputs are not changed; the result may share parts with
 * them. Fields the schema does not know are taken from `modified` as they are, for strict decoding to refuse.
 */
export function applyThreeWay(messageName: string, { lastApplied, live, modified }: ApplyInput): Json {
  return applyMessage(messageSchema(messageName), asObject(lastApplied), asObject(live), asObject(modified));
}

function applyMessage(schema: MessageSchema, last: JsonObject, live: JsonObject, modified: JsonObject): JsonObject {
  const free = schema.fields.at(-1)?.format === 'jsonInline';
  return applyMembers(last, live, modified, (key, versions) => {
    const field = schema.byName.get(key);
    return free && (field === undefined || field.format === 'jsonInline')
      ? applyFree(versions)
      : applyField(field, versions);
  });
}

/** What no schema describes (a custom object's parts): objects merge, lists are replaced, as kubectl does it. */
function applyFree({ last, live, modified }: Versions): Json {
  if (!isObject(modified)) return modified;
  if (!isObject(live)) return modified;
  const merged = applyMembers(asObject(last), live, modified, (_key, versions) => applyFree(versions));
  // There a null may be a value of its own: one that is live already stays.
  for (const [key, value] of Object.entries(modified)) {
    if (value === null && member(live, key) === null) setMember(merged, key, null);
  }
  return merged;
}

/** One member in its three versions; `last` and `live` may be absent. */
interface Versions {
  readonly last: Json | undefined;
  readonly live: Json | undefined;
  readonly modified: Json;
}

/** What objects and maps have in common: removal of what the file no longer names, and null. */
function applyMembers(
  last: JsonObject,
  live: JsonObject,
  modified: JsonObject,
  applyMember: (key: string, versions: Versions) => Json,
): JsonObject {
  const out: JsonObject = { ...live };
  for (const key of Object.keys(last)) {
    if (last[key] !== null && !Object.hasOwn(modified, key)) delete out[key];
  }
  for (const [key, value] of Object.entries(modified)) {
    if (value === null) delete out[key];
    else setMember(out, key, applyMember(key, { last: member(last, key), live: member(live, key), modified: value }));
  }
  return out;
}

function applyField(field: FieldSchema | undefined, versions: Versions): Json {
  const { last, live, modified } = versions;
  if (field === undefined || field.format === 'json' || field.format === 'union') return modified;
  if (field.cardinality === 'list') {
    if (!Array.isArray(modified)) return modified;
    if (field.list === 'map' && field.isMessage) return applyListMap(field, asList(last), asList(live), modified);
    if (field.list === 'set') return applySet(asList(last), asList(live), modified);
    return modified;
  }
  if (!isObject(modified)) return modified;
  if (field.cardinality === 'map') {
    return applyMembers(asObject(last), asObject(live), modified, (_key, item) =>
      field.isMessage ? applyElement(field, item) : item.modified,
    );
  }
  return field.isMessage ? applyElement(field, versions) : modified;
}

/** A message in a field, a map or a list; `retainKeys` drops live members that the file does not name, once it differs. */
function applyElement(field: FieldSchema, { last, live, modified }: Versions): Json {
  if (!isObject(modified)) return modified;
  if (!isObject(live)) return withoutNulls(modified);
  const merged = applyMessage(messageSchema(field.type), asObject(last), live, modified);
  if (!field.retainKeys || jsonEqual(merged, live)) return merged;
  return Object.fromEntries(Object.entries(merged).filter(([key]) => Object.hasOwn(modified, key)));
}

function applyListMap(field: FieldSchema, last: Json[], live: Json[], modified: Json[]): Json {
  const lastOf = matchElements(field, modified, last);
  const liveOf = matchElements(field, modified, live);
  const asked = modified.map((item, i): Placed => {
    const livePlace = liveOf[i] ?? -1;
    const versions = { last: last[lastOf[i] ?? -1], live: live[livePlace], modified: item };
    return { value: applyElement(field, versions), livePlace };
  });
  const kept = new Set(liveOf);
  const gone = last.filter((_, i) => !lastOf.includes(i));
  const removed = new Set(
    matchElements(
      field,
      gone,
      live.map((item, i) => (kept.has(i) ? null : item)),
    ),
  );
  const liveOnly = live
    .map((value, livePlace): Placed => ({ value, livePlace }))
    .filter(({ livePlace }) => !kept.has(livePlace) && !removed.has(livePlace));
  return interleave(asked, liveOnly);
}

function applySet(last: Json[], live: Json[], modified: Json[]): Json {
  const has = (list: Json[], value: Json): boolean => list.some((item) => jsonEqual(item, value));
  const distinct = modified.filter((value, i) => modified.findIndex((other) => jsonEqual(other, value)) === i);
  const asked = distinct.map(
    (value): Placed => ({ value, livePlace: live.findIndex((item) => jsonEqual(item, value)) }),
  );
  const liveOnly = live
    .map((value, livePlace): Placed => ({ value, livePlace }))
    .filter(({ value }) => !has(modified, value) && !has(last, value));
  return interleave(asked, liveOnly);
}
