/** Which fields differ between two states of an object. */
import type { Json } from '../../proto/index.ts';
import { emptySet, type FieldSet, fieldSet, ownSet } from './field-set.ts';
import { memberStep } from './fields-v1.ts';
import { isObject, jsonEqual, member } from './json-value.ts';
import { stepOf } from './list-steps.ts';
import type { ListMapNode, ObjectNode, SchemaNode, SetNode } from './schema-node.ts';

/** The differences. Objects, maps, lists and elements that came or went whole are in the sets besides what is in them. */
export interface FieldChanges {
  readonly added: FieldSet;
  readonly modified: FieldSet;
  readonly removed: FieldSet;
}

const NO_CHANGES: FieldChanges = { added: emptySet, modified: emptySet, removed: emptySet };
const ADDED: FieldChanges = { ...NO_CHANGES, added: ownSet };
const MODIFIED: FieldChanges = { ...NO_CHANGES, modified: ownSet };
const REMOVED: FieldChanges = { ...NO_CHANGES, removed: ownSet };

/** From `before` to `after`; null is the same as absent. The order of elements does not count. */
export function compareFields(node: SchemaNode, before: Json | undefined, after: Json | undefined): FieldChanges {
  if (before === after) return NO_CHANGES;
  const from = before ?? undefined;
  const to = after ?? undefined;
  if (from === undefined && to === undefined) return NO_CHANGES;
  const inner = compareInside(node, from, to);
  if (inner === undefined) {
    if (from === undefined) return ADDED;
    if (to === undefined) return REMOVED;
    return jsonEqual(from, to) ? NO_CHANGES : replaced(node, from, to);
  }
  if (from === undefined) return { ...inner, added: { own: true, children: inner.added.children } };
  if (to === undefined) return { ...inner, removed: { own: true, children: inner.removed.children } };
  return inner;
}

/** One value in place of another of a different form: what was inside goes, what is inside now comes. */
function replaced(node: SchemaNode, from: Json, to: Json): FieldChanges {
  const gone = compareInside(node, from, undefined);
  const come = compareInside(node, undefined, to);
  if (gone === undefined && come === undefined) return MODIFIED;
  return { added: come?.added ?? emptySet, modified: ownSet, removed: gone?.removed ?? emptySet };
}

/** The differences inside; undefined when the value is compared as a whole. */
function compareInside(node: SchemaNode, from: Json | undefined, to: Json | undefined): FieldChanges | undefined {
  if (node.kind === 'leaf') return undefined;
  if (node.kind === 'object') {
    if (!isObject(from ?? {}) || !isObject(to ?? {})) return undefined;
    const [a, b] = [from as Members | undefined, to as Members | undefined];
    const names = new Set([...Object.keys(a ?? {}), ...Object.keys(b ?? {})]);
    return names.size === 0 ? undefined : compareMembers(node, names, [a ?? {}, b ?? {}]);
  }
  if (!Array.isArray(from ?? []) || !Array.isArray(to ?? [])) return undefined;
  const [a, b] = [from as Json[] | undefined, to as Json[] | undefined];
  if ((a?.length ?? 0) + (b?.length ?? 0) === 0) return undefined;
  // Most lists are as they were, and telling so costs less than telling their elements apart.
  if (a !== undefined && b !== undefined && jsonEqual(a, b)) return NO_CHANGES;
  return compareElements(node, a ?? [], b ?? []);
}

type Members = { [key: string]: Json };

function compareMembers(
  node: ObjectNode,
  names: Iterable<string>,
  [from, to]: readonly [Members, Members],
): FieldChanges {
  const parts: [string, FieldChanges][] = [];
  for (const name of names) {
    const change = compareFields(node.child(name), member(from, name), member(to, name));
    if (change !== NO_CHANGES) parts.push([memberStep(name), change]);
  }
  return combined(parts);
}

function compareElements(node: SetNode | ListMapNode, from: readonly Json[], to: readonly Json[]): FieldChanges {
  const before = byStep(node, from);
  const after = byStep(node, to);
  const element: SchemaNode = node.kind === 'set' ? { kind: 'leaf' } : node.element;
  const parts: [string, FieldChanges][] = [];
  for (const step of new Set([...before.keys(), ...after.keys()])) {
    const change = compareFields(element, before.get(step), after.get(step));
    if (change !== NO_CHANGES) parts.push([step, change]);
  }
  return combined(parts);
}

/** The elements by step; of several with one step the first. */
function byStep(node: SetNode | ListMapNode, list: readonly Json[]): Map<string, Json> {
  const out = new Map<string, Json>();
  for (const item of list) {
    const step = stepOf(node, item);
    if (!out.has(step)) out.set(step, item);
  }
  return out;
}

function combined(parts: readonly (readonly [string, FieldChanges])[]): FieldChanges {
  if (parts.length === 0) return NO_CHANGES;
  const pick = (key: keyof FieldChanges): FieldSet =>
    fieldSet(
      false,
      parts.map(([step, change]) => [step, change[key]] as const),
    );
  return { added: pick('added'), modified: pick('modified'), removed: pick('removed') };
}
