import type { KubeObject } from '../../../proto/index.ts';
import { UnknownKindError } from '../../resources/registry.ts';
import { removedVersion } from '../../resources/removed-versions.ts';
import { badRequest, didYouMean } from '../api-errors.ts';
import type { AnyDefinition, KindRegistry } from '../services.ts';

/** What a request is about, resolved. */
export interface Target {
  /** The kind, in the version it is stored in. */
  readonly definition: AnyDefinition;
  /** The version the request speaks; see versions.ts. */
  readonly served: AnyDefinition;
  /** Empty for cluster-scoped kinds, and for collections over all namespaces. */
  readonly namespace: string;
  /** Empty for collections and for names yet to be generated. */
  readonly name: string;
  readonly subresource: string;
}

/** A target as it comes in a request. */
export interface TargetFields {
  readonly apiVersion?: string | undefined;
  readonly kind?: string | undefined;
  readonly resource?: string | undefined;
  readonly namespace?: string | undefined;
  readonly name?: string | undefined;
  readonly subresource?: string | undefined;
}

/**
 * Finds the kind a request is about and checks that namespace and scope fit. Throws `BadRequest` in Kubernetes' words for
 * kinds and resources that are not served, with the nearest name or the version to use instead.
 */
export function resolveTarget(fields: TargetFields | undefined, registry: KindRegistry): Target {
  const served = resolveKind(fields ?? {}, registry);
  const definition = storedDefinition(served, registry);
  return {
    definition,
    served,
    // Clients give their default namespace with everything; for a cluster-scoped kind it has no meaning.
    namespace: definition.type.namespaced ? (fields?.namespace ?? '') : '',
    name: fields?.name ?? '',
    subresource: checkSubresource(definition, fields?.subresource ?? ''),
  };
}

function storedDefinition(served: AnyDefinition, registry: KindRegistry): AnyDefinition {
  if (served.storedAs === undefined) return served;
  const { apiVersion, kind } = served.storedAs.type;
  const stored = registry.findDefinition(apiVersion, kind);
  if (stored === undefined)
    throw new Error(`${served.type.apiVersion} ${kind} is stored as ${apiVersion}, which is not served`);
  return stored;
}

function resolveKind(fields: TargetFields, registry: KindRegistry): AnyDefinition {
  const { apiVersion = '', kind = '', resource = '' } = fields;
  if (resource !== '') return registry.resolveResource(resource);
  if (kind === '' || apiVersion === '') {
    throw badRequest(
      `Object 'Kind' or 'apiVersion' is missing: the request names kind "${kind}" in version "${apiVersion}"`,
    );
  }
  return registry.findDefinition(apiVersion, kind) ?? unknownKind(apiVersion, kind, registry);
}

function unknownKind(apiVersion: string, kind: string, registry: KindRegistry): never {
  const hint = kindHint(apiVersion, kind, registry);
  throw new UnknownKindError('BadRequest', `no matches for kind "${kind}" in version "${apiVersion}"${hint}`);
}

function kindHint(apiVersion: string, kind: string, registry: KindRegistry): string {
  const removed = removedVersion(apiVersion, kind);
  if (removed !== undefined) {
    const instead = removed.use === undefined ? (removed.advice ?? '') : `use apiVersion ${removed.use}`;
    return `: Kubernetes ${removed.since} removed it; ${instead}`;
  }
  const elsewhere = registry.definitions.filter(({ type }) => type.kind === kind).map(({ type }) => type.apiVersion);
  if (elsewhere.length > 0) return `; use apiVersion ${elsewhere.join(' or ')}`;
  const kinds = registry.definitions.map(({ type }) => type.kind);
  return didYouMean(kind, kinds);
}

function checkSubresource(definition: AnyDefinition, subresource: string): string {
  if (subresource === '') return '';
  const has: Readonly<Record<string, unknown>> = definition.subresources ?? {};
  if (Object.hasOwn(has, subresource) && has[subresource]) return subresource;
  throw badRequest(
    `the server could not find the requested resource: ${definition.type.plural} have no subresource "${subresource}"`,
  );
}

/** The namespace of an object about to be written: the target's and the object's own must agree. Throws `BadRequest`. */
export function namespaceForWrite(target: Target, object: KubeObject): string {
  if (!target.definition.type.namespaced) return '';
  const own = object.metadata?.namespace ?? '';
  if (target.namespace !== '' && own !== '' && own !== target.namespace) {
    throw badRequest(
      `the namespace of the provided object does not match the namespace sent on the request (${own} and ${target.namespace})`,
    );
  }
  const namespace = own === '' ? target.namespace : own;
  if (namespace === '') throw badRequest('an empty namespace may not be set during creation');
  return namespace;
}

/** The name an object is written under: the target's and the object's own must agree. Throws `BadRequest`. */
export function nameForWrite(target: Target, object: KubeObject): string {
  const own = object.metadata?.name ?? '';
  if (target.name !== '' && own !== '' && own !== target.name) {
    throw badRequest(`the name of the object (${own}) does not match the name on the request (${target.name})`);
  }
  return own === '' ? target.name : own;
}

/** The target's name, which a request for one object must have. Throws `BadRequest`. */
export function requireName(target: Target): string {
  if (target.name === '') throw badRequest(`the request names no object of ${target.definition.type.plural}`);
  if (target.definition.type.namespaced && target.namespace === '') {
    throw badRequest(`the request names no namespace for ${target.definition.type.plural} "${target.name}"`);
  }
  return target.name;
}
