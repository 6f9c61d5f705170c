/** The schema of a custom kind in the form that `explain` shows. */
import { type FieldSchema, type MessageSchema, messageSchema } from '../../../proto/index.ts';
import type { SchemaNode } from './schema-node.ts';

/** What every object has, whatever its schema says. */
const CUSTOM_OBJECT = 'skiff.meta.v1.CustomObject';

/** The whole kind, with apiVersion, kind and metadata. */
export function explainedKind(kind: string, root: SchemaNode): MessageSchema {
  const own = messageSchema(CUSTOM_OBJECT).fields.filter(({ format }) => format !== 'jsonInline');
  const named = new Set(own.map(({ name }) => name));
  const others = [...root.properties].filter(([name]) => !named.has(name));
  const fields = [
    ...own,
    ...others.map(([name, node]) => explainedField({ of: kind, name, node, required: root.required.includes(name) })),
  ];
  return { name: kind, description: root.description, kind: undefined, fields, byName: byName(fields) };
}

function byName(fields: readonly FieldSchema[]): ReadonlyMap<string, FieldSchema> {
  return new Map(fields.map((field) => [field.name, field]));
}

function explainedMessage(name: string, node: SchemaNode): MessageSchema {
  const fields = [...node.properties].map(([key, one]) =>
    explainedField({ of: name, name: key, node: one, required: node.required.includes(key) }),
  );
  const metadata = messageSchema(CUSTOM_OBJECT).byName.get('metadata');
  const all =
    node.embedded && metadata !== undefined && !node.properties.has('metadata') ? [metadata, ...fields] : fields;
  return { name, description: node.description, kind: undefined, fields: all, byName: byName(all) };
}

const SCALARS: Readonly<Record<string, string>> = {
  string: 'string',
  boolean: 'bool',
  integer: 'int64',
  number: 'double',
};

interface Member {
  /** Name of the message it is a field of. */
  readonly of: string;
  readonly name: string;
  readonly node: SchemaNode;
  readonly required: boolean;
}

function explainedField({ of, name, node, required }: Member): FieldSchema {
  const { element, cardinality } = elementOf(node);
  const scalar = SCALARS[element.type];
  const format = element.intOrString
    ? 'intOrString'
    : scalar === undefined && element.properties.size === 0
      ? 'json'
      : undefined;
  const isMessage = scalar === undefined && format === undefined;
  return {
    name,
    number: 0,
    type: isMessage ? `${of}.${name}.Object` : (scalar ?? 'string'),
    isMessage,
    ...(isMessage ? { message: () => explainedMessage(`${of}.${name}`, element) } : {}),
    cardinality,
    explicit: true,
    format,
    always: false,
    required,
    values: element.values?.map((value) => (typeof value === 'string' ? value : JSON.stringify(value))),
    list: node.listType,
    mergeKeys: node.listMapKeys,
    retainKeys: false,
    unsupported: undefined,
    default: node.default === undefined ? undefined : textOf(node.default),
    description: node.description || element.description,
  };
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** What a list or map is of. Of lists of lists only the outer one shows. */
function elementOf(node: SchemaNode): { element: SchemaNode; cardinality: FieldSchema['cardinality'] } {
  if (node.type === 'array' && node.items !== undefined) return { element: node.items, cardinality: 'list' };
  const isMap = node.type === 'object' && node.additional !== undefined;
  return isMap && node.additional !== undefined
    ? { element: node.additional, cardinality: 'map' }
    : { element: node, cardinality: 'single' };
}
