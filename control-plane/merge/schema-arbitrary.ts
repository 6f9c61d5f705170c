/** For property tests: random JSON objects of any message, made from the schema. */
import fc from 'fast-check';
import { type FieldSchema, type Json, type JsonObject, messageSchema } from '../../proto/index.ts';

/** How an object may look. */
export interface ObjectShape {
  /** Levels of nested messages. */
  readonly depth: number;
  /** Starts every map key, list key and set element: objects with different prefixes share none. */
  readonly prefix?: string;
  /** Leaves fields out. */
  readonly skip?: (field: FieldSchema) => boolean;
}

const TIME = '2026-01-02T03:04:05Z';

/** Objects of the message called `messageName`: few fields each, lists with distinct merge keys, no nulls. */
export function messageJson(messageName: string, shape: ObjectShape): fc.Arbitrary<JsonObject> {
  const fields = messageSchema(messageName).fields.filter(
    (f) => shape.skip?.(f) !== true && (shape.depth > 0 || !f.isMessage),
  );
  if (fields.length === 0) return fc.constant({});
  const names = fields.map((field) => field.name);
  return fc.subarray(names, { maxLength: Math.min(6, names.length) }).chain((chosen) => {
    const parts = fields.filter((f) => chosen.includes(f.name)).map((f) => [f.name, fieldJson(f, shape)] as const);
    return fc.record(Object.fromEntries(parts)) as fc.Arbitrary<JsonObject>;
  });
}

function fieldJson(field: FieldSchema, shape: ObjectShape): fc.Arbitrary<Json> {
  const element = elementJson(field, shape);
  if (field.cardinality === 'map') return fc.dictionary(keyText(shape), element, { maxKeys: 4, noNullPrototype: true });
  if (field.cardinality === 'single') return element;
  if (field.list !== 'map') return fc.uniqueArray(element, { maxLength: 4, selector: (item) => JSON.stringify(item) });
  const key = field.mergeKeys[0] ?? '';
  const isText = messageSchema(field.type).byName.get(key)?.type === 'string';
  const keyed = fc
    .tuple(element, keyText(shape))
    .map(([item, text]): Json => ({ ...(item as JsonObject), [key]: isText ? text : numberOf(text) }));
  return fc.uniqueArray(keyed, { maxLength: 4, selector: (item) => JSON.stringify((item as JsonObject)[key]) });
}

function elementJson(field: FieldSchema, shape: ObjectShape): fc.Arbitrary<Json> {
  if (field.format === 'union') return fc.boolean().chain((bool) => unionJson(field, shape, bool));
  if (field.isMessage) return messageJson(field.type, { ...shape, depth: shape.depth - 1 });
  if (field.format === 'quantity') return fc.constantFrom('1', '100m', '2Gi');
  if (field.format === 'time' || field.format === 'microTime') return fc.constant(TIME);
  if (field.format === 'intOrString') return fc.constantFrom<Json>(1, '25%', 'http');
  if (field.type === 'bool') return fc.boolean();
  if (field.type === 'bytes') return keyText(shape).map((text) => Buffer.from(text).toString('base64'));
  if (field.type === 'int32' || field.type === 'int64' || field.type === 'double')
    return fc.integer({ min: 0, max: 9 });
  return keyText(shape);
}

function unionJson(field: FieldSchema, shape: ObjectShape, other: boolean): fc.Arbitrary<Json> {
  const { fields } = messageSchema(field.type);
  const [first] = fields;
  const chosen = other ? fields.at(-1) : first;
  if (chosen === undefined || shape.depth <= 0) return fc.constant({});
  return fieldJson(chosen, { ...shape, depth: shape.depth - 1 });
}

function keyText(shape: ObjectShape): fc.Arbitrary<string> {
  return fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f').map((text) => `${shape.prefix ?? ''}${text}`);
}

/** A number of its own for each short text. */
function numberOf(text: string): number {
  return Array.from(text).reduce((sum, letter) => sum * 31 + letter.charCodeAt(0), 0);
}
