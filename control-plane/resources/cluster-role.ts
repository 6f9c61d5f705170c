/** ClusterRole: rights everywhere, or in whichever namespace they are bound in. */
import type { ErrorCause } from '../../lib/errors.ts';
import { KINDS, type rbacv1 } from '../../proto/index.ts';
import type { ResourceDefinition } from './definition.ts';
import { roleColumns, validateRules } from './rbac-rules.ts';
import { required } from './validation/field-errors.ts';
import { validateLabelSelector } from './validation/labels.ts';

function validateAggregation(rule: rbacv1.AggregationRule | undefined): ErrorCause[] {
  if (rule === undefined) return [];
  const field = 'aggregationRule.clusterRoleSelectors';
  const selectors = rule.clusterRoleSelectors ?? [];
  if (selectors.length === 0) {
    return [required(field, 'at least one clusterRoleSelector required if aggregationRule is non-nil')];
  }
  return selectors.flatMap((selector, i) => validateLabelSelector(selector, `${field}[${i}]`));
}

/** The definition of ClusterRole. */
export const clusterRole: ResourceDefinition<rbacv1.ClusterRole> = {
  type: KINDS.ClusterRole,
  nameRule: 'pathSegment',
  validate: (object) => [...validateRules(object.rules), ...validateAggregation(object.aggregationRule)],
  columns: roleColumns,
};
