/** ReplicaSet: keeps a number of identical pods. */
import type { ErrorCause } from '../../lib/errors.ts';
import { formatLabelSelector, labelRequirements } from '../../lib/selectors.ts';
import { type appsv1, KINDS, toJson } from '../../proto/index.ts';
import { ageColumn, joined, NONE, nameColumn } from './columns.ts';
import type { ColumnDefinition, ResourceDefinition, ScaleDefinition } from './definition.ts';
import { defaultPodTemplate } from './pod-spec/defaults.ts';
import { validatePodTemplate } from './pod-spec/validate.ts';
import { podSpecWarnings } from './pod-spec/warnings.ts';
import { notNegative, required } from './validation/field-errors.ts';
import { immutable } from './validation/immutable.ts';
import { validateWorkloadSelector } from './validation/labels.ts';

type Workload = appsv1.ReplicaSet | appsv1.Deployment;

/** A workload's selector in text form. */
export function selectorText(workload: Workload): string {
  return formatLabelSelector(labelRequirements(workload.spec?.selector) ?? []);
}

/** The wide columns of kinds with a pod template. */
export const templateColumns: readonly ColumnDefinition<Workload>[] = [
  { name: 'CONTAINERS', wide: true, cell: (o) => joined(containers(o).map((c) => c.name ?? '')) },
  { name: 'IMAGES', wide: true, cell: (o) => joined(containers(o).map((c) => c.image ?? '')) },
  { name: 'SELECTOR', wide: true, cell: (o) => selectorText(o) || NONE },
];

function containers(workload: Workload) {
  return workload.spec?.template?.spec?.containers ?? [];
}

/** The scale subresource of kinds with `spec.replicas`. */
export const workloadScale: ScaleDefinition<Workload> = {
  specReplicas: (o) => o.spec?.replicas ?? 0,
  setSpecReplicas: (o, replicas) => {
    o.spec = { ...o.spec, replicas };
  },
  statusReplicas: (o) => o.status?.replicas ?? 0,
  selector: selectorText,
};

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
  prepareForCreate: (object) => {
    object.status = {};
  },
  validate: (object) => validateWorkload(object, 'ReplicaSet'),
  validateUpdate: validateWorkloadUpdate,
  warnings: workloadWarnings,
  columns: [
    nameColumn,
    { name: 'DESIRED', cell: (o) => String(o.spec?.replicas ?? 0) },
    { name: 'CURRENT', cell: (o) => String(o.status?.replicas ?? 0) },
    { name: 'READY', cell: (o) => String(o.status?.readyReplicas ?? 0) },
    ageColumn,
    ...templateColumns,
  ],
  selectableFields: { 'status.replicas': (o) => String(o.status?.replicas ?? 0) },
};
