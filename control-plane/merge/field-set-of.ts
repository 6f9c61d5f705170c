/** Which fields a JSON value has, as a set of paths. */
import type { Json, JsonObject } from '../../proto/index.ts';
import { emptySet, type FieldSet, fieldSet, ownSet } from './field-set.ts';
import { memberStep } from './fields-v1.ts';
import { isObject } from './json-value.ts';
import { stepOf } from './list-steps.ts';
import type { SchemaNode } from './schema-node.ts';

/**
 * The fields that a configuration names: its leaves, the elements of its lists, the keys of its maps, and objects and maps it
 * names without a word inside. Members that are null are named too: they are to be unset.
 */
export function fieldSetOf(node: SchemaNode, object: JsonObject): FieldSet {
  return fieldSet(false, setOf(node, object).children);
}

function setOf(node: SchemaNode, value: Json): FieldSet {
  if (node.kind === 'object' && isObject(value)) {
    const names = Object.keys(value);
    if (names.length === 0) return ownSet;
    return fieldSet(
      false,
      names.map((name) => {
        const inner = setOf(node.child(name), value[name] ?? null);
        return [memberStep(name), node.isField(name) ? inner : owned(inner)] as const;
      }),
    );
  }
  if ((node.kind === 'set' || node.kind === 'listMap') && Array.isArray(value)) {
    if (value.length === 0) return emptySet;
    const element = node.kind === 'set' ? undefined : node.element;
    return fieldSet(
      false,
      value.map((item) => [stepOf(node, item), element === undefined ? ownSet : owned(setOf(element, item))] as const),
    );
  }
  return ownSet;
}

/** The fields a configuration names as null: those to be unset. */
export function unsetFieldsOf(node: SchemaNode, value: Json): FieldSet {
  if (value === null) return ownSet;
  if (node.kind === 'object' && isObject(value)) {
    const names = Object.keys(value);
    return fieldSet(
      false,
      names.map((name) => [memberStep(name), unsetFieldsOf(node.child(name), value[name] ?? null)] as const),
    );
  }
  if (node.kind !== 'listMap' || !Array.isArray(value)) return emptySet;
  return fieldSet(
    false,
    value.map((item) => [stepOf(node, item), unsetFieldsOf(node.element, item)] as const),
  );
}

function owned(set: FieldSet): FieldSet {
  return set.own ? set : { own: true, children: set.children };
}
