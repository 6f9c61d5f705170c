import { type Alias, isAlias, isMap, isScalar, isSeq, type Node, type YAMLMap } from 'yaml';

/** Where in the syntax tree a path led: offsets of the key that names the value (if any) and of the value itself. */
export interface FieldLocation {
  readonly key: number | undefined;
  readonly value: number | undefined;
  /** How many of the path's steps exist; fewer than asked when the path leaves the document. */
  readonly matched: number;
}

/**
 * Steps of a field path as the server writes them: `spec.containers[0].image`, `metadata.labels[app.kubernetes.io/name]`,
 * `data["a.b"]`. A bracket of digits is a list position.
 */
export function parseFieldPath(path: string): (string | number)[] {
  const steps: (string | number)[] = [];
  const step = /\[(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|([^\]]*))\]|([^.[\]]+)/g;
  for (let match = step.exec(path); match !== null; match = step.exec(path)) {
    const [, double, single, bare, name] = match;
    if (double !== undefined) steps.push(double.replace(/\\(.)/g, '$1'));
    else if (single !== undefined) steps.push(single);
    else if (bare !== undefined) steps.push(/^[0-9]+$/.test(bare) ? Number(bare) : bare);
    else if (name !== undefined) steps.push(name);
  }
  return steps;
}

/**
 * Follows `steps` from `root` as far as they go. Map keys that themselves hold dots are tried joined, longest first, because
 * `metadata.labels.app.kubernetes.io/name` names one label. Aliases and merges are followed to where the text stands.
 */
export function locate(root: Node | null, steps: readonly (string | number)[]): FieldLocation {
  let node: Node | null = root;
  let location: FieldLocation = { key: undefined, value: root?.range?.[0], matched: 0 };
  for (let index = 0; index < steps.length; ) {
    const found = child(resolve(node), steps, index);
    if (found === undefined) return location;
    index += found.taken;
    node = found.value;
    location = { key: found.key, value: node?.range?.[0] ?? found.key, matched: index };
  }
  return location;
}

interface Child {
  readonly value: Node | null;
  readonly key: number | undefined;
  readonly taken: number;
}

function child(node: Node | null, steps: readonly (string | number)[], index: number): Child | undefined {
  if (isSeq<Node | null>(node)) {
    const at = steps[index];
    const item = typeof at === 'number' ? node.items[at] : undefined;
    return item === undefined ? undefined : { value: item, key: item?.range?.[0], taken: 1 };
  }
  if (!isMap<Node, Node | null>(node)) return undefined;
  for (let taken = steps.length - index; taken > 0; taken--) {
    const name = steps.slice(index, index + taken).join('.');
    const found = member(node, name, new Set());
    if (found !== undefined) return { ...found, taken };
  }
  return undefined;
}

function member(map: YAMLMap<Node, Node | null>, name: string, seen: Set<Node>): Omit<Child, 'taken'> | undefined {
  if (seen.has(map)) return undefined;
  seen.add(map);
  // The last of equal keys, and the map's own keys before merged ones. A key's text is compared, not its meaning:
  // `on:` is the key "true", and no path asks for that.
  const own = map.items.findLast((pair) => isScalar(pair.key) && String(pair.key.source ?? pair.key.value) === name);
  if (own !== undefined) return { value: own.value, key: own.key.range?.[0] };
  for (const pair of map.items) {
    if (!isScalar(pair.key) || pair.key.value !== '<<') continue;
    const merged = resolve(pair.value);
    const sources = isSeq<Node | null>(merged) ? merged.items.map((item) => resolve(item)) : [merged];
    for (const source of sources) {
      const found = isMap<Node, Node | null>(source) ? member(source, name, seen) : undefined;
      if (found !== undefined) return found;
    }
  }
  return undefined;
}

/** Aliases bound by {@link bindAliases}; a node not in the map is its own target. */
const targets = new WeakMap<Alias, Node>();

/** Remembers what an alias stands for, found while the document was read in order. */
export function bindAlias(alias: Alias, target: Node): void {
  targets.set(alias, target);
}

function resolve(node: Node | null): Node | null {
  return isAlias(node) ? (targets.get(node) ?? null) : node;
}
