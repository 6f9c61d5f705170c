/**
 * The schema as server-side apply sees it: which values have owners of their own inside, and which are owned as a whole. Made
 * from our messages here; other sources (the structural schema of a CustomResourceDefinition) make nodes of their own.
 */
import { type FieldSchema, type Json, messageSchema } from '../../proto/index.ts';
import { ATOMIC_FIELDS, ATOMIC_MESSAGES } from './atomic-types.ts';

/** A value without owners inside: scalars, atomic lists, maps and objects, JSON of any form. */
export interface LeafNode {
  readonly kind: 'leaf';
}

/** An object or a map: each member has its owners. */
export interface ObjectNode {
  readonly kind: 'object';
  /** The node of a member, {@link unknownNode} for one the schema does not know. */
  readonly child: (name: string) => SchemaNode;
  /** Whether `name` is a field of the schema, and not the key of a map or an unknown member. */
  readonly isField: (name: string) => boolean;
  /** Empty is the same as absent, and kept as that: maps of messages. */
  readonly dropsEmpty?: boolean;
}

/** A list of distinct scalars: each element has its owners. */
export interface SetNode {
  readonly kind: 'set';
}

/** A list of objects told apart by `keys`: each element, and each field inside, has its owners. */
export interface ListMapNode {
  readonly kind: 'listMap';
  readonly keys: readonly string[];
  /** What a key that an element leaves out means; none for keys that must be there. */
  readonly keyDefaults: Readonly<Record<string, Json>>;
  readonly element: SchemaNode;
}

/** One place of the schema. A value that does not fit its node (a list where an object is meant) counts as a leaf. */
export type SchemaNode = LeafNode | ObjectNode | SetNode | ListMapNode;

/** The node of everything that is owned as a whole. */
export const leafNode: LeafNode = { kind: 'leaf' };

/** What no schema describes: objects have owners inside, lists and scalars are leaves. */
export const unknownNode: ObjectNode = { kind: 'object', child: () => unknownNode, isField: () => false };

/** The node of a map whose values are of one node. */
export function mapNode(element: SchemaNode): ObjectNode {
  return { kind: 'object', child: () => element, isField: () => false };
}

/** The node of an object with named fields; further members are unknown. */
export function objectNode(fieldOf: (name: string) => SchemaNode | undefined): ObjectNode {
  return {
    kind: 'object',
    child: (name) => fieldOf(name) ?? unknownNode,
    isField: (name) => fieldOf(name) !== undefined,
  };
}

const messages = new Map<string, ObjectNode>();

/** The node of the message called `name`. */
export function messageNode(name: string): ObjectNode {
  const known = messages.get(name);
  if (known !== undefined) return known;
  const schema = messageSchema(name);
  const fields = new Map<string, SchemaNode>();
  // Nodes of fields are made when first asked for: messages may contain themselves.
  const node = objectNode((field) => {
    const made = fields.get(field);
    if (made !== undefined) return made;
    const row = schema.byName.get(field);
    if (row === undefined || row.format === 'jsonInline') return undefined;
    const fresh = fieldNode(name, row);
    fields.set(field, fresh);
    return fresh;
  });
  messages.set(name, node);
  return node;
}

function fieldNode(messageName: string, field: FieldSchema): SchemaNode {
  if (ATOMIC_FIELDS.has(`${messageName}.${field.name}`)) return leafNode;
  if (field.cardinality === 'list') return listNode(field);
  const element = elementNode(field);
  return field.cardinality === 'map' ? { ...mapNode(element), dropsEmpty: true } : element;
}

function elementNode(field: FieldSchema): SchemaNode {
  // Formats turn messages and scalars into JSON of another form (a union is any of several).
  if (!field.isMessage || field.format !== undefined || ATOMIC_MESSAGES.has(field.type)) return leafNode;
  return messageNode(field.type);
}

function listNode(field: FieldSchema): SchemaNode {
  if (field.list === 'set') return { kind: 'set' };
  if (field.list !== 'map' || !field.isMessage) return leafNode;
  const { byName } = messageSchema(field.type);
  const keyDefaults: Record<string, Json> = {};
  for (const key of field.mergeKeys) {
    const schema = byName.get(key);
    if (schema?.type === 'string' && schema.default !== undefined) keyDefaults[key] = schema.default;
  }
  return { kind: 'listMap', keys: field.mergeKeys, keyDefaults, element: elementNode(field) };
}
