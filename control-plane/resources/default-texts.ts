/**
 * For the test that keeps the schema's words on defaults true: what a kind's own `setDefaults` fills in, found by running it
 * on objects made from the schema alone.
 */
import { type FieldSchema, type MessageSchema, messageSchema } from '../../proto/index.ts';
import type { AnyDefinition } from './registry.ts';

/** Everything defaulting filled in, by field (`skiff.apps.v1.DeploymentSpec.replicas`): the values seen, as text. */
export type FilledIn = Map<string, Set<string>>;

type Loose = Record<string, unknown>;

/** A message may hold itself (a schema, a probe's nested selector): how often it is unfolded on one path. */
const MAX_NESTING = 2;

/**
 * Runs the defaulting of `definition` on objects of nothing but empty messages, one for each allowed value of each
 * enumeration (a default may depend on it), and notes which fields it filled in.
 */
export function filledIn(definition: AnyDefinition): FilledIn {
  const found: FilledIn = new Map();
  const schema = messageSchema(definition.type.messageName);
  for (const [field, value] of [undefined, ...choices(schema)].map((choice) => choice ?? ([undefined, ''] as const))) {
    const object = skeleton(schema, { field, value }, []);
    object.metadata = { name: 'x' };
    definition.setDefaults?.(object);
    compare(schema, object, { field, value, found, above: [] });
  }
  // Also with no message but the outermost: what unions fall back to when nothing is chosen.
  const bare: Loose = { metadata: { name: 'x' }, ...(schema.byName.has('spec') ? { spec: {} } : {}) };
  definition.setDefaults?.(bare);
  compare(schema, bare, { field: undefined, value: '', found, above: [] });
  return found;
}

/** Every field with a default in words that an object of the kind can hold. */
export function toldDefaults(definition: AnyDefinition): ReadonlyMap<string, string> {
  const told = new Map<string, string>();
  for (const schema of reachable(messageSchema(definition.type.messageName))) {
    for (const field of schema.fields) {
      if (field.default !== undefined) told.set(nameOf(schema, field), field.default);
    }
  }
  return told;
}

type Choice = readonly [FieldSchema, string];

function choices(schema: MessageSchema): Choice[] {
  return reachable(schema).flatMap((message) =>
    message.fields.flatMap((field) => (field.values ?? []).map((value): Choice => [field, value])),
  );
}

function reachable(schema: MessageSchema, seen = new Map<string, MessageSchema>()): MessageSchema[] {
  if (!seen.has(schema.name)) {
    seen.set(schema.name, schema);
    for (const field of schema.fields)
      if (field.isMessage && !isMetadata(field)) reachable(messageSchema(field.type), seen);
  }
  return [...seen.values()];
}

/** Metadata has no defaults of a kind's own, and is the same for all. */
function isMetadata(field: FieldSchema): boolean {
  return field.type === 'skiff.meta.v1.ObjectMeta';
}

function skeleton(
  schema: MessageSchema,
  choice: { readonly field: FieldSchema | undefined; readonly value: string },
  above: readonly string[],
): Loose {
  const object: Loose = {};
  for (const field of schema.fields) {
    if (field === choice.field) object[field.name] = wrapped(field, choice.value);
    if (!field.isMessage || isMetadata(field)) continue;
    if (above.filter((name) => name === field.type).length >= MAX_NESTING) continue;
    object[field.name] = wrapped(field, skeleton(messageSchema(field.type), choice, [...above, field.type]));
  }
  return object;
}

function wrapped(field: FieldSchema, value: unknown): unknown {
  if (field.cardinality === 'list') return [value];
  return field.cardinality === 'map' ? { key: value } : value;
}

interface Comparison {
  readonly field: FieldSchema | undefined;
  readonly value: string;
  readonly found: FilledIn;
  readonly above: readonly string[];
}

function compare(schema: MessageSchema, object: Loose, comparison: Comparison): void {
  for (const field of schema.fields) {
    const value = object[field.name];
    if (value === undefined || isMetadata(field)) continue;
    if (field.isMessage) {
      for (const part of partsOf(field, value)) compare(messageSchema(field.type), part as Loose, comparison);
    } else if (field !== comparison.field || !sameValue(value, wrapped(field, comparison.value))) {
      const name = nameOf(schema, field);
      const values = comparison.found.get(name) ?? new Set();
      values.add(textOf(value));
      comparison.found.set(name, values);
    }
  }
}

function partsOf(field: FieldSchema, value: unknown): readonly unknown[] {
  if (field.cardinality === 'list') return value as unknown[];
  return field.cardinality === 'map' ? Object.values(value as object) : [value];
}

function sameValue(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

/** `1`, `File`, `""`, `[ReadWriteOnce]`. */
function textOf(value: unknown): string {
  if (value === '') return '""';
  if (Array.isArray(value)) return `[${value.map(String).join(', ')}]`;
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function nameOf(schema: MessageSchema, field: FieldSchema): string {
  return `${schema.name}.${field.name}`;
}
