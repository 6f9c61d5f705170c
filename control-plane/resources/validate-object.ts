/** The whole validation of a write, for the API: schema, metadata and the kind's own rules, all problems at once. */
import { ApiError, type ErrorCause } from '../../lib/errors.ts';
import type { KubeObject } from '../../proto/index.ts';
import { validateMetadata, validateMetadataUpdate } from './metadata.ts';
import type { AnyDefinition } from './registry.ts';
import { checkAgainstSchema } from './validation/schema-checks.ts';

/** Everything wrong with a new, defaulted object. */
export function validateObject(definition: AnyDefinition, object: KubeObject): ErrorCause[] {
  return distinct([...validateAnyVersion(definition, object), ...(definition.validateCreate?.(object) ?? [])]);
}

function validateAnyVersion(definition: AnyDefinition, object: KubeObject): ErrorCause[] {
  return [
    ...validateMetadata(definition, object.metadata),
    ...checkAgainstSchema(definition.type.messageName, object),
    ...(definition.validate?.(object) ?? []),
  ];
}

/** Everything wrong with an object that replaces `old`: the rules of a new one, and what may not change. */
export function validateObjectUpdate(definition: AnyDefinition, object: KubeObject, old: KubeObject): ErrorCause[] {
  return distinct([
    ...validateMetadataUpdate(object.metadata, old.metadata),
    ...validateAnyVersion(definition, object),
    ...(definition.validateUpdate?.(object, old) ?? []),
  ]);
}

/** Everything wrong with a write of the status through that subresource. */
export function validateObjectStatus(
  definition: AnyDefinition,
  object: KubeObject,
  { old, subresource }: { readonly old: KubeObject; readonly subresource: string },
): ErrorCause[] {
  return distinct([
    ...validateMetadata(definition, object.metadata),
    ...validateMetadataUpdate(object.metadata, old.metadata),
    ...(definition.validateStatusUpdate?.(object, old, subresource) ?? []),
  ]);
}

/** The refusal of a write: `Deployment.apps "web" is invalid: spec.replicas: Invalid value: …`. */
export function invalidObject(definition: AnyDefinition, name: string, causes: readonly ErrorCause[]): ApiError {
  const { kind, group } = definition.type;
  const what = group === '' ? kind : `${kind}.${group}`;
  const lines = causes.map((c) => (c.field === '' ? c.message : `${c.field}: ${c.message}`));
  const list = lines.length === 1 ? lines[0] : `[${lines.join(', ')}]`;
  return new ApiError('Invalid', `${what} ${JSON.stringify(name)} is invalid: ${list}`, { causes });
}

function distinct(causes: readonly ErrorCause[]): ErrorCause[] {
  return [...new Map(causes.map((cause) => [`${cause.field} ${cause.message}`, cause])).values()];
}
