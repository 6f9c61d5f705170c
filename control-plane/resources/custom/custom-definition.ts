/** From a CustomResourceDefinition to the definitions of its kind, one for each version, with which every verb works. */
import { ApiError, type ErrorCause } from '../../../lib/errors.ts';
import {
  type apiextensionsv1,
  type CustomResource,
  customResourceType,
  type Json,
  type KindSchema,
} from '../../../proto/index.ts';
import type { ResourceDefinition, ScaleDefinition } from '../definition.ts';
import { applyDefaults } from './defaults.ts';
import { explainedKind } from './explained-schema.ts';
import { pruneUnknown, unknownFields } from './known-fields.ts';
import { customMergeNode } from './merge-nodes.ts';
import { printerColumns } from './printer-columns.ts';
import { compileSchema, FREE, isJsonObject, type SchemaNode } from './schema-node.ts';
import { simpleSteps } from './validate-definition.ts';
import { validateRules } from './validate-rules.ts';
import { validateCustomObject } from './validate-value.ts';
import { compareVersions } from './version-order.ts';

type Definition = apiextensionsv1.CustomResourceDefinition;
type Version = apiextensionsv1.CustomResourceDefinitionVersion;
type CustomDefinition = ResourceDefinition<CustomResource>;

/**
 * The definitions of the kind's served versions, the one that clients prefer first. All are stored as one of them: conversion
 * changes nothing but the apiVersion. None when no version is served. Throws when the definition is not a valid one.
 */
export function customDefinitions(definition: Definition): CustomDefinition[] {
  const versions = [...(definition.spec?.versions ?? [])].sort((a, b) => compareVersions(a.name ?? '', b.name ?? ''));
  const roots = new Map(versions.map((version) => [version.name, rootOf(version)]));
  const terminating = definition.metadata?.deletionTimestamp !== undefined;
  // Objects that nobody may read any longer must still go with their definition.
  const served = versions.filter((version) => version.served === true || (terminating && version.storage === true));
  const stored = served.find((version) => version.storage === true) ?? served[0];
  if (stored === undefined) return [];
  const context: Context = { definition, terminating, roots: [...roots.values()] };
  const asStored = build(stored, roots.get(stored.name) ?? FREE, context);
  return served.map((version) =>
    version === stored ? asStored : inVersion(build(version, roots.get(version.name) ?? FREE, context), asStored),
  );
}

interface Context {
  readonly definition: Definition;
  readonly terminating: boolean;
  /** The schemas of all versions. */
  readonly roots: readonly SchemaNode[];
}

function rootOf(version: Version): SchemaNode {
  return version.schema?.openAPIV3Schema === undefined ? FREE : compileSchema(version.schema.openAPIV3Schema);
}

function build(version: Version, root: SchemaNode, { definition, terminating, roots }: Context): CustomDefinition {
  const { group = '', names = {}, scope } = definition.spec ?? {};
  const { acceptedNames = names } = definition.status ?? {};
  const kind: KindSchema = {
    group,
    version: version.name ?? '',
    kind: names.kind ?? '',
    plural: names.plural ?? '',
    singular: acceptedNames.singular ?? names.plural ?? '',
    shortNames: acceptedNames.shortNames ?? [],
    namespaced: scope === 'Namespaced',
  };
  const type = customResourceType(kind);
  const hasStatus = version.subresources?.status !== undefined;
  const scale = version.subresources?.scale;
  return {
    type,
    custom: {
      definedBy: definition.metadata?.name ?? '',
      terminating,
      schema: () => explainedKind(kind.kind, root),
      root,
      deprecation: deprecationOf(version, type),
    },
    categories: acceptedNames.categories ?? [],
    countsGenerations: true,
    metadataWithStatus: [],
    subresources: { status: hasStatus, ...(scale === undefined ? {} : { scale: scaleBy(scale) }) },
    mergeNode: () => customMergeNode(root),
    afterRead: (object) => pruneUnknown(roots, object),
    unknownFields: (object) => unknownFields(roots, object),
    setDefaults: (object) => applyDefaults(root, object),
    ...(hasStatus ? { prepareForCreate: (object: CustomResource) => void delete object.status } : {}),
    validate: (object) => checked(root, object),
    validateUpdate: (object, old) => validateRules(root, object, old),
    validateStatusUpdate: (object, old) =>
      statusCauses([...checked(root, object), ...validateRules(root, object, old)]),
    columns: printerColumns(version.additionalPrinterColumns),
    selectableFields: selectable(version.selectableFields ?? []),
  };
}

