/** ReplicationController: the ReplicaSet's forerunner, with a selector of plain labels. */
import type { ErrorCause } from '../../lib/errors.ts';
import { type corev1, KINDS } from '../../proto/index.ts';
import { ageColumn, nameColumn } from './columns.ts';
import type { ResourceDefinition } from './definition.ts';
import { podNameWarnings } from './name-warnings.ts';
import { defaultPodTemplate } from './pod-spec/defaults.ts';
import { validatePodTemplate } from './pod-spec/validate.ts';
import { podSpecWarnings } from './pod-spec/warnings.ts';
import { containerColumns, labelsCell, labelsText } from './pod-template-columns.ts';
import { replicaColumns, replicaScale } from './replicas.ts';
import { startWithoutStatus } from './start-without-status.ts';
import { invalid, notNegative } from './validation/field-errors.ts';
import { countsNotNegative, countsWithin } from './validation/status-counts.ts';

type Labels = Readonly<Record<string, string>>;

function setDefaults(object: corev1.ReplicationController): void {
  const spec = object.spec;
  if (spec === undefined) return;
  spec.replicas ??= 1;
  const labels = spec.template?.metadata?.labels ?? {};
  if (!isEmpty(labels)) {
    if (isEmpty(spec.selector ?? {})) spec.selector = { ...labels };
    if (isEmpty(object.metadata?.labels ?? {})) object.metadata = { ...object.metadata, labels: { ...labels } };
  }
  if (spec.template !== undefined) defaultPodTemplate(spec.template);
}

function isEmpty(labels: Labels): boolean {
  return Object.keys(labels).length === 0;
}

function validate(object: corev1.ReplicationController): ErrorCause[] {
  const { replicas, minReadySeconds, selector = {}, template } = object.spec ?? {};
  const labels: Labels = template?.metadata?.labels ?? {};
  const isMatch = Object.entries(selector).every(([key, value]) => labels[key] === value);
  return [
    ...notNegative('spec.replicas', replicas),
    ...notNegative('spec.minReadySeconds', minReadySeconds),
    ...(template === undefined || isMatch
      ? []
      : [invalid('spec.template.metadata.labels', labels, '`selector` does not match template `labels`')]),
    ...validatePodTemplate(template, 'spec.template', 'ReplicationController'),
  ];
}

/** Kubernetes' examples have one without selector and labels: it is kept, and selects nothing. */
function selectorWarnings({ spec }: corev1.ReplicationController): string[] {
  const why = 'spec.selector: neither the selector nor the template has labels, so no pod is selected';
  return isEmpty(spec?.selector ?? {}) ? [why] : [];
}

function validateStatusUpdate({ status }: corev1.ReplicationController): ErrorCause[] {
  const parts = ['fullyLabeledReplicas', 'readyReplicas', 'availableReplicas'];
  const counts = status as Readonly<Record<string, unknown>> | undefined;
  return [
    ...countsNotNegative(counts, ['replicas', ...parts, 'observedGeneration']),
    ...countsWithin(counts, 'replicas', parts),
    ...countsWithin(counts, 'readyReplicas', ['availableReplicas']),
  ];
}

/** The definition of ReplicationController. */
export const replicationController: ResourceDefinition<corev1.ReplicationController> = {
  type: KINDS.ReplicationController,
  subresources: {
    status: true,
    scale: replicaScale((o) => labelsText(o.spec?.selector)),
  },
  setDefaults,
  prepareForCreate: startWithoutStatus,
  validate,
  validateStatusUpdate,
  warnings: (object) => [
    ...podNameWarnings(object),
    ...selectorWarnings(object),
    ...podSpecWarnings(object.spec?.template?.spec, 'spec.template.spec'),
  ],
  columns: [
    nameColumn,
    ...replicaColumns,
    ageColumn,
    ...containerColumns<corev1.ReplicationController>((o) => o.spec?.template),
    { name: 'SELECTOR', wide: true, cell: (o) => labelsCell(o.spec?.selector) },
  ],
  selectableFields: { 'status.replicas': (o) => String(o.status?.replicas ?? 0) },
  // What the API does by itself, as in Kubernetes; `delete` of the command line asks for the background.
  defaultPropagation: 'Orphan',
};
