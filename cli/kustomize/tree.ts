import { isJsonList, type JsonObject, type JsonValue } from '../manifest/json-value.ts';

/** A JSON value that a kustomization changes in place. */
export type Tree = null | boolean | number | bigint | string | Tree[] | TreeMap;

/** A JSON object that a kustomization changes in place. */
export interface TreeMap {
  [key: string]: Tree;
}

/** A copy that shares nothing with `value`. */
export function treeOf(value: JsonValue): Tree {
  if (isJsonList(value)) return value.map((item) => treeOf(item));
  return typeof value === 'object' && value !== null ? treeMapOf(value) : value;
}

/** The same of an object. */
export function treeMapOf(value: JsonObject): TreeMap {
  return Object.fromEntries(Object.entries(value).map(([key, child]) => [key, treeOf(child)]));
}

/** True for a map. */
export function isTreeMap(value: Tree | undefined): value is TreeMap {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Whether two trees mean the same; the order of keys does not count. */
export function sameTree(a: JsonValue | undefined, b: JsonValue | undefined): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (isJsonList(a) || isJsonList(b)) {
    return isJsonList(a) && isJsonList(b) && a.length === b.length && a.every((item, i) => sameTree(item, b[i]));
  }
  const keys = Object.keys(a);
  return (
    keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && sameTree(a[key], b[key]))
  );
}

/**
 * Calls `visit` with every map that holds the last step of `path` (`spec/containers/env/name`), and that step. Lists on the way
 * are gone through item by item; `[]` after a step says that it is one. With `create`, maps that are missing are made.
 */
export function visitField(
  root: TreeMap,
  path: string,
  { create, visit }: { readonly create: boolean; readonly visit: (holder: TreeMap, key: string) => void },
): void {
  const steps = path.split(/(?<!\\)\//).map((step) => step.replaceAll('\\/', '/').replace(/\[\]$/, ''));
  const last = steps.pop() ?? '';
  let holders: TreeMap[] = [root];
  for (const step of steps) {
    holders = holders.flatMap((holder) => {
      if (create && (holder[step] === undefined || holder[step] === null)) holder[step] = {};
      const next = holder[step];
      return Array.isArray(next) ? next.filter((item) => isTreeMap(item)) : isTreeMap(next) ? [next] : [];
    });
  }
  for (const holder of holders) visit(holder, last);
}

/** The map at `key`, made if there is none. */
export function mapIn(holder: TreeMap, key: string): TreeMap {
  const found = holder[key];
  if (isTreeMap(found)) return found;
  const made: TreeMap = {};
  holder[key] = made;
  return made;
}
