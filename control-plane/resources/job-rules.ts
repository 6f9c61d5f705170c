/** What is wrong with the spec of a Job, alone or in the template of a CronJob. */
import type { ErrorCause } from '../../lib/errors.ts';
import { dnsLabel, qualifiedName } from '../../lib/name-rules.ts';
import { labelRequirements, matchesLabels } from '../../lib/selectors.ts';
import type { batchv1 } from '../../proto/index.ts';
import { validateFailurePolicy, validateSuccessPolicy } from './job-policies.ts';
import { CONTROLLER_UID, generatedLabels } from './job-selector.ts';
import { validateAnyPodTemplate } from './pod-spec/validate.ts';
import { podSpecWarnings } from './pod-spec/warnings.ts';
import { byRule, invalid, notNegative, notSupported, required, tooLong } from './validation/field-errors.ts';
import { validateLabelSelector } from './validation/labels.ts';

const MAX_PARALLELISM_OF_INDEXES = 100_000;
const MAX_COMPLETIONS_WITHOUT_LIMITS = 100_000;
const MAX_FAILED_OF_MANY = 10_000;
const MAX_PARALLELISM_OF_MANY = 10_000;
const MAX_MANAGED_BY = 63;
const COUNTS = [
  'parallelism',
  'completions',
  'activeDeadlineSeconds',
  'backoffLimit',
  'ttlSecondsAfterFinished',
  'backoffLimitPerIndex',
  'maxFailedIndexes',
] as const;

/** Everything wrong with the spec at `path`, but for its selector. */
export function validateJobSpec(spec: batchv1.JobSpec, path: string): ErrorCause[] {
  return [
    ...COUNTS.flatMap((name) => notNegative(`${path}.${name}`, spec[name])),
    ...validateManagedBy(spec.managedBy, `${path}.managedBy`),
    ...(spec.completionMode === 'Indexed' ? validateIndexed(spec, path) : validateNotIndexed(spec, path)),
    ...validateAnyPodTemplate(spec.template, `${path}.template`),
    ...validateRestartPolicy(spec, `${path}.template.spec.restartPolicy`),
    ...validateFailurePolicy(spec, `${path}.podFailurePolicy`),
    ...validateSuccessPolicy(spec, `${path}.successPolicy`),
    ...(spec.podFailurePolicy !== undefined && spec.podReplacementPolicy === 'TerminatingOrFailed'
      ? [notSupported(`${path}.podReplacementPolicy`, spec.podReplacementPolicy, ['Failed'])]
      : []),
  ];
}

/** Everything wrong with a Job's selector, the labels it was made from, and its name. */
export function validateJobIdentity(job: batchv1.Job): ErrorCause[] {
  const { selector, template, manualSelector, completionMode, completions = 0 } = job.spec ?? {};
  const causes = validateLabelSelector(selector, 'spec.selector');
  const labels = template?.metadata?.labels ?? {};
  const field = 'spec.template.metadata.labels';
  if (selector === undefined) {
    if (manualSelector === true) causes.push(required('spec.selector'));
  } else if (manualSelector !== true) {
    const expected = generatedLabels(job);
    for (const [name, value] of Object.entries(expected)) {
      if (labels[name] === undefined) causes.push(required(field, `must be '${value}'`));
      else if (labels[name] !== value) causes.push(invalid(field, labels, `must be '${value}'`));
    }
    const isGenerated = matchesLabels(labelRequirements(selector), {
      [CONTROLLER_UID]: expected[CONTROLLER_UID] ?? '',
    });
    if (!isGenerated) causes.push(invalid('spec.selector', selector, '`selector` not auto-generated'));
  } else if (!matchesLabels(labelRequirements(selector), labels)) {
    causes.push(invalid(field, labels, '`selector` does not match template `labels`'));
  }
  if (completionMode === 'Indexed' && completions > 0) {
    const last = `${job.metadata?.name ?? ''}-${completions - 1}`;
    const why = `will not able to create pod with invalid DNS label: ${last}`;
    if (dnsLabel(last).length > 0) causes.push(invalid('metadata.name', job.metadata?.name, why));
  }
  return causes;
}

