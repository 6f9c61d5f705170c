/** The rules of `metadata`, the same for every kind. */
import type { ErrorCause } from '../../lib/errors.ts';
import { dnsLabel, dnsSubdomain, type NameRule, pathSegment, qualifiedName } from '../../lib/name-rules.ts';
import type { metav1 } from '../../proto/index.ts';
import type { AnyDefinition } from './registry.ts';
import { byRule, forbidden, invalid, notNegative, required } from './validation/field-errors.ts';
import { immutable } from './validation/immutable.ts';
import { validateAnnotations, validateLabels } from './validation/labels.ts';

const RULES: Readonly<Record<'dnsLabel' | 'dnsSubdomain' | 'pathSegment', NameRule>> = {
  dnsLabel,
  dnsSubdomain,
  pathSegment,
};

/** Finalizers that need no prefix. */
const PLAIN_FINALIZERS: ReadonlySet<string> = new Set([
  'kubernetes',
  'orphan',
  'foregroundDeletion',
  'customresourcecleanup.apiextensions.k8s.io',
]);

/** Everything wrong with the metadata of an object of that kind. */
export function validateMetadata(definition: AnyDefinition, metadata: metav1.ObjectMeta = {}): ErrorCause[] {
  return [
    ...validateName(definition, metadata),
    ...validateNamespace(definition, metadata.namespace ?? ''),
    ...notNegative('metadata.generation', metadata.generation),
    ...validateLabels(metadata.labels, 'metadata.labels'),
    ...validateAnnotations(metadata.annotations, 'metadata.annotations'),
    ...validateFinalizers(metadata.finalizers ?? [], 'metadata.finalizers', definition.custom !== undefined),
    ...validateOwners(metadata.ownerReferences ?? []),
  ];
}

/** What of the metadata may not change from `old` to `metadata`. */
export function validateMetadataUpdate(metadata: metav1.ObjectMeta = {}, old: metav1.ObjectMeta = {}): ErrorCause[] {
  const causes: ErrorCause[] = [];
  for (const name of ['name', 'namespace', 'uid', 'creationTimestamp'] as const) {
    if (metadata[name] !== undefined) causes.push(...immutable(`metadata.${name}`, metadata[name], old[name]));
  }
  if (old.deletionTimestamp !== undefined) {
    const added = (metadata.finalizers ?? []).filter((name) => !(old.finalizers ?? []).includes(name));
    if (added.length > 0) {
      const why = `no new finalizers can be added if the object is being deleted, found new finalizers ${added.join(', ')}`;
      causes.push(forbidden('metadata.finalizers', why));
    }
  }
  return causes;
}

function validateName(definition: AnyDefinition, metadata: metav1.ObjectMeta): ErrorCause[] {
  const rule = RULES[definition.nameRule ?? 'dnsSubdomain'];
  const { name = '', generateName = '' } = metadata;
  const causes: ErrorCause[] = [];
  if (name === '' && generateName === '') {
    causes.push(required('metadata.name', 'name or generateName is required'));
  }
  // The generated part is letters and digits: a prefix may end in a dash.
  if (generateName !== '') {
    causes.push(...rule(`${generateName}a`).map((problem) => invalid('metadata.generateName', generateName, problem)));
  }
  if (name !== '') causes.push(...byRule('metadata.name', name, rule));
  return causes;
}

function validateNamespace(definition: AnyDefinition, namespace: string): ErrorCause[] {
  if (definition.type.namespaced) {
    return namespace === '' ? [required('metadata.namespace')] : byRule('metadata.namespace', namespace, dnsLabel);
  }
  return namespace === '' ? [] : [forbidden('metadata.namespace', 'not allowed on this type')];
}

/** Everything wrong with a list of finalizers. Those of custom kinds may have any name. */
export function validateFinalizers(names: readonly string[], path: string, anyName = false): ErrorCause[] {
  return names.flatMap((name, i) =>
    anyName ? byRule(`${path}[${i}]`, name, qualifiedName) : validateFinalizer(name, `${path}[${i}]`),
  );
}

function validateFinalizer(name: string, field: string): ErrorCause[] {
  const causes = byRule(field, name, qualifiedName);
  if (causes.length === 0 && !name.includes('/') && !PLAIN_FINALIZERS.has(name)) {
    causes.push(invalid(field, name, 'name is neither a standard finalizer name nor is it fully qualified'));
  }
  return causes;
}

function validateOwners(owners: readonly metav1.OwnerReference[]): ErrorCause[] {
  const controllers = owners.filter((owner) => owner.controller === true);
  if (controllers.length < 2) return [];
  const names = controllers.map((owner) => `${owner.kind}/${owner.name}`);
  const why = `Only one reference can have Controller set to true. Found "true" in references for ${names.join(' and ')}`;
  return [invalid('metadata.ownerReferences', names, why)];
}
