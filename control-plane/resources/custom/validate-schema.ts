/**
 * What is wrong with the schema of a custom kind. It must be structural: every field says its type outside of `allOf`,
 * `anyOf`, `oneOf` and `not`, which only restrict values. All sentences are Kubernetes'.
 */
import { isDeepStrictEqual } from 'node:util';
import type { ErrorCause } from '../../../lib/errors.ts';
import type { apiextensionsv1, Json } from '../../../proto/index.ts';
import { forbidden, invalid, notSupported, required } from '../validation/field-errors.ts';
import { applyDefaults } from './defaults.ts';
import { unknownFields } from './known-fields.ts';
import { patternProblem } from './pattern.ts';
import { compileSchema, isJsonObject, type SchemaNode } from './schema-node.ts';
import { validateJson } from './validate-value.ts';

type Props = apiextensionsv1.JSONSchemaProps;
type Level = 'root' | 'item' | 'field';

/** Most places in one schema; the largest in use have some ten thousand. */
const MAX_NODES = 50_000;
const TYPES = ['array', 'boolean', 'integer', 'number', 'object', 'string'];

/** Everything wrong with the schema at `path`. */
export function validateSchema(schema: Props, path: string): ErrorCause[] {
  const walk: Walk = { causes: [], nodes: 0 };
  structure(schema, path, 'root', walk);
  if (walk.nodes > MAX_NODES) {
    return [invalid(path, walk.nodes, `the schema is too large: at most ${MAX_NODES} fields are allowed`)];
  }
  // Defaults are checked by the schema, which must be sound for that.
  if (walk.causes.length === 0) defaults(schema, path, walk);
  return walk.causes;
}

interface Walk {
  readonly causes: ErrorCause[];
  nodes: number;
}

const INT_OR_STRING: readonly Props[] = [{ type: 'integer' }, { type: 'string' }];

function structure(schema: Props, path: string, level: Level, walk: Walk): void {
  walk.nodes += 1;
  if (walk.nodes > MAX_NODES) return;
  const { causes } = walk;
  unsupported(schema, path, causes);
  typeRules(schema, path, level, causes);
  extensions(schema, path, causes);
  const { items, additionalProperties: additional } = schema;
  if (schema.type === 'array' && items === undefined) causes.push(required(`${path}.items`, 'must be specified'));
  if (items?.schema !== undefined) structure(items.schema, `${path}.items`, 'item', walk);
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    structure(property, `${path}.properties[${name}]`, 'field', walk);
  }
  if (additional !== undefined) {
    const at = `${path}.additionalProperties`;
    if (level === 'root') causes.push(forbidden(at, 'must not be used at the root'));
    if (schema.properties !== undefined) {
      causes.push(forbidden(at, 'additionalProperties and properties are mutual exclusive'));
    }
    if (additional.schema !== undefined) structure(additional.schema, at, 'field', walk);
    else if (additional.allows === false) causes.push(forbidden(at, 'additionalProperties cannot be set to false'));
  }
  valueRules(schema, path, causes);
  nestedAll(schema, path, { ...nestedContext(schema), walk, outer: schema });
  if (level === 'root') ownMembers(schema, path, causes);
}

/** What Kubernetes has no use for. */
function unsupported(schema: Props, path: string, causes: ErrorCause[]): void {
  const refuse = (name: string, given: unknown): void => {
    if (given !== undefined && given !== '') causes.push(forbidden(`${path}.${name}`, `${name} is not supported`));
  };
  refuse('id', schema.id);
  refuse('additionalItems', schema.additionalItems);
  refuse('patternProperties', schema.patternProperties);
  refuse('definitions', schema.definitions);
  refuse('dependencies', schema.dependencies);
  refuse('$ref', schema.$ref);
  if (schema.type === 'null') {
    causes.push(forbidden(`${path}.type`, 'type cannot be set to null, use nullable as an alternative'));
  } else if (schema.type !== undefined && !TYPES.includes(schema.type)) {
    causes.push(notSupported(`${path}.type`, schema.type, TYPES));
  }
  if ((schema.items?.schemas?.length ?? 0) > 0) {
    causes.push(forbidden(`${path}.items`, 'items must be a schema object and not an array'));
  }
  if (schema.uniqueItems === true) {
    const why = 'uniqueItems cannot be set to true since the runtime complexity becomes quadratic';
    causes.push(forbidden(`${path}.uniqueItems`, why));
  }
}

