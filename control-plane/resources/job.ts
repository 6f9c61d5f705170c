/** Job: runs pods until enough of them have succeeded. */
import { humanDuration } from '../../lib/human-duration.ts';
import { type batchv1, KINDS } from '../../proto/index.ts';
import { ageColumn, nameColumn } from './columns.ts';
import type { ResourceDefinition } from './definition.ts';
import { jobSpecWarnings, validateJobIdentity, validateJobSpec } from './job-rules.ts';
import { generateSelector } from './job-selector.ts';
import { validateJobStatus, validateJobUpdate } from './job-update.ts';
import { podNameWarnings } from './name-warnings.ts';
import { defaultPodTemplate } from './pod-spec/defaults.ts';
import { containerColumns, selectorCell } from './pod-template-columns.ts';

const BACKOFF_LIMIT = 6;
const NO_LIMIT = 2 ** 31 - 1;

function setDefaults(job: batchv1.Job): void {
  const spec = job.spec;
  if (spec === undefined) return;
  if (spec.parallelism === undefined) spec.completions ??= 1;
  spec.parallelism ??= 1;
  spec.backoffLimit ??= spec.backoffLimitPerIndex === undefined ? BACKOFF_LIMIT : NO_LIMIT;
  spec.completionMode ??= 'NonIndexed';
  spec.suspend ??= false;
  spec.manualSelector ??= false;
  spec.podReplacementPolicy ??= spec.podFailurePolicy === undefined ? 'TerminatingOrFailed' : 'Failed';
  defaultConditionPatterns(spec.podFailurePolicy);
  const labels = spec.template?.metadata?.labels ?? {};
  if (Object.keys(labels).length > 0 && Object.keys(job.metadata?.labels ?? {}).length === 0)
    job.metadata = { ...job.metadata, labels: { ...labels } };
  if (spec.template !== undefined) defaultPodTemplate(spec.template);
}

/** Fills in the conditions a policy looks for. */
export function defaultConditionPatterns(policy: batchv1.PodFailurePolicy | undefined): void {
  for (const rule of policy?.rules ?? []) {
    for (const pattern of rule.onPodConditions ?? []) pattern.status ??= 'True';
  }
}

function completionsCell({ spec, status }: batchv1.Job): string {
  const succeeded = status?.succeeded ?? 0;
  if (spec?.completions !== undefined) return `${succeeded}/${spec.completions}`;
  const parallelism = spec?.parallelism ?? 0;
  return parallelism > 1 ? `${succeeded}/1 of ${parallelism}` : `${succeeded}/1`;
}

function statusCell(job: batchv1.Job): string {
  const isTrue = (type: string) => job.status?.conditions?.some((c) => c.type === type && c.status === 'True') === true;
  const ended = ['Complete', 'Failed'].find(isTrue);
  if (ended !== undefined) return ended;
  if (job.metadata?.deletionTimestamp !== undefined) return 'Terminating';
  return ['Suspended', 'FailureTarget', 'SuccessCriteriaMet'].find(isTrue) ?? 'Running';
}

/** How long it took, or the time since which it runs. */
function durationCell({ status }: batchv1.Job): string {
  const { startTime, completionTime } = status ?? {};
  if (startTime === undefined || completionTime === undefined) return startTime ?? ' ';
  return humanDuration(Date.parse(completionTime) - Date.parse(startTime));
}

/** The definition of Job. */
export const job: ResourceDefinition<batchv1.Job> = {
  type: KINDS.Job,
  subresources: { status: true },
  setDefaults,
  prepareForCreate: (object) => {
    object.status = {};
    generateSelector(object);
  },
  validate: (object) => [...validateJobIdentity(object), ...validateJobSpec(object.spec ?? {}, 'spec')],
  validateUpdate: validateJobUpdate,
  validateStatusUpdate: validateJobStatus,
  warnings: (object) => [...podNameWarnings(object), ...jobSpecWarnings(object.spec, 'spec')],
  columns: [
    nameColumn,
    { name: 'STATUS', cell: statusCell },
    { name: 'COMPLETIONS', cell: completionsCell },
    { name: 'DURATION', age: true, cell: durationCell },
    ageColumn,
    ...containerColumns<batchv1.Job>((o) => o.spec?.template),
    { name: 'SELECTOR', wide: true, cell: (o) => selectorCell(o.spec?.selector) },
  ],
  selectableFields: { 'status.successful': (o) => String(o.status?.succeeded ?? 0) },
  // What the API does by itself, as in Kubernetes; `delete` of the command line asks for the background.
  defaultPropagation: 'Orphan',
};
