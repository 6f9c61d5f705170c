/**
 * Strategic merge patch: a merge patch that knows from the schema how lists merge, with Kubernetes' directives `$patch`,
 * `$retainKeys`, `$setElementOrder/<field>` and `$deleteFromPrimitiveList/<field>`.
 */
import { ApiError } from '../../lib/errors.ts';
import {
  type FieldSchema,
  type Json,
  type JsonObject,
  joinPath,
  type MessageSchema,
  messageSchema,
} from '../../proto/index.ts';
import { asList, asObject, isObject, jsonEqual, member, setMember } from './json-value.ts';
import { interleave, isSameElement, matchElements, type Placed } from './list-elements.ts';

const PATCH = '$patch';
const RETAIN_KEYS = '$retainKeys';
const ORDER_PREFIX = '$setElementOrder/';
const DELETE_PREFIX = '$deleteFromPrimitiveList/';

/**
 * `live` with `patch` laid over it, as the message called `messageName`. Neither argument is changed; the result may share
 * parts with both. Throws `BadRequest` naming the field for a directive that makes no sense or an element without its key.
 */
export function strategicMergePatch(messageName: string, live: Json, patch: Json): Json {
  if (!isObject(patch)) fail('', 'it must be an object');
  return mergeMessage(messageSchema(messageName), asObject(live), patch, '');
}

function fail(path: string, why: string): never {
  const where = path === '' ? 'the strategic merge patch' : `${path} of the strategic merge patch`;
  throw new ApiError('BadRequest', `Cannot apply ${where}: ${why}`);
}

function mergeMessage(
  schema: MessageSchema | undefined,
  live: JsonObject,
  patch: JsonObject,
  path: string,
): JsonObject {
  return mergeMembers(live, patch, path, (key) => schema?.byName.get(key));
}

/** Objects and maps: `fieldOf` says what a member is; undefined for what the schema does not know. */
function mergeMembers(
  live: JsonObject,
  patch: JsonObject,
  path: string,
  fieldOf: (key: string) => FieldSchema | undefined,
): JsonObject {
  const directive = directiveOf(patch, path);
  if (directive === 'delete') return {};
  const base = directive === 'replace' ? {} : live;
  const out = retained(base, patch, path);
  const lists = new Set<string>();
  for (const [key, value] of Object.entries(patch)) {
    if (key === PATCH || key === RETAIN_KEYS) continue;
    const list = listOf(key);
    if (list !== undefined) lists.add(list);
    else if (value === null) delete out[key];
    else if (Array.isArray(value)) lists.add(key);
    else setMember(out, key, mergeValue(fieldOf(key), member(out, key), value, joinPath(path, key)));
  }
  for (const key of lists) mergeListMember(out, patch, key, { field: fieldOf(key), path: joinPath(path, key) });
  return out;
}

function listOf(key: string): string | undefined {
  if (key.startsWith(ORDER_PREFIX)) return key.slice(ORDER_PREFIX.length);
  return key.startsWith(DELETE_PREFIX) ? key.slice(DELETE_PREFIX.length) : undefined;
}

function directiveOf(patch: JsonObject, path: string): 'merge' | 'replace' | 'delete' {
  const directive = member(patch, PATCH) ?? 'merge';
  if (directive === 'merge' || directive === 'replace' || directive === 'delete') return directive;
  return fail(path, `${PATCH} must be merge, replace or delete, not ${JSON.stringify(directive)}`);
}

/** `live` without what `$retainKeys` does not name. */
function retained(live: JsonObject, patch: JsonObject, path: string): JsonObject {
  const keys = member(patch, RETAIN_KEYS);
  if (keys === undefined) return { ...live };
  if (!Array.isArray(keys)) return fail(path, `${RETAIN_KEYS} must be a list of names`);
  for (const key of Object.keys(patch)) {
    const isNamed = key === PATCH || key === RETAIN_KEYS || listOf(key) !== undefined || keys.includes(key);
    if (!isNamed && patch[key] !== null) fail(path, `${RETAIN_KEYS} does not name ${key}, which the patch sets`);
  }
  return Object.fromEntries(Object.entries(live).filter(([key]) => keys.includes(key)));
}

function mergeValue(field: FieldSchema | undefined, live: Json | undefined, patch: Json, path: string): Json {
  if (!isObject(patch) || field?.format === 'json' || field?.format === 'union') return patch;
  const base = asObject(live);
  if (field?.cardinality === 'map' && !field.isMessage) return mergeMembers(base, patch, path, () => undefined);
  if (field?.cardinality === 'map') return mergeMembers(base, patch, path, () => ({ ...field, cardinality: 'single' }));
  return mergeMessage(field?.isMessage ? messageSchema(field.type) : undefined, base, patch, path);
}

