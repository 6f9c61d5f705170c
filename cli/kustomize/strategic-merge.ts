import { isJsonList, isJsonObject, type JsonObject, type JsonValue } from '../manifest/json-value.ts';
import { mergeKeyOf } from './merge-keys.ts';
import { isTreeMap, sameTree, type Tree, type TreeMap, treeOf } from './tree.ts';

/** Why a patch cannot be merged; the caller knows where it stands. */
export class PatchError extends Error {}

/**
 * Merges a strategic merge patch into `target` in place: maps by key, null removes, lists as {@link mergeKeyOf} says when
 * `listsMerge`, and as a whole otherwise. The elements a patch names come first,
 * in its order, as kustomize puts them. Understands
 * `$patch: replace`, `delete` and `merge`, `$deleteFromPrimitiveList` and `$retainKeys`. Gives false when the patch deletes
 * the whole. Throws a {@link PatchError}.
 */
export function strategicMerge(target: TreeMap, patch: JsonObject, listsMerge: boolean): boolean {
  return mergeMap(target, patch, { around: '', listsMerge });
}

interface Place {
  /** The field that holds the map; a list's elements count as the list's field. */
  readonly around: string;
  readonly listsMerge: boolean;
}

function mergeMap(target: TreeMap, patch: JsonObject, place: Place): boolean {
  const directive = patch.$patch;
  if (directive === 'delete') return false;
  if (directive === 'replace') for (const key of Object.keys(target)) delete target[key];
  else if (directive !== undefined && directive !== 'merge')
    throw new PatchError(`unknown $patch: ${JSON.stringify(directive)}; it may be replace, delete or merge`);
  for (const [key, value] of Object.entries(patch)) {
    if (key === '$patch' || key === '$retainKeys' || key.startsWith('$setElementOrder/')) continue;
    const [, fromList] = /^\$deleteFromPrimitiveList\/(.*)$/.exec(key) ?? [];
    if (fromList !== undefined) removeValues(target, fromList, value);
    else mergeField(target, [key, value], place);
  }
  if (isJsonList(patch.$retainKeys)) {
    for (const key of Object.keys(target)) if (!patch.$retainKeys.includes(key)) delete target[key];
  }
  return true;
}

function mergeField(target: TreeMap, [key, value]: readonly [string, JsonValue], place: Place): void {
  const live = target[key];
  const within = { around: key, listsMerge: place.listsMerge };
  if (value === null) delete target[key];
  else if (isJsonObject(value)) {
    const map = isTreeMap(live) ? live : {};
    if (!mergeMap(map, value, within)) delete target[key];
    else if (isTreeMap(live) || Object.keys(map).length > 0 || Object.keys(value).length === 0) target[key] = map;
  } else if (isJsonList(value)) {
    target[key] = mergeList(Array.isArray(live) ? live : [], value, { ...place, field: key });
  } else target[key] = value;
}

function removeValues(target: TreeMap, field: string, values: JsonValue): void {
  const live = target[field];
  if (!Array.isArray(live) || !isJsonList(values)) return;
  target[field] = live.filter((item) => !values.some((value) => sameTree(item, value)));
}

function mergeList(
  live: readonly Tree[],
  patch: readonly JsonValue[],
  place: Place & { readonly field: string },
): Tree[] {
  const key = place.listsMerge ? mergeKeyOf(place.around, place.field) : undefined;
  if (key === undefined) return patch.filter((item) => !isReplaceMarker(item)).map((item) => plain(item));
  if (key === 'set') return [...patch.map(treeOf), ...live.filter((one) => !patch.some((item) => sameTree(one, item)))];
  let rest: readonly Tree[] = patch.some(isReplaceMarker) ? [] : live;
  const named: Tree[] = [];
  for (const item of patch) {
    if (isReplaceMarker(item)) continue;
    if (!isJsonObject(item)) throw new PatchError(`the elements of "${place.field}" are maps with "${key}"`);
    if (item[key] === undefined)
      throw new PatchError(`an element of "${place.field}" has no "${key}", which says which one is meant`);
    const found = rest.find((one) => isTreeMap(one) && isSameElement(one, item, key));
    rest = rest.filter((one) => one !== found);
    if (item.$patch === 'delete') continue;
    if (isTreeMap(found)) mergeMap(found, item, { around: place.field, listsMerge: place.listsMerge });
    named.push(found ?? plain(item));
  }
  return [...named, ...rest];
}

/** Ports of the same number differ when both say a protocol and it is not the same. */
function isSameElement(live: TreeMap, patch: JsonObject, key: string): boolean {
  if (!sameTree(live[key], patch[key])) return false;
  const [a, b] = [live.protocol, patch.protocol];
  return a === undefined || b === undefined || a === b || !/[pP]ort$/.test(key);
}

function isReplaceMarker(item: JsonValue): boolean {
  return isJsonObject(item) && item.$patch === 'replace' && Object.keys(item).length === 1;
}

/** New content: without directives, and without what is null. */
function plain(value: JsonValue): Tree {
  if (isJsonList(value)) return value.map((item) => plain(item));
  if (!isJsonObject(value)) return value;
  const entries = Object.entries(value).filter(([key, child]) => !key.startsWith('$') && child !== null);
  return Object.fromEntries(entries.map(([key, child]) => [key, plain(child)]));
}