const MISSING: Readonly<Record<Level, string>> = {
  root: 'must not be empty at the root',
  item: 'must not be empty for specified array items',
  field: 'must not be empty for specified object fields',
};

function typeRules(schema: Props, path: string, level: Level, causes: ErrorCause[]): void {
  const at = `${path}.type`;
  const type = schema.type ?? '';
  const free = schema['x-kubernetes-int-or-string'] === true || schema['x-kubernetes-preserve-unknown-fields'] === true;
  if (schema['x-kubernetes-embedded-resource'] === true) {
    const why = 'must be object if x-kubernetes-embedded-resource is true';
    if (type === '') causes.push(required(at, why));
    else if (type !== 'object') causes.push(invalid(at, type, why));
    if (schema['x-kubernetes-preserve-unknown-fields'] !== true && schema.properties === undefined) {
      const missing =
        'must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields';
      causes.push(required(`${path}.properties`, missing));
    }
  } else if (type === '' && !free) causes.push(required(at, MISSING[level]));
  if (level === 'root' && type !== '' && type !== 'object') {
    causes.push(invalid(at, type, 'must be object at the root'));
  }
}

function extensions(schema: Props, path: string, causes: ErrorCause[]): void {
  const exclusive = 'must be false if x-kubernetes-int-or-string is true';
  if (schema['x-kubernetes-int-or-string'] === true) {
    for (const name of ['x-kubernetes-preserve-unknown-fields', 'x-kubernetes-embedded-resource'] as const) {
      if (schema[name] === true) causes.push(invalid(`${path}.${name}`, true, exclusive));
    }
    if (schema.type !== undefined) {
      causes.push(invalid(`${path}.type`, schema.type, 'must be empty if x-kubernetes-int-or-string is true'));
    }
  }
  const preserve = 'x-kubernetes-preserve-unknown-fields';
  if (schema[preserve] === false) causes.push(invalid(`${path}.${preserve}`, false, 'must be true or undefined'));
  listRules(schema, path, causes);
  const mapType = schema['x-kubernetes-map-type'];
  if (mapType !== undefined) {
    const at = `${path}.x-kubernetes-map-type`;
    if (schema.type !== 'object') {
      causes.push(invalid(`${path}.type`, schema.type ?? '', 'must be object if x-kubernetes-map-type is specified'));
    }
    if (mapType !== 'atomic' && mapType !== 'granular') causes.push(notSupported(at, mapType, ['atomic', 'granular']));
  }
}

function listRules(schema: Props, path: string, causes: ErrorCause[]): void {
  const listType = schema['x-kubernetes-list-type'];
  const keys = schema['x-kubernetes-list-map-keys'] ?? [];
  const keysAt = `${path}.x-kubernetes-list-map-keys`;
  if (listType === undefined) {
    if (keys.length > 0) {
      causes.push(required(`${path}.x-kubernetes-list-type`, 'must be map if x-kubernetes-list-map-keys is non-empty'));
    }
    return;
  }
  if (schema.type !== 'array') {
    causes.push(invalid(`${path}.type`, schema.type ?? '', 'must be array if x-kubernetes-list-type is specified'));
  }
  if (!['atomic', 'set', 'map'].includes(listType)) {
    causes.push(notSupported(`${path}.x-kubernetes-list-type`, listType, ['atomic', 'set', 'map']));
  }
  if (listType !== 'map') {
    if (keys.length > 0) {
      causes.push(
        invalid(`${path}.x-kubernetes-list-type`, listType, 'must be map if x-kubernetes-list-map-keys is non-empty'),
      );
    }
    return;
  }
  if (keys.length === 0) {
    causes.push(required(keysAt, 'must not be empty if x-kubernetes-list-type is map'));
  }
  const item = schema.items?.schema;
  if (item !== undefined && item.type !== 'object') {
    causes.push(
      invalid(`${path}.items.type`, item.type ?? '', "must be object if parent array's x-kubernetes-list-type is map"),
    );
  }
  for (const [i, key] of keys.entries()) {
    const property = propertyOf(item, key);
    if (property === undefined) {
      causes.push(invalid(`${keysAt}[${i}]`, key, 'entries must all be names of item properties'));
    } else if (property.type === 'object' || property.type === 'array') {
      causes.push(
        invalid(
          `${path}.items.properties[${key}].type`,
          property.type,
          "must be a scalar type if parent array's x-kubernetes-list-type is map",
        ),
      );
    }
    if (keys.indexOf(key) !== i) causes.push(invalid(keysAt, keys, 'must not contain duplicate entries'));
    const mandatory = item?.required?.includes(key) === true || property?.default !== undefined;
    if (property !== undefined && !mandatory) {
      const why = 'this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property';
      causes.push(required(`${path}.items.properties[${key}].default`, why));
    }
  }
}

