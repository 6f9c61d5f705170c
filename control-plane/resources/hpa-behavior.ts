/** How fast an autoscaler may change the number of pods: defaults and rules. */
import type { ErrorCause } from '../../lib/errors.ts';
import { parseQuantity } from '../../lib/quantity.ts';
import type { autoscalingv2 } from '../../proto/index.ts';
import { invalid, required } from './validation/field-errors.ts';

const PERIOD_SECONDS = 15;
const PODS_UP = 4;
const PERCENT = 100;
const MAX_STABILIZATION_SECONDS = 3600;
const MAX_PERIOD_SECONDS = 1800;

/** Fills in both directions as soon as a behavior is there; the window downwards is chosen when scaling. */
export function defaultBehavior(behavior: autoscalingv2.HorizontalPodAutoscalerBehavior): void {
  const up = { ...behavior.scaleUp };
  up.stabilizationWindowSeconds ??= 0;
  up.selectPolicy ??= 'Max';
  if ((up.policies ?? []).length === 0) {
    up.policies = [
      { type: 'Pods', value: PODS_UP, periodSeconds: PERIOD_SECONDS },
      { type: 'Percent', value: PERCENT, periodSeconds: PERIOD_SECONDS },
    ];
  }
  const down = { ...behavior.scaleDown };
  down.selectPolicy ??= 'Max';
  if ((down.policies ?? []).length === 0) {
    down.policies = [{ type: 'Percent', value: PERCENT, periodSeconds: PERIOD_SECONDS }];
  }
  behavior.scaleUp = up;
  behavior.scaleDown = down;
}

/** What is wrong with a behavior. */
export function validateBehavior(
  behavior: autoscalingv2.HorizontalPodAutoscalerBehavior | undefined,
  field: string,
): ErrorCause[] {
  return [
    ...validateRules(behavior?.scaleUp, `${field}.scaleUp`),
    ...validateRules(behavior?.scaleDown, `${field}.scaleDown`),
  ];
}

function validateRules(rules: autoscalingv2.HPAScalingRules | undefined, field: string): ErrorCause[] {
  if (rules === undefined) return [];
  const { stabilizationWindowSeconds: window = 0, policies = [], tolerance } = rules;
  const causes: ErrorCause[] = [];
  const at = `${field}.stabilizationWindowSeconds`;
  if (window < 0) causes.push(invalid(at, window, 'must be greater than or equal to zero'));
  if (window > MAX_STABILIZATION_SECONDS) {
    causes.push(invalid(at, window, `must be less than or equal to ${MAX_STABILIZATION_SECONDS}`));
  }
  if (policies.length === 0) causes.push(required(`${field}.policies`, 'must specify at least one Policy'));
  if (tolerance !== undefined && (parseQuantity(tolerance)?.nano ?? 0n) < 0n) {
    causes.push(invalid(`${field}.tolerance`, tolerance, 'must be greater or equal to zero'));
  }
  return [...causes, ...policies.flatMap((policy, i) => validatePolicy(policy, `${field}.policies[${i}]`))];
}

/** Zero and absent numbers are the same. */
function validatePolicy({ value = 0, periodSeconds = 0 }: autoscalingv2.HPAScalingPolicy, field: string): ErrorCause[] {
  const causes: ErrorCause[] = [];
  if (value <= 0) causes.push(invalid(`${field}.value`, value, 'must be greater than zero'));
  const at = `${field}.periodSeconds`;
  if (periodSeconds <= 0) causes.push(invalid(at, periodSeconds, 'must be greater than zero'));
  if (periodSeconds > MAX_PERIOD_SECONDS) {
    causes.push(invalid(at, periodSeconds, `must be less than or equal to ${MAX_PERIOD_SECONDS}`));
  }
  return causes;
}