interface ListContext {
  readonly field: FieldSchema | undefined;
  readonly path: string;
}

function mergeListMember(out: JsonObject, patch: JsonObject, key: string, context: ListContext): void {
  const { field, path } = context;
  const items = member(patch, key);
  if (items === null) return;
  const order = member(patch, ORDER_PREFIX + key);
  const deletions = member(patch, DELETE_PREFIX + key);
  for (const directive of [order, deletions]) {
    if (directive !== undefined && !Array.isArray(directive)) fail(path, 'its list directives must be lists');
  }
  if (items !== undefined && !Array.isArray(items)) fail(path, 'expected a list');
  const live = asList(member(out, key));
  const given = asList(items);
  if (field?.list === 'map' && field.isMessage) {
    setMember(out, key, mergeListMap({ field, path }, live, given, order));
  } else if (field?.list === 'set' || deletions !== undefined) {
    setMember(out, key, mergeSet(live, given, asList(deletions), order));
  } else if (items !== undefined) setMember(out, key, given);
}

function mergeListMap(
  { field, path }: ListContext & { readonly field: FieldSchema },
  live: Json[],
  given: Json[],
  order: Json | undefined,
): Json {
  if (given.some((item) => isObject(item) && directiveOf(item, path) === 'replace' && hasNoKey(field, item))) {
    return given.filter((item) => !(isObject(item) && member(item, PATCH) === 'replace' && hasNoKey(field, item)));
  }
  const objects = given.map((item, i) => keyedItem(field, item, `${path}[${i}]`));
  const deletions = objects.filter((item) => member(item, PATCH) === 'delete');
  const kept = live.filter((element) => !deletions.some((item) => isSameElement(field, item, element)));
  const merging = objects.filter((item) => member(item, PATCH) !== 'delete');
  const places = matchElements(field, merging, kept);
  const schema = messageSchema(field.type);
  const touched = new Map<number, Json>();
  const added: Json[] = [];
  for (const [i, item] of merging.entries()) {
    const place = places[i] ?? -1;
    const value = mergeMessage(schema, asObject(kept[place]), item, `${path}[${i}]`);
    if (place < 0) added.push(value);
    else touched.set(place, value);
  }
  const merged = [...kept.map((element, i) => touched.get(i) ?? element), ...added];
  if (!Array.isArray(order)) return merged;
  return ordered(merged, kept.length, matchElements(field, order, merged));
}

function hasNoKey(field: FieldSchema, item: JsonObject): boolean {
  return field.mergeKeys.every((key) => member(item, key) === undefined);
}

function keyedItem(field: FieldSchema, item: Json, path: string): JsonObject {
  const key = field.mergeKeys[0] ?? '';
  if (!isObject(item)) return fail(path, 'expected an object');
  if (member(item, key) === undefined) fail(path, `it does not contain the merge key ${JSON.stringify(key)}`);
  return item;
}

function mergeSet(live: Json[], given: Json[], deletions: Json[], order: Json | undefined): Json {
  const has = (list: Json[], value: Json): boolean => list.some((item) => jsonEqual(item, value));
  const kept = live.filter((value) => !has(deletions, value));
  const added = given.filter((value, i) => !has(kept, value) && !has(given.slice(0, i), value));
  const merged = [...kept, ...added];
  if (!Array.isArray(order)) return merged;
  const places = order.map((value) => merged.findIndex((item) => jsonEqual(item, value)));
  return ordered(merged, kept.length, places);
}

/** `merged` in the order that `places` asks for; the others keep their place among the first `liveCount`, the live ones. */
function ordered(merged: readonly Json[], liveCount: number, places: readonly number[]): Json[] {
  const placed = (place: number): Placed => ({
    value: merged[place] ?? null,
    livePlace: place < liveCount ? place : -1,
  });
  const asked = [...new Set(places)].filter((place) => place >= 0);
  const others = merged.map((_, i) => i).filter((i) => !asked.includes(i));
  const liveOnly = others.filter((i) => i < liveCount).map(placed);
  const unnamed = others.filter((i) => i >= liveCount).map((i) => merged[i] ?? null);
  return [...interleave(asked.map(placed), liveOnly), ...unnamed];
}
