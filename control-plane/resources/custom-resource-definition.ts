/** CustomResourceDefinition: a kind that people add. What its objects are is in `custom/`. */
import { type apiextensionsv1, KINDS } from '../../proto/index.ts';
import { nameColumn } from './columns.ts';
import { CLEANUP_FINALIZER, setCondition } from './custom/accepted-names.ts';
import { isKnownFormat } from './custom/formats.ts';
import { validateDefinition, validateDefinitionUpdate, validateStoredVersions } from './custom/validate-definition.ts';
import { ruleWarnings } from './custom/validate-rules.ts';
import type { ResourceDefinition } from './definition.ts';

type Definition = apiextensionsv1.CustomResourceDefinition;

const WEBHOOK_PORT = 443;

function setDefaults({ spec }: Definition): void {
  if (spec === undefined) return;
  const { names } = spec;
  if (names?.kind !== undefined) {
    names.singular ??= names.kind.toLowerCase();
    names.listKind ??= `${names.kind}List`;
  }
  spec.conversion ??= { strategy: 'None' };
  const service = spec.conversion.webhook?.clientConfig?.service;
  if (service !== undefined) service.port ??= WEBHOOK_PORT;
}

/** Formats that nobody checks are most likely mistyped; rules that cannot be checked are told of. */
function warnings({ spec }: Definition): string[] {
  return (spec?.versions ?? []).flatMap(({ schema }, i) => {
    const found = new Map<string, string>();
    if (schema?.openAPIV3Schema !== undefined) {
      unknownFormats(schema.openAPIV3Schema, `spec.versions[${i}].schema.openAPIV3Schema`, found);
    }
    return [
      ...[...found].map(([format, path]) => `${path}.format: unrecognized format ${JSON.stringify(format)}`),
      ...ruleWarnings(schema?.openAPIV3Schema ?? {}, `spec.versions[${i}].schema.openAPIV3Schema`),
    ];
  });
}

function unknownFormats(schema: apiextensionsv1.JSONSchemaProps, path: string, found: Map<string, string>): void {
  const { format = '', items, additionalProperties, properties } = schema;
  if (format !== '' && !isKnownFormat(format) && !found.has(format)) found.set(format, path);
  if (items?.schema !== undefined) unknownFormats(items.schema, `${path}.items`, found);
  if (additionalProperties?.schema !== undefined) {
    unknownFormats(additionalProperties.schema, `${path}.additionalProperties`, found);
  }
  for (const [name, property] of Object.entries(properties ?? {})) {
    unknownFormats(property, `${path}.properties[${name}]`, found);
  }
}

/** Its objects go first: the finalizer keeps the definition until they are gone. */
function prepareForDelete(object: Definition, now: string): void {
  if (object.metadata?.deletionTimestamp !== undefined) return;
  const finalizers = object.metadata?.finalizers ?? [];
  object.metadata = { ...object.metadata, finalizers: [...new Set([...finalizers, CLEANUP_FINALIZER])] };
  const terminating = {
    type: 'Terminating',
    status: 'True',
    reason: 'InstanceDeletionPending',
    message: 'CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon',
  };
  object.status = { ...object.status, conditions: setCondition(object.status?.conditions ?? [], terminating, now) };
}

/** The definition of CustomResourceDefinition. */
export const customResourceDefinition: ResourceDefinition<Definition> = {
  type: KINDS.CustomResourceDefinition,
  subresources: { status: true },
  metadataWithStatus: [],
  countsGenerations: true,
  visibleAtOnce: true,
  setDefaults,
  validate: validateDefinition,
  validateUpdate: validateDefinitionUpdate,
  validateStatusUpdate: validateStoredVersions,
  prepareForDelete,
  warnings,
  columns: [nameColumn, { name: 'CREATED AT', cell: (o) => o.metadata?.creationTimestamp ?? '' }],
};
