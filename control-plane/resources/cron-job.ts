/** CronJob: starts a Job whenever its schedule says so. */
import type { ErrorCause } from '../../lib/errors.ts';
import { type batchv1, KINDS } from '../../proto/index.ts';
import { ageColumn, NONE, nameColumn } from './columns.ts';
import { scheduleProblem } from './cron-schedule.ts';
import type { ResourceDefinition } from './definition.ts';
import { defaultConditionPatterns } from './job.ts';
import { jobSpecWarnings, validateJobSpec } from './job-rules.ts';
import { podNameWarnings } from './name-warnings.ts';
import { defaultPodTemplate } from './pod-spec/defaults.ts';
import { containerColumns, selectorCell } from './pod-template-columns.ts';
import { startWithoutStatus } from './start-without-status.ts';
import { timeZoneProblem } from './time-zone.ts';
import { invalid, notNegative, notSupported } from './validation/field-errors.ts';
import { validateAnnotations, validateLabels } from './validation/labels.ts';

/** A Job's name is the CronJob's and eleven characters more, and must still be a label's value. */
const MAX_NAME = 52;
const SUCCEEDED_KEPT = 3;
const FAILED_KEPT = 1;

function setDefaults(object: batchv1.CronJob): void {
  const spec = object.spec;
  if (spec === undefined) return;
  spec.concurrencyPolicy ??= 'Allow';
  spec.suspend ??= false;
  spec.successfulJobsHistoryLimit ??= SUCCEEDED_KEPT;
  spec.failedJobsHistoryLimit ??= FAILED_KEPT;
  const job = spec.jobTemplate?.spec;
  if (job?.template !== undefined) defaultPodTemplate(job.template);
  defaultConditionPatterns(job?.podFailurePolicy);
}

function validate(object: batchv1.CronJob): ErrorCause[] {
  const spec = object.spec ?? {};
  return [
    ...validateTimes(spec),
    ...notNegative('spec.startingDeadlineSeconds', spec.startingDeadlineSeconds),
    ...notNegative('spec.successfulJobsHistoryLimit', spec.successfulJobsHistoryLimit),
    ...notNegative('spec.failedJobsHistoryLimit', spec.failedJobsHistoryLimit),
    ...validateJobTemplate(spec.jobTemplate ?? {}, 'spec.jobTemplate'),
  ];
}

function validateTimes({ schedule = '', timeZone }: batchv1.CronJobSpec): ErrorCause[] {
  const causes: ErrorCause[] = [];
  // An absent schedule is refused by the schema.
  const problem = schedule === '' ? undefined : scheduleProblem(schedule);
  if (problem !== undefined) causes.push(invalid('spec.schedule', schedule, problem));
  if (schedule.includes('TZ')) {
    const why = 'cannot use TZ or CRON_TZ in schedule, use timeZone field instead';
    causes.push(invalid('spec.schedule', schedule, why));
  }
  const zoneProblem = timeZone === undefined ? undefined : timeZoneProblem(timeZone);
  if (zoneProblem !== undefined) causes.push(invalid('spec.timeZone', timeZone, zoneProblem));
  return causes;
}

function validateJobTemplate({ metadata, spec = {} }: batchv1.JobTemplateSpec, path: string): ErrorCause[] {
  const causes = [
    ...validateLabels(metadata?.labels, `${path}.metadata.labels`),
    ...validateAnnotations(metadata?.annotations, `${path}.metadata.annotations`),
    ...validateJobSpec(spec, `${path}.spec`),
  ];
  if (spec.selector !== undefined)
    causes.push(invalid(`${path}.spec.selector`, spec.selector, '`selector` will be auto-generated'));
  if (spec.manualSelector === true) causes.push(notSupported(`${path}.spec.manualSelector`, 'true', ['nil', 'false']));
  return causes;
}

function validateCreate(object: batchv1.CronJob): ErrorCause[] {
  const name = object.metadata?.name ?? '';
  return name.length > MAX_NAME ? [invalid('metadata.name', name, `must be no more than ${MAX_NAME} characters`)] : [];
}

/** The definition of CronJob. */
export const cronJob: ResourceDefinition<batchv1.CronJob> = {
  type: KINDS.CronJob,
  subresources: { status: true },
  setDefaults,
  prepareForCreate: startWithoutStatus,
  validate,
  validateCreate,
  warnings: (object) => [
    ...podNameWarnings(object),
    ...jobSpecWarnings(object.spec?.jobTemplate?.spec, 'spec.jobTemplate.spec'),
  ],
  columns: [
    nameColumn,
    { name: 'SCHEDULE', cell: (o) => o.spec?.schedule ?? '' },
    { name: 'TIMEZONE', cell: (o) => o.spec?.timeZone ?? NONE },
    { name: 'SUSPEND', cell: (o) => (o.spec?.suspend === true ? 'True' : 'False') },
    { name: 'ACTIVE', cell: (o) => String(o.status?.active?.length ?? 0) },
    { name: 'LAST SCHEDULE', age: true, cell: (o) => o.status?.lastScheduleTime ?? NONE },
    ageColumn,
    ...containerColumns<batchv1.CronJob>((o) => o.spec?.jobTemplate?.spec?.template),
    { name: 'SELECTOR', wide: true, cell: (o) => selectorCell(o.spec?.jobTemplate?.spec?.selector) },
  ],
};
