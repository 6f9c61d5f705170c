/** How a Job finds its pods: labels that no other Job has, made by the server. */
import type { batchv1 } from '../../proto/index.ts';
import { sortedKeys } from './sorted-keys.ts';

/** The label by which a Job selects its pods. */
export const CONTROLLER_UID = 'batch.kubernetes.io/controller-uid';

/** The labels that the server puts on the pods of a Job, with the older names of each. */
export function generatedLabels(job: batchv1.Job): Record<string, string> {
  const { name = '', uid = '' } = job.metadata ?? {};
  return {
    [CONTROLLER_UID]: uid,
    'batch.kubernetes.io/job-name': name,
    'controller-uid': uid,
    'job-name': name,
  };
}

/** Gives a new Job its labels and selector, in place, unless it brings its own. What contradicts them is refused later. */
export function generateSelector(job: batchv1.Job): void {
  const spec = job.spec;
  if (spec === undefined || spec.manualSelector === true) return;
  const template = spec.template ?? {};
  const labels = sortedKeys({ ...generatedLabels(job), ...template.metadata?.labels });
  spec.template = { ...template, metadata: { ...template.metadata, labels } };
  const own = { [CONTROLLER_UID]: job.metadata?.uid ?? '' };
  spec.selector = { ...spec.selector, matchLabels: sortedKeys({ ...own, ...spec.selector?.matchLabels }) };
}
