/**
 * Sets of field paths, as trees. A step of a path is text: `f:<name>` for a member of an object, `k:<JSON>` for the element of a
 * list by its keys, `v:<JSON>` for an element of a set. A path may be in the set while longer ones are not, and the reverse.
 *
 * Sets are never changed once made; the functions share parts of their arguments.
 */

/** A set of paths. */
export interface FieldSet {
  /** Whether the path that leads here is in the set. */
  readonly own: boolean;
  /** What is in the set below, by step; never empty sets. */
  readonly children: ReadonlyMap<string, FieldSet>;
}

const NO_CHILDREN: ReadonlyMap<string, FieldSet> = new Map();

/** The set without paths. */
export const emptySet: FieldSet = { own: false, children: NO_CHILDREN };

/** The set of the path that leads here. */
export const ownSet: FieldSet = { own: true, children: NO_CHILDREN };

/** A set of its parts; empty children are left out. */
export function fieldSet(own: boolean, children: Iterable<readonly [string, FieldSet]>): FieldSet {
  const kept = new Map<string, FieldSet>();
  for (const [step, child] of children) if (!isEmptySet(child)) kept.set(step, child);
  if (kept.size === 0) return own ? ownSet : emptySet;
  return { own, children: kept };
}

/** Whether there is no path in the set. */
export function isEmptySet(set: FieldSet): boolean {
  return !set.own && set.children.size === 0;
}

/** What the set holds below `step`. */
export function below(set: FieldSet, step: string): FieldSet {
  return set.children.get(step) ?? emptySet;
}

/** Paths in either set. */
export function union(a: FieldSet, b: FieldSet): FieldSet {
  if (isEmptySet(a)) return b;
  if (isEmptySet(b)) return a;
  const children = new Map(a.children);
  for (const [step, child] of b.children) children.set(step, union(below(a, step), child));
  return fieldSet(a.own || b.own, children);
}

/** Paths in both sets. */
export function intersection(a: FieldSet, b: FieldSet): FieldSet {
  const children: [string, FieldSet][] = [];
  for (const [step, child] of a.children) children.push([step, intersection(child, below(b, step))]);
  return fieldSet(a.own && b.own, children);
}

/** Paths of `a` that are not in `b`. */
export function difference(a: FieldSet, b: FieldSet): FieldSet {
  if (isEmptySet(b)) return a;
  const children: [string, FieldSet][] = [];
  for (const [step, child] of a.children) children.push([step, difference(child, below(b, step))]);
  return fieldSet(a.own && !b.own, children);
}

/** Paths of `a` that are in `roots` or below one that is. */
export function within(a: FieldSet, roots: FieldSet): FieldSet {
  if (roots.own) return a;
  const children: [string, FieldSet][] = [];
  for (const [step, root] of roots.children) children.push([step, within(below(a, step), root)]);
  return fieldSet(false, children);
}

/** Whether both hold the same paths. */
export function equalSets(a: FieldSet, b: FieldSet): boolean {
  if (a === b) return true;
  if (a.own !== b.own || a.children.size !== b.children.size) return false;
  for (const [step, child] of a.children) {
    const other = b.children.get(step);
    if (other === undefined || !equalSets(child, other)) return false;
  }
  return true;
}

/** The set with one path, `steps` from the root. */
export function pathSet(steps: readonly string[]): FieldSet {
  return steps.reduceRight<FieldSet>((inner, step) => ({ own: false, children: new Map([[step, inner]]) }), ownSet);
}

/** All paths, each as its steps, in the order of the steps' text; a path comes before those below it. */
export function pathsOf(set: FieldSet): string[][] {
  const out: string[][] = set.own ? [[]] : [];
  for (const step of [...set.children.keys()].sort()) {
    for (const rest of pathsOf(below(set, step))) out.push([step, ...rest]);
  }
  return out;
}
