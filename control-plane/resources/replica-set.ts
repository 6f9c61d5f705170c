/** ReplicaSet: keeps a number of identical pods. */
import type { ErrorCause } from '../../lib/errors.ts';
import { type appsv1, KINDS, toJson } from '../../proto/index.ts';
import { ageColumn, nameColumn } from './columns.ts';
import type { ColumnDefinition, ResourceDefinition, ScaleDefinition } from './definition.ts';
import { defaultPodTemplate } from './pod-spec/defaults.ts';
import { validatePodTemplate } from './pod-spec/validate.ts';
import { podSpecWarnings } from './pod-spec/warnings.ts';
import { containerColumns, selectorCell, selectorText } from './pod-template-columns.ts';
import { replicaColumns, replicaScale } from './replicas.ts';
import { startWithoutStatus } from './start-without-status.ts';
import { notNegative, required } from './validation/field-errors.ts';
import { immutable } from './validation/immutable.ts';
import { validateWorkloadSelector } from './validation/labels.ts';

type Workload = appsv1.ReplicaSet | appsv1.Deployment;

/** The wide columns of ReplicaSets and Deployments. */
export const templateColumns: readonly ColumnDefinition<Workload>[] = [
  ...containerColumns<Workload>((o) => o.spec?.template),
  { name: 'SELECTOR', wide: true, cell: (o) => selectorCell(o.spec?.selector) },
];

/** The scale subresource of ReplicaSets and Deployments. */
export const workloadScale: ScaleDefinition<Workload> = replicaScale((o) => selectorText(o.spec?.selector));

function setDefaults(object: appsv1.ReplicaSet): void {
  const spec = object.spec;
  if (spec === undefined) return;
  spec.replicas ??= 1;
  if (spec.template !== undefined) defaultPodTemplate(spec.template);
}

/** Everything wrong with what ReplicaSets and Deployments have in common. */
export function validateWorkload(object: Workload, kind: string): ErrorCause[] {
  const spec = object.spec ?? {};
  return [
    ...notNegative('spec.replicas', spec.replicas),
    ...notNegative('spec.minReadySeconds', spec.minReadySeconds),
    ...validateWorkloadSelector(spec.selector, spec.template?.metadata?.labels, kind),
    ...(spec.template === undefined ? [required('spec.template')] : []),
    ...validatePodTemplate(spec.template, 'spec.template', kind),
  ];
}

/** What of a ReplicaSet or Deployment may not change. */
export function validateWorkloadUpdate(object: Workload, old: Workload): ErrorCause[] {
  const plain = (workload: Workload) => toJson('skiff.meta.v1.LabelSelector', workload.spec?.selector ?? {});
  return immutable('spec.selector', plain(object), plain(old));
}

/** Warnings about a workload's template. */
export function workloadWarnings(object: Workload): string[] {
  return podSpecWarnings(object.spec?.template?.spec, 'spec.template.spec');
}

/** The definition of ReplicaSet. */
export const replicaSet: ResourceDefinition<appsv1.ReplicaSet> = {
  type: KINDS.ReplicaSet,
  subresources: { status: true, scale: workloadScale },
  setDefaults,
  prepareForCreate: startWithoutStatus,
  validate: (object) => validateWorkload(object, 'ReplicaSet'),
  validateUpdate: validateWorkloadUpdate,
  warnings: workloadWarnings,
  columns: [nameColumn, ...replicaColumns, ageColumn, ...templateColumns],
  selectableFields: { 'status.replicas': (o) => String(o.status?.replicas ?? 0) },
};
