import { type apiv1, type FieldSchema, joinPath, type MessageSchema, messageSchema } from '../../../proto/index.ts';
import { badRequest, didYouMean } from '../api-errors.ts';
import type { AnyDefinition, KindRegistry } from '../services.ts';

/**
 * Describes a kind or one of its fields from the schema; without a path, what has no effect of every kind. Throws
 * `BadRequest` with the nearest name for an unknown field or version, and `NotFound` for an unknown resource.
 */
export function explain(registry: KindRegistry, request: apiv1.ExplainRequest): apiv1.ExplainReply {
  const options = { recursive: request.recursive === true, unsupportedOnly: request.unsupportedOnly === true };
  if ((request.path ?? '') === '' && options.unsupportedOnly) return { kinds: withoutEffect(registry) };
  const { definition, fields } = findKind(registry, request.path ?? '', request.apiVersion ?? '');
  const schema = schemaOf(definition);
  const reply = replyOf(definition);
  if (fields.length === 0) {
    return { ...reply, field: describeKind(definition, schema, { ...options, above: [], leaveOut: nothing }) };
  }
  const [field, path] = walk(schema, fields, definition.type.kind);
  return { ...reply, field: describeField(field, path, { ...options, above: [], leaveOut: nothing }) };
}

function schemaOf({ type, custom }: AnyDefinition): MessageSchema {
  return custom?.schema() ?? messageSchema(type.messageName);
}

/** What the fields of a message field are. */
function messageOf(field: FieldSchema): MessageSchema {
  return field.message?.() ?? messageSchema(field.type);
}

function replyOf({ type: { group, version, kind, messageName } }: AnyDefinition): apiv1.ExplainReply {
  const unsupported = messageSchema(messageName).kind?.unsupported;
  return { group, version, kind, ...(unsupported === undefined ? {} : { unsupported }) };
}

function describeKind(definition: AnyDefinition, schema: MessageSchema, detail: Detail): apiv1.ExplainField {
  const { kind } = definition.type;
  const whole: apiv1.ExplainField = { name: kind, type: 'Object', description: schema.description, path: '' };
  return { ...whole, fields: describeFields(schema, '', detail) };
}

/**
 * Every kind that has something without effect. Of a kind that has none at all, its fields need no mention. Programs write
 * the status and people do not; a pod template has what Pod has; and what holds for containers holds for init containers.
 */
function withoutEffect(registry: KindRegistry): apiv1.ExplainReply[] {
  const leaveOut = (field: FieldSchema, path: string): boolean =>
    path === 'status' || field.name === 'initContainers' || field.type === 'skiff.core.v1.PodTemplateSpec';
  const replies = registry.definitions.map((definition): apiv1.ExplainReply => {
    const reply = replyOf(definition);
    if (reply.unsupported !== undefined) return reply;
    const schema = schemaOf(definition);
    const detail = { recursive: true, unsupportedOnly: true, above: [], leaveOut };
    return { ...reply, field: describeKind(definition, schema, detail) };
  });
  return replies.filter(({ unsupported, field }) => unsupported !== undefined || (field?.fields?.length ?? 0) > 0);
}

/** The longest leading part of the path that names a resource (names may have dots), and the field names after it. */
function findKind(
  registry: KindRegistry,
  path: string,
  apiVersion: string,
): { definition: AnyDefinition; fields: string[] } {
  const parts = path.split('.').filter((part) => part !== '');
  const [first] = parts;
  if (first === undefined) throw badRequest('name what to explain, such as "deployment.spec.replicas"');
  for (let length = parts.length; length > 1; length--) {
    const name = parts.slice(0, length).join('.').toLowerCase();
    const definition = registry.definitions.find(({ type: { plural, singular, version, group } }) =>
      [plural, singular].some((base) => name === `${base}.${group}` || name === `${base}.${version}.${group}`),
    );
    if (definition !== undefined)
      return { definition: inVersion(registry, definition, apiVersion), fields: parts.slice(length) };
  }
  const definition = inVersion(registry, registry.resolveResource(first), apiVersion);
  return { definition, fields: parts.slice(1) };
}

