/** Refusals in Kubernetes' words, so that people and scripts find what they know. */
import { ApiError, type ErrorCause } from '../../lib/errors.ts';
import { nearestName, type ResourceType } from '../../proto/index.ts';

/** `deployments.apps`, or `pods` for the core group. */
export function qualifiedPlural(type: ResourceType): string {
  return type.group === '' ? type.plural : `${type.plural}.${type.group}`;
}

/** `Deployment.apps`, or `Pod` for the core group. */
export function qualifiedKind(type: ResourceType): string {
  return type.group === '' ? type.kind : `${type.kind}.${type.group}`;
}

/** The object is not there. */
export function notFound(type: ResourceType, name: string): ApiError {
  return new ApiError('NotFound', `${qualifiedPlural(type)} "${name}" not found`);
}

/** An object of this name is there already. */
export function alreadyExists(type: ResourceType, name: string): ApiError {
  return new ApiError('AlreadyExists', `${qualifiedPlural(type)} "${name}" already exists`);
}

/** Somebody else changed the object since the caller read it. */
export function modifiedConflict(type: ResourceType, name: string): ApiError {
  return conflict(
    type,
    name,
    'the object has been modified; please apply your changes to the latest version and try again',
  );
}

/** The operation does not fit the object as it is. */
export function conflict(type: ResourceType, name: string, because: string): ApiError {
  return new ApiError('Conflict', `Operation cannot be fulfilled on ${qualifiedPlural(type)} "${name}": ${because}`);
}

/** Everything wrong with an object, in one error. */
export function invalid(type: ResourceType, name: string, causes: readonly ErrorCause[]): ApiError {
  const parts = causes.map((cause) => (cause.field === '' ? cause.message : `${cause.field}: ${cause.message}`));
  const list = parts.length === 1 ? parts[0] : `[${parts.join(', ')}]`;
  return new ApiError('Invalid', `${qualifiedKind(type)} "${name}" is invalid: ${list}`, { causes });
}

/** The caller may not. */
export function forbidden(
  type: ResourceType,
  name: string,
  because: string,
  causes: readonly ErrorCause[] = [],
): ApiError {
  const quoted = name === '' ? '' : ` "${name}"`;
  return new ApiError('Forbidden', `${qualifiedPlural(type)}${quoted} is forbidden: ${because}`, { causes });
}

/** A request that makes no sense whatever the state of the cluster. */
export function badRequest(message: string, causes: readonly ErrorCause[] = []): ApiError {
  return new ApiError('BadRequest', message, { causes });
}

/** ` (did you mean "x"?)`, or nothing when no name is near. */
export function didYouMean(typed: string, names: readonly string[]): string {
  const nearest = nearestName(typed, names);
  return nearest === undefined ? '' : ` (did you mean "${nearest}"?)`;
}
