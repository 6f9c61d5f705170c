/** The schema of a custom kind, compiled once from its CustomResourceDefinition for the walks over its objects. */
import type { apiextensionsv1, Json } from '../../../proto/index.ts';

type Props = apiextensionsv1.JSONSchemaProps;

/** The bounds a value must keep; undefined ones are not set. */
export interface Bounds {
  readonly minimum: number | undefined;
  readonly maximum: number | undefined;
  readonly exclusiveMinimum: boolean;
  readonly exclusiveMaximum: boolean;
  readonly multipleOf: number | undefined;
  readonly minLength: number | undefined;
  readonly maxLength: number | undefined;
  readonly minItems: number | undefined;
  readonly maxItems: number | undefined;
  readonly minProperties: number | undefined;
  readonly maxProperties: number | undefined;
}

/** One place in the schema of a custom kind. */
export interface SchemaNode {
  readonly description: string;
  /** `object`, `array`, `string`, `integer`, `number`, `boolean`, or empty where anything may be. */
  readonly type: string;
  readonly format: string;
  readonly nullable: boolean;
  readonly intOrString: boolean;
  /** Fields the schema does not name are kept. */
  readonly preserveUnknown: boolean;
  /** A whole object with apiVersion, kind and metadata. */
  readonly embedded: boolean;
  readonly properties: ReadonlyMap<string, SchemaNode>;
  /** What values under other names are; undefined when there are none. */
  readonly additional: SchemaNode | undefined;
  readonly items: SchemaNode | undefined;
  readonly required: readonly string[];
  readonly default: Json | undefined;
  readonly values: readonly Json[] | undefined;
  readonly pattern: string;
  readonly bounds: Bounds;
  readonly allOf: readonly SchemaNode[];
  readonly anyOf: readonly SchemaNode[];
  readonly oneOf: readonly SchemaNode[];
  readonly not: SchemaNode | undefined;
  readonly listType: 'atomic' | 'set' | 'map';
  readonly listMapKeys: readonly string[];
  readonly mapType: 'granular' | 'atomic';
  readonly rules: readonly apiextensionsv1.ValidationRule[];
}

/** Anything at all: below `additionalProperties: true` and where no schema is. */
export const FREE: SchemaNode = compileSchema({ 'x-kubernetes-preserve-unknown-fields': true });

/** Compiles a schema. Parts that Kubernetes does not support are left out; validation of the definition refuses them. */
export function compileSchema(props: Props): SchemaNode {
  const compileAll = (list: readonly Props[] | undefined): SchemaNode[] => (list ?? []).map(compileSchema);
  const { items, additionalProperties: additional } = props;
  return {
    description: props.description ?? '',
    type: props.type ?? '',
    format: props.format ?? '',
    nullable: props.nullable === true,
    intOrString: props['x-kubernetes-int-or-string'] === true,
    preserveUnknown: props['x-kubernetes-preserve-unknown-fields'] === true,
    embedded: props['x-kubernetes-embedded-resource'] === true,
    properties: new Map(Object.entries(props.properties ?? {}).map(([name, one]) => [name, compileSchema(one)])),
    additional:
      additional?.schema !== undefined
        ? compileSchema(additional.schema)
        : additional?.allows === true
          ? FREE
          : undefined,
    items: items?.schema === undefined ? undefined : compileSchema(items.schema),
    required: props.required ?? [],
    default: props.default === undefined ? undefined : (JSON.parse(props.default) as Json),
    values: props.enum === undefined ? undefined : props.enum.map((text) => JSON.parse(text) as Json),
    pattern: props.pattern ?? '',
    bounds: boundsOf(props),
    allOf: compileAll(props.allOf),
    anyOf: compileAll(props.anyOf),
    oneOf: compileAll(props.oneOf),
    not: props.not === undefined ? undefined : compileSchema(props.not),
    listType:
      props['x-kubernetes-list-type'] === 'set' || props['x-kubernetes-list-type'] === 'map'
        ? props['x-kubernetes-list-type']
        : 'atomic',
    listMapKeys: props['x-kubernetes-list-map-keys'] ?? [],
    mapType: props['x-kubernetes-map-type'] === 'atomic' ? 'atomic' : 'granular',
    rules: props['x-kubernetes-validations'] ?? [],
  };
}

function boundsOf(props: Props): Bounds {
  return {
    minimum: props.minimum,
    maximum: props.maximum,
    exclusiveMinimum: props.exclusiveMinimum === true,
    exclusiveMaximum: props.exclusiveMaximum === true,
    multipleOf: props.multipleOf,
    minLength: props.minLength,
    maxLength: props.maxLength,
    minItems: props.minItems,
    maxItems: props.maxItems,
    minProperties: props.minProperties,
    maxProperties: props.maxProperties,
  };
}

/** What the schema says of the member `key` of an object; undefined when it names none such. */
export function memberNode(node: SchemaNode, key: string): SchemaNode | undefined {
  return node.properties.get(key) ?? node.additional;
}

/** Members that every object with a type has; the API keeps them, not the schema. */
export const TYPE_MEMBERS: ReadonlySet<string> = new Set(['apiVersion', 'kind', 'metadata']);

/** True for a JSON object: neither a list nor null nor a scalar. */
export function isJsonObject(value: unknown): value is { [key: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
