/** HorizontalPodAutoscaler: changes the number of pods of a workload with their load. */
import type { ErrorCause } from '../../lib/errors.ts';
import { type autoscalingv2, KINDS } from '../../proto/index.ts';
import { ageColumn, nameColumn } from './columns.ts';
import type { ColumnDefinition, ResourceDefinition } from './definition.ts';
import { defaultBehavior, validateBehavior } from './hpa-behavior.ts';
import { validateMetric, validateReference } from './hpa-metrics.ts';
import { targetsText } from './hpa-targets-text.ts';
import { startWithoutStatus } from './start-without-status.ts';
import { invalid, notNegative } from './validation/field-errors.ts';

const CPU_PERCENT = 80;

function setDefaults({ spec }: autoscalingv2.HorizontalPodAutoscaler): void {
  if (spec === undefined) return;
  spec.minReplicas ??= 1;
  if ((spec.metrics ?? []).length === 0) {
    const target = { type: 'Utilization', averageUtilization: CPU_PERCENT };
    spec.metrics = [{ type: 'Resource', resource: { name: 'cpu', target } }];
  }
  if (spec.behavior !== undefined) defaultBehavior(spec.behavior);
}

function validate({ spec }: autoscalingv2.HorizontalPodAutoscaler): ErrorCause[] {
  const { minReplicas, maxReplicas = 0, metrics = [], scaleTargetRef, behavior } = spec ?? {};
  const causes: ErrorCause[] = [];
  if (minReplicas !== undefined && minReplicas < 1) {
    causes.push(invalid('spec.minReplicas', minReplicas, 'must be greater than or equal to 1'));
  }
  if (maxReplicas < 1) causes.push(invalid('spec.maxReplicas', maxReplicas, 'must be greater than 0'));
  if (minReplicas !== undefined && maxReplicas < minReplicas) {
    causes.push(invalid('spec.maxReplicas', maxReplicas, 'must be greater than or equal to `minReplicas`'));
  }
  return [
    ...causes,
    ...validateReference(scaleTargetRef, 'spec.scaleTargetRef'),
    ...metrics.flatMap((metric, i) => validateMetric(metric, `spec.metrics[${i}]`)),
    ...validateBehavior(behavior, 'spec.behavior'),
  ];
}

/** What both versions show. */
export const autoscalerColumns: readonly ColumnDefinition<autoscalingv2.HorizontalPodAutoscaler>[] = [
  nameColumn,
  { name: 'REFERENCE', cell: ({ spec }) => `${spec?.scaleTargetRef?.kind ?? ''}/${spec?.scaleTargetRef?.name ?? ''}` },
  { name: 'TARGETS', cell: targetsText },
  { name: 'MINPODS', cell: ({ spec }) => String(spec?.minReplicas ?? '<unset>') },
  { name: 'MAXPODS', cell: ({ spec }) => String(spec?.maxReplicas ?? 0) },
  { name: 'REPLICAS', cell: ({ status }) => String(status?.currentReplicas ?? 0) },
  ageColumn,
];

/** The definition of HorizontalPodAutoscaler in autoscaling/v2, the version in which it is stored. */
export const horizontalPodAutoscaler: ResourceDefinition<autoscalingv2.HorizontalPodAutoscaler> = {
  type: KINDS.HorizontalPodAutoscaler,
  subresources: { status: true },
  setDefaults,
  prepareForCreate: startWithoutStatus,
  validate,
  validateStatusUpdate: ({ status }) => [
    ...notNegative('status.currentReplicas', status?.currentReplicas),
    ...notNegative('status.desiredReplicas', status?.desiredReplicas),
  ],
  columns: autoscalerColumns,
};