/** Warnings about the spec at `path`. */
export function jobSpecWarnings(spec: batchv1.JobSpec | undefined, path: string): string[] {
  const isHuge =
    spec?.completionMode === 'Indexed' &&
    (spec.completions ?? 0) > MAX_COMPLETIONS_WITHOUT_LIMITS &&
    (spec.parallelism ?? 0) > MAX_PARALLELISM_OF_MANY;
  const why =
    `${path}: with more than ${MAX_COMPLETIONS_WITHOUT_LIMITS} completions and more than ${MAX_PARALLELISM_OF_MANY} at a ` +
    'time, completedIndexes may not hold them all when many fail';
  return [...(isHuge ? [why] : []), ...podSpecWarnings(spec?.template?.spec, `${path}.template.spec`)];
}

function validateManagedBy(name: string | undefined, field: string): ErrorCause[] {
  if (name === undefined) return [];
  if (name.length > MAX_MANAGED_BY) return [tooLong(field, MAX_MANAGED_BY)];
  if (!name.includes('/')) return [invalid(field, name, 'must be a domain-prefixed path (such as "acme.io/foo")')];
  return byRule(field, name, qualifiedName);
}

function validateIndexed(spec: batchv1.JobSpec, path: string): ErrorCause[] {
  const { backoffLimitPerIndex, completions, maxFailedIndexes, parallelism = 0 } = spec;
  const causes: ErrorCause[] = [];
  if (completions === undefined) causes.push(required(`${path}.completions`, 'when completion mode is Indexed'));
  if (parallelism > MAX_PARALLELISM_OF_INDEXES) {
    const why = `must be less than or equal to ${MAX_PARALLELISM_OF_INDEXES} when completion mode is Indexed`;
    causes.push(invalid(`${path}.parallelism`, parallelism, why));
  }
  if (maxFailedIndexes !== undefined && backoffLimitPerIndex === undefined)
    causes.push(required(`${path}.backoffLimitPerIndex`, 'when maxFailedIndexes is specified'));
  if (maxFailedIndexes !== undefined && completions !== undefined && maxFailedIndexes > completions)
    causes.push(invalid(`${path}.maxFailedIndexes`, maxFailedIndexes, 'must be less than or equal to completions'));
  const isMany = (completions ?? 0) > MAX_COMPLETIONS_WITHOUT_LIMITS && backoffLimitPerIndex !== undefined;
  return isMany ? [...causes, ...validateMany(spec, path)] : causes;
}

/** The failed indexes of a large Job must fit into its status. */
function validateMany({ maxFailedIndexes, parallelism = 0 }: batchv1.JobSpec, path: string): ErrorCause[] {
  const above = `when completions is above ${MAX_COMPLETIONS_WITHOUT_LIMITS}`;
  const causes: ErrorCause[] = [];
  if (maxFailedIndexes === undefined) causes.push(required(`${path}.maxFailedIndexes`, `must be specified ${above}`));
  else if (maxFailedIndexes > MAX_FAILED_OF_MANY) {
    const why = `must be less than or equal to ${MAX_FAILED_OF_MANY} ${above}`;
    causes.push(invalid(`${path}.maxFailedIndexes`, maxFailedIndexes, why));
  }
  if (parallelism > MAX_PARALLELISM_OF_MANY) {
    const why = `must be less than or equal to ${MAX_PARALLELISM_OF_MANY} ${above} and used with backoff limit per index`;
    causes.push(invalid(`${path}.parallelism`, parallelism, why));
  }
  return causes;
}

function validateNotIndexed(spec: batchv1.JobSpec, path: string): ErrorCause[] {
  return (['backoffLimitPerIndex', 'maxFailedIndexes'] as const)
    .filter((name) => spec[name] !== undefined)
    .map((name) => invalid(`${path}.${name}`, spec[name], 'requires indexed completion mode'));
}

/** A pod that always starts again never ends. What was not given is defaulted to Always, and refused in the same words. */
function validateRestartPolicy(spec: batchv1.JobSpec, field: string): ErrorCause[] {
  const policy = spec.template?.spec?.restartPolicy;
  if (policy === undefined || policy === 'Always') return [required(field, 'valid values: "OnFailure", "Never"')];
  if (spec.podFailurePolicy !== undefined && policy !== 'Never')
    return [invalid(field, policy, 'only "Never" is supported when podFailurePolicy is specified')];
  return [];
}
