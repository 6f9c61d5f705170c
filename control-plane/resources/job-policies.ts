/** What is wrong with a Job's rules about failed pods and about early success. */
import type { ErrorCause } from '../../lib/errors.ts';
import { qualifiedName } from '../../lib/name-rules.ts';
import type { batchv1 } from '../../proto/index.ts';
import { countIndexes } from './job-indexes.ts';
import { byRule, duplicate, invalid, notNegative, required, tooLong, tooMany } from './validation/field-errors.ts';

const MAX_RULES = 20;
const MAX_PATTERNS = 20;
const MAX_EXIT_CODES = 255;
const MAX_INDEXES_BYTES = 64 * 1024;

/** Everything wrong with the spec's podFailurePolicy, which stands at `path`. */
export function validateFailurePolicy(spec: batchv1.JobSpec, path: string): ErrorCause[] {
  const rules = spec.podFailurePolicy?.rules ?? [];
  if (rules.length > MAX_RULES) return [tooMany(`${path}.rules`, rules.length, MAX_RULES)];
  return rules.flatMap((rule, i) => validateFailureRule(rule, spec, `${path}.rules[${i}]`));
}

function validateFailureRule(rule: batchv1.PodFailurePolicyRule, spec: batchv1.JobSpec, path: string): ErrorCause[] {
  const { action, onExitCodes, onPodConditions = [] } = rule;
  const causes: ErrorCause[] = [];
  if (action === 'FailIndex' && spec.backoffLimitPerIndex === undefined)
    causes.push(invalid(`${path}.action`, action, 'requires the backoffLimitPerIndex to be set'));
  if (onExitCodes !== undefined && onPodConditions.length > 0)
    causes.push(invalidRule(path, 'specifying both OnExitCodes and OnPodConditions is not supported'));
  if (onExitCodes === undefined && onPodConditions.length === 0)
    causes.push(invalidRule(path, 'specifying one of OnExitCodes and OnPodConditions is required'));
  if (onExitCodes !== undefined) causes.push(...validateExitCodes(onExitCodes, spec, `${path}.onExitCodes`));
  return [...causes, ...validatePatterns(onPodConditions, `${path}.onPodConditions`)];
}

/** The rule as a whole is wrong: no value is shown. */
function invalidRule(field: string, why: string): ErrorCause {
  return { field, reason: 'FieldValueInvalid', message: `Invalid value: ${why}` };
}

function validateExitCodes(
  { containerName, operator, values = [] }: batchv1.PodFailurePolicyOnExitCodesRequirement,
  spec: batchv1.JobSpec,
  path: string,
): ErrorCause[] {
  const { containers = [], initContainers = [] } = spec.template?.spec ?? {};
  const causes: ErrorCause[] = [];
  if (containerName !== undefined && ![...containers, ...initContainers].some(({ name }) => name === containerName)) {
    const why = 'must be one of the container or initContainer names in the pod template';
    causes.push(invalid(`${path}.containerName`, containerName, why));
  }
  if (values.length > MAX_EXIT_CODES) causes.push(tooMany(`${path}.values`, values.length, MAX_EXIT_CODES));
  const seen = new Set<number>();
  for (const [i, value] of values.entries()) {
    if (operator === 'In' && value === 0)
      causes.push(invalid(`${path}.values[${i}]`, value, 'must not be 0 for the In operator'));
    if (seen.has(value)) causes.push(duplicate(`${path}.values[${i}]`, value));
    seen.add(value);
  }
  if (values.some((value, i) => value < (values[i - 1] ?? value)))
    causes.push(invalid(`${path}.values`, values, 'must be ordered'));
  return causes;
}

function validatePatterns(
  patterns: readonly batchv1.PodFailurePolicyOnPodConditionsPattern[],
  path: string,
): ErrorCause[] {
  if (patterns.length > MAX_PATTERNS) return [tooMany(path, patterns.length, MAX_PATTERNS)];
  return patterns.flatMap(({ type = '' }, i) => (type === '' ? [] : byRule(`${path}[${i}].type`, type, qualifiedName)));
}

/** Everything wrong with the spec's successPolicy, which stands at `path`. */
export function validateSuccessPolicy(spec: batchv1.JobSpec, path: string): ErrorCause[] {
  const policy = spec.successPolicy;
  if (policy === undefined) return [];
  if (spec.completionMode !== 'Indexed') return [invalid(path, policy, 'requires indexed completion mode')];
  const rules = policy.rules ?? [];
  if (rules.length > MAX_RULES) return [tooMany(`${path}.rules`, rules.length, MAX_RULES)];
  return rules.flatMap((rule, i) => validateSuccessRule(rule, spec.completions, `${path}.rules[${i}]`));
}

function validateSuccessRule(
  { succeededCount, succeededIndexes }: batchv1.SuccessPolicyRule,
  completions: number | undefined,
  path: string,
): ErrorCause[] {
  if (succeededCount === undefined && succeededIndexes === undefined)
    return [required(path, 'at least one of succeededCount or succeededIndexes must be specified')];
  const causes = notNegative(`${path}.succeededCount`, succeededCount);
  let named: number | undefined;
  if (succeededIndexes !== undefined) {
    if (Buffer.byteLength(succeededIndexes) > MAX_INDEXES_BYTES)
      return [...causes, tooLong(`${path}.succeededIndexes`, MAX_INDEXES_BYTES)];
    const count = countIndexes(succeededIndexes, completions ?? 0);
    if (typeof count === 'string')
      causes.push(invalid(`${path}.succeededIndexes`, succeededIndexes, `error parsing succeededIndexes: ${count}`));
    else named = count;
  }
  const count = succeededCount ?? 0;
  if (completions !== undefined && count > completions) {
    const why = `must be less than or equal to ${completions} (the number of specified completions)`;
    causes.push(invalid(`${path}.succeededCount`, count, why));
  } else if (named !== undefined && count > named) {
    const why = `must be less than or equal to ${named} (the number of indexes in the specified succeededIndexes field)`;
    causes.push(invalid(`${path}.succeededCount`, count, why));
  }
  return causes;
}