function inVersion(registry: KindRegistry, definition: AnyDefinition, apiVersion: string): AnyDefinition {
  if (apiVersion === '' || apiVersion === definition.type.apiVersion) return definition;
  const versions = registry.definitions.filter(({ type }) => type.kind === definition.type.kind);
  const found = versions.find(({ type }) => type.apiVersion === apiVersion);
  if (found !== undefined) return found;
  const served = versions.map(({ type }) => type.apiVersion).join(', ');
  throw badRequest(`${definition.type.kind} is not served in version "${apiVersion}"; it is in ${served}`);
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
      const hint = didYouMean(name, known) || elsewhere(message, name);
      throw badRequest(`field "${name}" does not exist in ${of}${hint}`);
    }
    path = joinPath(path, name);
    message = found.isMessage ? messageOf(found) : undefined;
  }
  if (found === undefined) throw badRequest('name a field');
  return [found, path];
}

/** Where below `message` a field of that very name is: people leave out `spec`. The nearest such place. */
function elsewhere(message: MessageSchema | undefined, name: string): string {
  let level = message === undefined ? [] : [{ message, path: '' }];
  const seen = new Set<string>();
  while (level.length > 0) {
    const next: typeof level = [];
    for (const { message: at, path } of level) {
      for (const field of at.fields) {
        const below = joinPath(path, field.name);
        if (field.name.toLowerCase() === name.toLowerCase()) return ` (did you mean "${below}"?)`;
        if (!field.isMessage || seen.has(field.type)) continue;
        seen.add(field.type);
        next.push({ message: messageOf(field), path: below });
      }
    }
    level = next;
  }
  return '';
}

const nothing = (): boolean => false;

interface Detail {
  /** Fields that are not told of. */
  readonly leaveOut: (field: FieldSchema, path: string) => boolean;
  readonly recursive: boolean;
  readonly unsupportedOnly: boolean;
  /** The messages around the field, from the one asked about on. One that holds itself is unfolded once. */
  readonly above: readonly string[];
}

function describeField(field: FieldSchema, path: string, detail: Detail): apiv1.ExplainField {
  const isFirst = detail.above.length === 0;
  const below = field.isMessage && (isFirst || (detail.recursive && !detail.above.includes(field.type)));
  const message = field.isMessage ? messageOf(field) : undefined;
  return {
    name: field.name,
    path,
    type: typeName(field),
    description: field.description || (message?.description ?? ''),
    ...(field.required ? { required: true } : {}),
    ...(field.values === undefined ? {} : { values: [...field.values] }),
    ...(field.default === undefined ? {} : { default: field.default }),
    ...(field.unsupported === undefined ? {} : { unsupported: field.unsupported }),
    ...(below && message !== undefined ? { fields: describeFields(message, path, detail) } : {}),
  };
}

function describeFields(schema: MessageSchema, path: string, detail: Detail): apiv1.ExplainField[] {
  const deeper = { ...detail, above: [...detail.above, schema.name] };
  const all = schema.fields
    .filter((field) => !detail.leaveOut(field, joinPath(path, field.name)))
    .map((field) => describeField(field, joinPath(path, field.name), deeper))
    .sort((a, b) => ((a.name ?? '') < (b.name ?? '') ? -1 : 1));
  if (!detail.unsupportedOnly) return all;
  return all.filter((field) => field.unsupported !== undefined || (field.fields?.length ?? 0) > 0);
}

const FORMATS: Readonly<Record<string, string>> = {
  quantity: 'Quantity',
  intOrString: 'IntOrString',
  time: 'Time',
  microTime: 'MicroTime',
  json: 'Object',
  jsonInline: 'Object',
};

function typeName(field: FieldSchema): string {
  const scalar: Readonly<Record<string, string>> = {
    bool: 'boolean',
    int32: 'integer',
    int64: 'integer',
    double: 'number',
  };
  const element =
    field.format !== undefined
      ? (FORMATS[field.format] ?? 'Object')
      : field.isMessage
        ? shortName(field.type)
        : (scalar[field.type] ?? field.type);
  if (field.cardinality === 'list') return `[]${element}`;
  return field.cardinality === 'map' ? `map[string]${element}` : element;
}

function shortName(messageName: string): string {
  return messageName.slice(messageName.lastIndexOf('.') + 1);
}
