/** How elements of two versions of a list are matched and in which order they come out, after Kubernetes' rules. */
import type { FieldSchema, Json, JsonObject } from '../../proto/index.ts';
import { isObject, jsonEqual, member } from './json-value.ts';

/**
 * Whether `element` is the one that `wanted` means. The first merge key must be equal. Further keys (a port's protocol) must
 * be equal where both name them; a key that one leaves to its default matches anything.
 */
export function isSameElement(field: FieldSchema, wanted: JsonObject, element: Json): boolean {
  if (!isObject(element)) return false;
  return field.mergeKeys.every((key, i) => {
    const left = member(wanted, key);
    const right = member(element, key);
    return i > 0 && (left === undefined || right === undefined) ? true : jsonEqual(left, right);
  });
}

/** Whether all merge keys of both are named and equal. */
function isExactElement(field: FieldSchema, wanted: JsonObject, element: Json): boolean {
  return isObject(element) && field.mergeKeys.every((key) => jsonEqual(member(wanted, key), member(element, key)));
}

/**
 * For each of `wanted` the index of its element in `list`, or -1. No element is given twice: exact matches are served
 * first, and of equal ones (two variables of one name) the first goes to the first.
 */
export function matchElements(field: FieldSchema, wanted: readonly Json[], list: readonly Json[]): number[] {
  const taken = new Set<number>();
  const matches = wanted.map(() => -1);
  for (const matcher of [isExactElement, isSameElement]) {
    for (const [i, item] of wanted.entries()) {
      if (matches[i] !== -1 || !isObject(item)) continue;
      const found = list.findIndex((element, j) => !taken.has(j) && matcher(field, item, element));
      if (found < 0) continue;
      taken.add(found);
      matches[i] = found;
    }
  }
  return matches;
}

/** An element of a merged list and its place in the live list; -1 when it is new. */
export interface Placed {
  readonly value: Json;
  readonly livePlace: number;
}

/**
 * Joins the elements a writer asks for, in the writer's order, with those only the live list has, in the live order. Both
 * orders hold; where they leave a choice, an element of the live list comes before the one it stood before.
 */
export function interleave(asked: readonly Placed[], liveOnly: readonly Placed[]): Json[] {
  const out: Json[] = [];
  let next = 0;
  for (const item of asked) {
    while (item.livePlace >= 0) {
      const other = liveOnly[next];
      if (other === undefined || other.livePlace > item.livePlace) break;
      out.push(other.value);
      next += 1;
    }
    out.push(item.value);
  }
  for (const rest of liveOnly.slice(next)) out.push(rest.value);
  return out;
}
