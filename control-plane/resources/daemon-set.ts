/** DaemonSet: one pod on each node. */
import type { ErrorCause } from '../../lib/errors.ts';
import { type appsv1, KINDS } from '../../proto/index.ts';
import { ageColumn, nameColumn } from './columns.ts';
import type { ResourceDefinition } from './definition.ts';
import { podNameWarnings } from './name-warnings.ts';
import { defaultPodTemplate } from './pod-spec/defaults.ts';
import { validatePodTemplate } from './pod-spec/validate.ts';
import { podSpecWarnings } from './pod-spec/warnings.ts';
import { containerColumns, labelsCell, selectorCell } from './pod-template-columns.ts';
import { isNoPod, validateRollingCount } from './rolling-counts.ts';
import { startWithoutStatus } from './start-without-status.ts';
import { invalid, notNegative, required } from './validation/field-errors.ts';
import { immutableMessage } from './validation/immutable.ts';
import { validateWorkloadSelector } from './validation/labels.ts';
import { collisionsNotFewer, countsNotNegative } from './validation/status-counts.ts';

const REVISION_HISTORY_LIMIT = 10;

type Counts = Readonly<Record<string, unknown>> | undefined;

function setDefaults(object: appsv1.DaemonSet): void {
  const spec = object.spec;
  if (spec === undefined) return;
  spec.revisionHistoryLimit ??= REVISION_HISTORY_LIMIT;
  spec.updateStrategy ??= {};
  spec.updateStrategy.type ??= 'RollingUpdate';
  if (spec.updateStrategy.type === 'RollingUpdate') {
    spec.updateStrategy.rollingUpdate ??= {};
    spec.updateStrategy.rollingUpdate.maxUnavailable ??= '1';
    spec.updateStrategy.rollingUpdate.maxSurge ??= '0';
  }
  if (spec.template !== undefined) defaultPodTemplate(spec.template);
}

function validate(object: appsv1.DaemonSet): ErrorCause[] {
  const { minReadySeconds, revisionHistoryLimit, selector, template, updateStrategy } = object.spec ?? {};
  return [
    ...notNegative('spec.minReadySeconds', minReadySeconds),
    ...notNegative('spec.revisionHistoryLimit', revisionHistoryLimit),
    ...validateWorkloadSelector(selector, template?.metadata?.labels, 'DaemonSet'),
    ...validatePodTemplate(template, 'spec.template', 'DaemonSet'),
    ...validateStrategy(updateStrategy),
  ];
}

/** Either the old pod goes first or the new one comes first, never neither and never both. */
function validateStrategy(strategy: appsv1.DaemonSetUpdateStrategy | undefined): ErrorCause[] {
  if (strategy?.type !== 'RollingUpdate') return [];
  const { maxSurge, maxUnavailable } = strategy.rollingUpdate ?? {};
  const path = 'spec.updateStrategy.rollingUpdate';
  const causes = [
    ...validateRollingCount(maxUnavailable, `${path}.maxUnavailable`),
    ...validateRollingCount(maxSurge, `${path}.maxSurge`),
  ];
  if (causes.length > 0) return causes;
  if (isNoPod(maxUnavailable) && isNoPod(maxSurge))
    causes.push(required(`${path}.maxUnavailable`, 'cannot be 0 when maxSurge is 0'));
  if (!isNoPod(maxUnavailable) && !isNoPod(maxSurge))
    causes.push(invalid(`${path}.maxSurge`, maxSurge, 'may not be set when maxUnavailable is non-zero'));
  return causes;
}

function validateStatusUpdate(object: appsv1.DaemonSet, old: appsv1.DaemonSet): ErrorCause[] {
  const counts = object.status as Counts;
  const names = [
    'currentNumberScheduled',
    'numberMisscheduled',
    'desiredNumberScheduled',
    'numberReady',
    'observedGeneration',
    'updatedNumberScheduled',
    'numberAvailable',
    'numberUnavailable',
    'collisionCount',
  ];
  return [...countsNotNegative(counts, names), ...collisionsNotFewer(counts, old.status as Counts)];
}

/** The definition of DaemonSet. */
export const daemonSet: ResourceDefinition<appsv1.DaemonSet> = {
  type: KINDS.DaemonSet,
  subresources: { status: true },
  setDefaults,
  prepareForCreate: startWithoutStatus,
  validate,
  validateUpdate: (object, old) =>
    immutableMessage('spec.selector', 'skiff.meta.v1.LabelSelector', {
      value: object.spec?.selector,
      old: old.spec?.selector,
    }),
  validateStatusUpdate,
  warnings: (object) => [
    ...podNameWarnings(object),
    ...podSpecWarnings(object.spec?.template?.spec, 'spec.template.spec'),
  ],
  columns: [
    nameColumn,
    { name: 'DESIRED', cell: (o) => String(o.status?.desiredNumberScheduled ?? 0) },
    { name: 'CURRENT', cell: (o) => String(o.status?.currentNumberScheduled ?? 0) },
    { name: 'READY', cell: (o) => String(o.status?.numberReady ?? 0) },
    { name: 'UP-TO-DATE', cell: (o) => String(o.status?.updatedNumberScheduled ?? 0) },
    { name: 'AVAILABLE', cell: (o) => String(o.status?.numberAvailable ?? 0) },
    { name: 'NODE SELECTOR', cell: (o) => labelsCell(o.spec?.template?.spec?.nodeSelector) },
    ageColumn,
    ...containerColumns<appsv1.DaemonSet>((o) => o.spec?.template),
    { name: 'SELECTOR', wide: true, cell: (o) => selectorCell(o.spec?.selector) },
  ],
};
