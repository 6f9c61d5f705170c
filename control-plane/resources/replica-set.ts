/** ReplicaSet: keeps a number of identical pods. */
import { formatLabelSelector, labelRequirements } from '../../lib/selectors.ts';
import { type appsv1, KINDS } from '../../proto/index.ts';
import { ageColumn, joined, NONE, nameColumn } from './columns.ts';
import type { ColumnDefinition, ResourceDefinition, ScaleDefinition } from './definition.ts';
import { defaultPodTemplate } from './pod-spec/defaults.ts';

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

/** The definition of ReplicaSet. */
export const replicaSet: ResourceDefinition<appsv1.ReplicaSet> = {
  type: KINDS.ReplicaSet,
  subresources: { status: true, scale: workloadScale },
  setDefaults,
  prepareForCreate: (object) => {
    object.status = {};
  },
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
