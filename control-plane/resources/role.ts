/** Role: rights within one namespace. */
import { KINDS, type rbacv1 } from '../../proto/index.ts';
import type { ResourceDefinition } from './definition.ts';
import { roleColumns, validateRules } from './rbac-rules.ts';

/** The definition of Role. */
export const role: ResourceDefinition<rbacv1.Role> = {
  type: KINDS.Role,
  nameRule: 'pathSegment',
  validate: (object) => validateRules(object.rules, true),
  columns: roleColumns,
};