/** The property's own schema: names such as `constructor` are names like any other. */
function propertyOf(schema: Props | undefined, name: string): Props | undefined {
  const properties = schema?.properties ?? {};
  return Object.hasOwn(properties, name) ? properties[name] : undefined;
}

/** Rules that hold both outside and inside of combinations. */
function valueRules(schema: Props, path: string, causes: ErrorCause[]): void {
  const { pattern = '' } = schema;
  if (pattern === '') return;
  const problem = patternProblem(pattern);
  if (problem === undefined) return;
  causes.push(invalid(`${path}.pattern`, pattern, `must be a valid regular expression, but isn't: ${problem}`));
}

/** Of apiVersion, kind and metadata a schema may restrict little. */
function ownMembers(schema: Props, path: string, causes: ErrorCause[]): void {
  const { apiVersion, kind, metadata } = schema.properties ?? {};
  for (const [name, member] of Object.entries({ apiVersion, kind })) {
    if (member !== undefined && member.type !== 'string') {
      causes.push(invalid(`${path}.properties[${name}].type`, member.type ?? '', 'must be string'));
    }
  }
  if (metadata === undefined) return;
  const at = `${path}.properties[metadata]`;
  if (metadata.type !== 'object') causes.push(invalid(`${at}.type`, metadata.type ?? '', 'must be object'));
  const { properties = {}, type: _type, description: _description, ...rest } = metadata;
  const onlyNames = Object.keys(properties).every((name) => name === 'name' || name === 'generateName');
  const others = Object.values(rest).some((value) => value !== undefined && value !== '' && value !== false);
  if (!onlyNames || others) {
    const why = 'must not specify anything other than name and generateName, but metadata is implicitly specified';
    causes.push(forbidden(at, why));
  }
}

interface Nested {
  /** The one place where types may be named again: an integer or a text. */
  readonly skipAnyOf: boolean;
  readonly skipFirstAllOf: boolean;
  readonly walk: Walk;
  /** The schema outside of the combination that must name every field named inside. */
  readonly outer: Props | undefined;
}

function nestedContext(schema: Props): Pick<Nested, 'skipAnyOf' | 'skipFirstAllOf'> {
  return {
    skipAnyOf: isDeepStrictEqual(schema.anyOf, INT_OR_STRING),
    skipFirstAllOf: isDeepStrictEqual(schema.allOf?.[0]?.anyOf, INT_OR_STRING),
  };
}

function nestedAll(schema: Props, path: string, context: Nested): void {
  const plain = { ...context, skipAnyOf: false, skipFirstAllOf: false };
  if (!context.skipAnyOf) {
    for (const [i, one] of (schema.anyOf ?? []).entries()) nested(one, `${path}.anyOf[${i}]`, plain);
  }
  for (const [i, one] of (schema.allOf ?? []).entries()) {
    nested(one, `${path}.allOf[${i}]`, { ...plain, skipAnyOf: context.skipFirstAllOf && i === 0 });
  }
  for (const [i, one] of (schema.oneOf ?? []).entries()) nested(one, `${path}.oneOf[${i}]`, plain);
  if (schema.not !== undefined) nested(schema.not, `${path}.not`, plain);
}

