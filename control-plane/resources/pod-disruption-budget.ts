/** PodDisruptionBudget: how many pods of an application may be taken away at once by evictions. */
import type { ErrorCause } from '../../lib/errors.ts';
import { integerOf, percentOf } from '../../lib/int-or-string.ts';
import { KINDS, type policyv1 } from '../../proto/index.ts';
import { ageColumn, nameColumn } from './columns.ts';
import type { ResourceDefinition } from './definition.ts';
import { startWithoutStatus } from './start-without-status.ts';
import { invalid, notNegative } from './validation/field-errors.ts';
import { validateLabelSelector } from './validation/labels.ts';

const PERCENT_RULE = "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%')";

function validateCount(value: string | undefined, field: string): ErrorCause[] {
  if (value === undefined) return [];
  const number = integerOf(value);
  if (number !== undefined) return notNegative(field, number);
  const percent = percentOf(value);
  if (percent === undefined) return [invalid(field, value, PERCENT_RULE)];
  return percent > 100 ? [invalid(field, value, 'must not be greater than 100%')] : [];
}

function validate({ spec = {} }: policyv1.PodDisruptionBudget): ErrorCause[] {
  const both = spec.minAvailable !== undefined && spec.maxUnavailable !== undefined;
  return [
    ...(both ? [invalid('spec', '{…}', 'minAvailable and maxUnavailable cannot be both set')] : []),
    ...validateCount(spec.minAvailable, 'spec.minAvailable'),
    ...validateCount(spec.maxUnavailable, 'spec.maxUnavailable'),
    ...validateLabelSelector(spec.selector, 'spec.selector'),
  ];
}

function validateStatusUpdate({ status = {} }: policyv1.PodDisruptionBudget): ErrorCause[] {
  const counts = ['disruptionsAllowed', 'currentHealthy', 'desiredHealthy', 'expectedPods'] as const;
  return counts.flatMap((name) => notNegative(`status.${name}`, status[name]));
}

/** The definition of PodDisruptionBudget. */
export const podDisruptionBudget: ResourceDefinition<policyv1.PodDisruptionBudget> = {
  type: KINDS.PodDisruptionBudget,
  subresources: { status: true },
  prepareForCreate: startWithoutStatus,
  validate,
  validateStatusUpdate,
  columns: [
    nameColumn,
    { name: 'MIN AVAILABLE', cell: (o) => o.spec?.minAvailable ?? 'N/A' },
    { name: 'MAX UNAVAILABLE', cell: (o) => o.spec?.maxUnavailable ?? 'N/A' },
    { name: 'ALLOWED DISRUPTIONS', cell: (o) => String(o.status?.disruptionsAllowed ?? 0) },
    ageColumn,
  ],
};