/** What the schema has against the object; rules are asked about objects that have its form. */
function checked(root: SchemaNode, object: CustomResource): ErrorCause[] {
  const causes = validateCustomObject(root, object);
  return causes.length > 0 ? causes : validateRules(root, object);
}

/** Problems of what a write of the status does not write are not its own. */
function statusCauses(causes: readonly ErrorCause[]): ErrorCause[] {
  return causes.filter(({ field }) => field === 'status' || /^status[.[]/.test(field));
}

function inVersion(version: CustomDefinition, stored: CustomDefinition): CustomDefinition {
  const { apiVersion } = version.type;
  return {
    ...version,
    storedAs: {
      type: stored.type,
      toStored: (object) => ({ ...object, apiVersion: stored.type.apiVersion }),
      fromStored: (object) => {
        const converted: CustomResource = { ...(object as CustomResource), apiVersion };
        version.setDefaults?.(converted);
        return converted;
      },
    },
  };
}

function deprecationOf(
  version: Version,
  type: { readonly apiVersion: string; readonly kind: string },
): string | undefined {
  if (version.deprecated !== true) return undefined;
  return version.deprecationWarning ?? `${type.apiVersion} ${type.kind} is deprecated`;
}

/** The value at a path of names; undefined where there is none. */
function valueAt(object: object, steps: readonly string[]): Json | undefined {
  let value: unknown = object;
  for (const step of steps) {
    if (!isJsonObject(value) || !Object.hasOwn(value, step)) return undefined;
    value = value[step];
  }
  return value as Json;
}

function scaleBy(scale: apiextensionsv1.CustomResourceSubresourceScale): ScaleDefinition<CustomResource> {
  const specPath = simpleSteps(scale.specReplicasPath ?? '') ?? [];
  const statusPath = simpleSteps(scale.statusReplicasPath ?? '') ?? [];
  const selectorPath = simpleSteps(scale.labelSelectorPath ?? '') ?? [];
  return {
    specReplicas: (object) => {
      const replicas = valueAt(object, specPath);
      if (typeof replicas === 'number') return replicas;
      throw new ApiError(
        'BadRequest',
        `the spec replicas field ${JSON.stringify(scale.specReplicasPath)} does not exist`,
      );
    },
    setSpecReplicas: (object, replicas) => setAt(object, specPath, replicas),
    statusReplicas: (object) => {
      const replicas = valueAt(object, statusPath);
      return typeof replicas === 'number' ? replicas : 0;
    },
    selector: (object) => {
      const selector = selectorPath.length === 0 ? undefined : valueAt(object, selectorPath);
      return typeof selector === 'string' ? selector : '';
    },
  };
}

function setAt(object: CustomResource, steps: readonly string[], value: number): void {
  let at = object as { [key: string]: unknown };
  for (const step of steps.slice(0, -1)) {
    const next = Object.hasOwn(at, step) && isJsonObject(at[step]) ? at[step] : {};
    at[step] = next;
    at = next;
  }
  at[steps.at(-1) ?? ''] = value;
}

function selectable(
  fields: readonly apiextensionsv1.SelectableField[],
): Record<string, (object: CustomResource) => string> {
  const entries = fields.map(({ jsonPath = '' }) => {
    const steps = simpleSteps(jsonPath) ?? [];
    const read = (object: CustomResource): string => {
      const value = valueAt(object, steps);
      return value === undefined || value === null || typeof value === 'object' ? '' : String(value);
    };
    return [jsonPath.slice(1), read] as const;
  });
  return Object.fromEntries(entries);
}
