/** Deployment: rolls pods from one template to the next through ReplicaSets. */
import type { ErrorCause } from '../../lib/errors.ts';
import { type appsv1, KINDS } from '../../proto/index.ts';
import { ageColumn, nameColumn } from './columns.ts';
import type { ResourceDefinition } from './definition.ts';
import { defaultPodTemplate } from './pod-spec/defaults.ts';
import {
  templateColumns,
  validateWorkload,
  validateWorkloadUpdate,
  workloadScale,
  workloadWarnings,
} from './replica-set.ts';
import { validateStrategy } from './rolling-strategy.ts';
import { startWithoutStatus } from './start-without-status.ts';
import { invalid, notNegative } from './validation/field-errors.ts';

const PROGRESS_DEADLINE_SECONDS = 600;
const REVISION_HISTORY_LIMIT = 10;

function setDefaults(object: appsv1.Deployment): void {
  const spec = object.spec;
  if (spec === undefined) return;
  spec.replicas ??= 1;
  spec.revisionHistoryLimit ??= REVISION_HISTORY_LIMIT;
  spec.progressDeadlineSeconds ??= PROGRESS_DEADLINE_SECONDS;
  spec.strategy ??= {};
  spec.strategy.type ??= 'RollingUpdate';
  if (spec.strategy.type === 'RollingUpdate') {
    spec.strategy.rollingUpdate ??= {};
    spec.strategy.rollingUpdate.maxSurge ??= '25%';
    spec.strategy.rollingUpdate.maxUnavailable ??= '25%';
  }
  if (spec.template !== undefined) defaultPodTemplate(spec.template);
}

function validate(object: appsv1.Deployment): ErrorCause[] {
  const { minReadySeconds = 0, progressDeadlineSeconds, revisionHistoryLimit, strategy } = object.spec ?? {};
  const causes = [
    ...validateWorkload(object, 'Deployment'),
    ...validateStrategy(strategy, 'spec.strategy'),
    ...notNegative('spec.revisionHistoryLimit', revisionHistoryLimit),
    ...notNegative('spec.progressDeadlineSeconds', progressDeadlineSeconds),
  ];
  if (progressDeadlineSeconds !== undefined && progressDeadlineSeconds <= minReadySeconds) {
    const why = 'must be greater than minReadySeconds';
    causes.push(invalid('spec.progressDeadlineSeconds', progressDeadlineSeconds, why));
  }
  return causes;
}

/** The definition of Deployment. */
export const deployment: ResourceDefinition<appsv1.Deployment> = {
  type: KINDS.Deployment,
  subresources: { status: true, scale: workloadScale },
  metadataWithStatus: ['annotations'],
  setDefaults,
  prepareForCreate: startWithoutStatus,
  validate,
  validateUpdate: validateWorkloadUpdate,
  warnings: workloadWarnings,
  columns: [
    nameColumn,
    { name: 'READY', cell: (o) => `${o.status?.readyReplicas ?? 0}/${o.spec?.replicas ?? 0}` },
    { name: 'UP-TO-DATE', cell: (o) => String(o.status?.updatedReplicas ?? 0) },
    { name: 'AVAILABLE', cell: (o) => String(o.status?.availableReplicas ?? 0) },
    ageColumn,
    ...templateColumns,
  ],
};