/** What a part of a combination may not say, with the words for it. */
const NOT_NESTED: readonly (readonly [keyof Props, string])[] = [
  ['type', 'must be empty to be structural'],
  ['default', 'must be undefined to be structural'],
  ['title', 'must be empty to be structural'],
  ['description', 'must be empty to be structural'],
  ['nullable', 'must be false to be structural'],
  ['additionalProperties', 'must be undefined to be structural'],
  ['externalDocs', 'must be undefined to be structural'],
  ['x-kubernetes-preserve-unknown-fields', 'must be false to be structural'],
  ['x-kubernetes-embedded-resource', 'must be false to be structural'],
  ['x-kubernetes-int-or-string', 'must be false to be structural'],
  ['x-kubernetes-list-map-keys', 'must be empty to be structural'],
  ['x-kubernetes-list-type', 'must be undefined to be structural'],
  ['x-kubernetes-map-type', 'must be undefined to be structural'],
  ['x-kubernetes-validations', 'must be empty to be structural'],
];

function nested(schema: Props, path: string, context: Nested): void {
  const { walk, outer } = context;
  const { causes } = walk;
  walk.nodes += 1;
  if (walk.nodes > MAX_NODES) return;
  for (const [name, why] of NOT_NESTED) {
    const value = schema[name];
    if (value !== undefined && value !== '' && value !== false) causes.push(forbidden(`${path}.${name}`, why));
  }
  unsupported({ ...schema, type: undefined }, path, causes);
  valueRules(schema, path, causes);
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    const at = `${path}.properties[${name}]`;
    if (name === 'metadata') causes.push(forbidden(at, 'must not be specified in a nested context'));
    const named = propertyOf(outer, name);
    if (named === undefined) {
      // Kubernetes says it of the place where the field is missing.
      const where = `${outerPath(path)}.properties[${name}]`;
      causes.push(required(where, `because it is defined in ${at}`));
    }
    nested(property, at, { ...context, skipAnyOf: false, skipFirstAllOf: false, outer: named });
  }
  if (schema.items?.schema !== undefined) {
    const named = outer?.items?.schema;
    const at = `${path}.items`;
    if (named === undefined) causes.push(required(`${outerPath(path)}.items`, `because it is defined in ${at}`));
    nested(schema.items.schema, at, { ...context, skipAnyOf: false, skipFirstAllOf: false, outer: named });
  }
  nestedAll(schema, path, context);
}

/** The path without its combinations: the place outside that a place inside is about. */
function outerPath(path: string): string {
  return path.replace(/\.(?:(?:allOf|anyOf|oneOf)\[\d+\]|not(?=\.|$))/g, '');
}

/** Defaults must be values that the schema itself accepts. */
function defaults(schema: Props, path: string, { causes }: Walk): void {
  const visit = (props: Props, at: string): void => {
    if (props.default !== undefined)
      checkDefault(compileSchema(props), JSON.parse(props.default) as Json, `${at}.default`);
    if (props.items?.schema !== undefined) visit(props.items.schema, `${at}.items`);
    if (props.additionalProperties?.schema !== undefined) {
      visit(props.additionalProperties.schema, `${at}.additionalProperties`);
    }
    for (const [name, property] of Object.entries(props.properties ?? {})) visit(property, `${at}.properties[${name}]`);
  };
  const checkDefault = (node: SchemaNode, value: Json, at: string): void => {
    const filled = structuredClone(value);
    if (isJsonObject(filled)) {
      applyDefaults(node, filled);
      for (const { path: where, message } of unknownFields([node], filled)) {
        causes.push(invalid(`${at}.${where}`, null, message));
      }
    }
    causes.push(...validateJson(node, filled, at));
  };
  if (schema.default !== undefined) causes.push(forbidden(`${path}.default`, 'must not be set at the root'));
  visit({ ...schema, default: undefined }, path);
}
