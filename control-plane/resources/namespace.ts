/** Namespace: a scope for names. It stays, Terminating, until its contents are gone and its spec finalizers are empty. */
import { type corev1, KINDS } from '../../proto/index.ts';
import { ageColumn, nameColumn } from './columns.ts';
import type { ResourceDefinition } from './definition.ts';
import { validateFinalizers } from './metadata.ts';
import { sortedKeys } from './sorted-keys.ts';

const NAME_LABEL = 'kubernetes.io/metadata.name';

/** The finalizer that keeps a namespace until its contents are deleted. */
export const NAMESPACE_FINALIZER = 'kubernetes';

function setDefaults(namespace: corev1.Namespace): void {
  const metadata = namespace.metadata;
  const name = metadata?.name ?? '';
  if (metadata !== undefined && name !== '' && metadata.labels?.[NAME_LABEL] !== name) {
    metadata.labels = sortedKeys({ ...metadata.labels, [NAME_LABEL]: name });
  }
  namespace.status = { phase: 'Active', ...namespace.status };
}

/** The definition of Namespace. */
export const namespace: ResourceDefinition<corev1.Namespace> = {
  type: KINDS.Namespace,
  nameRule: 'dnsLabel',
  subresources: { status: true, finalize: true },
  setDefaults,
  prepareForCreate: (object) => {
    object.status = { phase: 'Active' };
    const finalizers = object.spec?.finalizers ?? [];
    if (!finalizers.includes(NAMESPACE_FINALIZER)) object.spec = { finalizers: [...finalizers, NAMESPACE_FINALIZER] };
  },
  prepareForUpdate: (object, old) => {
    object.spec = { ...object.spec, finalizers: old.spec?.finalizers };
  },
  validate: (object) => validateFinalizers(object.spec?.finalizers ?? [], 'spec.finalizers'),
  columns: [nameColumn, { name: 'STATUS', cell: (o) => o.status?.phase ?? '' }, ageColumn],
  selectableFields: { 'status.phase': (o) => o.status?.phase ?? '' },
};
