/** What of a Job may not change. */
import type { ErrorCause } from '../../lib/errors.ts';
import type { batchv1, corev1 } from '../../proto/index.ts';
import { invalid, notNegative } from './validation/field-errors.ts';
import { immutable, immutableMessage } from './validation/immutable.ts';

const TEMPLATE = 'skiff.core.v1.PodTemplateSpec';

/** Everything that changed from `old` to `job` and may not. */
export function validateJobUpdate(job: batchv1.Job, old: batchv1.Job): ErrorCause[] {
  const [spec, before] = [job.spec ?? {}, old.spec ?? {}];
  // Where its pods may run can still change while it waits for somebody, such as a queue, to let it start.
  const isWaiting = before.suspend === true && old.status?.startTime === undefined;
  const template = isWaiting ? withPlacementOf(spec.template, before.template) : spec.template;
  return [
    ...validateCompletions(spec, before),
    ...immutableMessage('spec.selector', 'skiff.meta.v1.LabelSelector', { value: spec.selector, old: before.selector }),
    ...immutableMessage('spec.template', TEMPLATE, { value: template, old: before.template }),
    ...immutable('spec.completionMode', spec.completionMode, before.completionMode),
    ...immutableMessage('spec.podFailurePolicy', 'skiff.batch.v1.PodFailurePolicy', {
      value: spec.podFailurePolicy,
      old: before.podFailurePolicy,
    }),
    ...immutableMessage('spec.successPolicy', 'skiff.batch.v1.SuccessPolicy', {
      value: spec.successPolicy,
      old: before.successPolicy,
    }),
    ...immutable('spec.backoffLimitPerIndex', spec.backoffLimitPerIndex, before.backoffLimitPerIndex),
    ...immutable('spec.managedBy', spec.managedBy, before.managedBy),
  ];
}

/** Only an indexed Job may be made longer or shorter, and all its pods then run at a time. */
function validateCompletions(spec: batchv1.JobSpec, before: batchv1.JobSpec): ErrorCause[] {
  const field = 'spec.completions';
  if (spec.completionMode !== 'Indexed') return immutable(field, spec.completions, before.completions);
  if (spec.completions === undefined || spec.completions === before.completions) return [];
  return spec.completions === spec.parallelism
    ? []
    : [invalid(field, spec.completions, 'can only be modified in tandem with spec.parallelism')];
}

/** `template` with labels, annotations and everything that places its pods as in `old`: what then differs may not. */
function withPlacementOf(
  template: corev1.PodTemplateSpec | undefined,
  old: corev1.PodTemplateSpec | undefined,
): corev1.PodTemplateSpec | undefined {
  if (template === undefined) return undefined;
  const { nodeSelector, tolerations, schedulingGates } = old?.spec ?? {};
  const { labels, annotations } = old?.metadata ?? {};
  const affinity = { ...template.spec?.affinity, nodeAffinity: old?.spec?.affinity?.nodeAffinity };
  const hasAffinity = Object.values(affinity).some((part) => part !== undefined) || old?.spec?.affinity !== undefined;
  return {
    ...template,
    metadata: { ...template.metadata, labels, annotations },
    spec: {
      ...template.spec,
      nodeSelector,
      tolerations,
      schedulingGates,
      affinity: hasAffinity ? affinity : undefined,
    },
  };
}

/** Everything wrong with a Job's reported status. */
export function validateJobStatus({ status = {} }: batchv1.Job): ErrorCause[] {
  const causes = (['active', 'ready', 'succeeded', 'failed', 'terminating'] as const).flatMap((name) =>
    notNegative(`status.${name}`, status[name]),
  );
  const isTrue = (type: string) => status.conditions?.some((c) => c.type === type && c.status === 'True') === true;
  const { completionTime, startTime } = status;
  if (isTrue('Complete') && isTrue('Failed'))
    causes.push(invalid('status.conditions', status.conditions, 'cannot set Complete=True and Failed=true conditions'));
  if (completionTime !== undefined) {
    const at = 'status.completionTime';
    if (!isTrue('Complete'))
      causes.push(invalid(at, completionTime, 'cannot be set when there is no Complete=True condition'));
    if (startTime === undefined) causes.push(invalid(at, completionTime, 'cannot be set without startTime'));
    else if (Date.parse(completionTime) < Date.parse(startTime))
      causes.push(invalid(at, completionTime, 'cannot be set before startTime'));
  }
  return causes;
}
