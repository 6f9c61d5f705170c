import { type apiv1, type FieldSchema, joinPath, type MessageSchema, messageSchema } from '../../../proto/index.ts';
import { badRequest, didYouMean } from '../api-errors.ts';
import type { AnyDefinition, KindRegistry } from '../services.ts';

/** How deep a recursive answer goes below the field asked about: schemas may contain themselves. */
const MAX_DEPTH = 24;

/** Describes a kind or one of its fields from the schema. Throws `BadRequest` with the nearest name for an unknown field. */
export function explain(registry: KindRegistry, request: apiv1.ExplainRequest): apiv1.ExplainReply {
  const { definition, fields } = findKind(registry, request.path ?? '');
  const { group, version, kind, messageName } = definition.type;
  const schema = messageSchema(messageName);
  const options = { recursive: request.recursive === true, unsupportedOnly: request.unsupportedOnly === true };
  const reply = { group, version, kind };
  if (fields.length === 0) {
    const whole: apiv1.ExplainField = { name: kind, type: 'Object', description: schema.description, path: '' };
    return { ...reply, field: { ...whole, fields: describeFields(schema, '', { ...options, depth: 0 }) } };
  }
  return { ...reply, field: describeField(...walk(schema, fields, kind), { ...options, depth: 0 }) };
}

/** The longest leading part of the path that names a resource (names may have dots), and the field names after it. */
function findKind(registry: KindRegistry, path: string): { definition: AnyDefinition; fields: string[] } {
  const parts = path.split('.').filter((part) => part !== '');
  const [first] = parts;
  if (first === undefined) throw badRequest('name what to explain, such as "deployment.spec.replicas"');
  for (let length = parts.length; length > 1; length--) {
    const name = parts.slice(0, length).join('.').toLowerCase();
    const definition = registry.definitions.find(({ type: { plural, singular, version, group } }) =>
      [plural, singular].some((base) => name === `${base}.${group}` || name === `${base}.${version}.${group}`),
    );
    if (definition !== undefined) return { definition, fields: parts.slice(length) };
  }
  return { definition: registry.resolveResource(first), fields: parts.slice(1) };
}

function walk(schema: MessageSchema, names: readonly string[], kind: string): [FieldSchema, string] {
  let message: MessageSchema | undefined = schema;
  let path = '';
  let found: FieldSchema | undefined;
  for (const name of names) {
    const known: readonly string[] = message?.fields.map((field) => field.name) ?? [];
    found = message?.byName.get(name);
    if (found === undefined) {
      const of = path === '' ? kind : `${kind}.${path}`;
      throw badRequest(`field "${name}" does not exist in ${of}${didYouMean(name, known)}`);
    }
    path = joinPath(path, name);
    message = found.isMessage ? messageSchema(found.type) : undefined;
  }
  if (found === undefined) throw badRequest('name a field');
  return [found, path];
}

interface Detail {
  readonly recursive: boolean;
  readonly unsupportedOnly: boolean;
  readonly depth: number;
}

function describeField(field: FieldSchema, path: string, detail: Detail): apiv1.ExplainField {
  const below = field.isMessage && (detail.depth === 0 || (detail.recursive && detail.depth < MAX_DEPTH));
  const message = field.isMessage ? messageSchema(field.type) : undefined;
  return {
    name: field.name,
    path,
    type: typeName(field),
    description: field.description || (message?.description ?? ''),
    ...(field.required ? { required: true } : {}),
    ...(field.values === undefined ? {} : { values: [...field.values] }),
    ...(field.unsupported === undefined ? {} : { unsupported: field.unsupported }),
    ...(below && message !== undefined
      ? { fields: describeFields(message, path, { ...detail, depth: detail.depth + 1 }) }
      : {}),
  };
}

function describeFields(schema: MessageSchema, path: string, detail: Detail): apiv1.ExplainField[] {
  const deeper = { ...detail, depth: detail.depth + 1 };
  const all = schema.fields
    .map((field) => describeField(field, joinPath(path, field.name), deeper))
    .sort((a, b) => ((a.name ?? '') < (b.name ?? '') ? -1 : 1));
  if (!detail.unsupportedOnly) return all;
  return all.filter((field) => field.unsupported !== undefined || (field.fields?.length ?? 0) > 0);
}

const FORMATS = {
  quantity: 'Quantity',
  intOrString: 'IntOrString',
  time: 'Time',
  microTime: 'MicroTime',
  json: 'Object',
  jsonInline: 'Object',
} as const;

function typeName(field: FieldSchema): string {
  const scalar: Readonly<Record<string, string>> = {
    bool: 'boolean',
    int32: 'integer',
    int64: 'integer',
    double: 'number',
  };
  const element =
    field.format !== undefined
      ? FORMATS[field.format]
      : field.isMessage
        ? shortName(field.type)
        : (scalar[field.type] ?? field.type);
  if (field.cardinality === 'list') return `[]${element}`;
  return field.cardinality === 'map' ? `map[string]${element}` : element;
}

function shortName(messageName: string): string {
  return messageName.slice(messageName.lastIndexOf('.') + 1);
}
