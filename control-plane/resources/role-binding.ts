/** RoleBinding: gives the rights of a role to people and programs, in one namespace. */
import { KINDS, type rbacv1 } from '../../proto/index.ts';
import type { ResourceDefinition } from './definition.ts';
import { bindingColumns, defaultBinding, validateBinding, validateBindingUpdate } from './rbac-rules.ts';

/** The definition of RoleBinding. */
export const roleBinding: ResourceDefinition<rbacv1.RoleBinding> = {
  type: KINDS.RoleBinding,
  nameRule: 'pathSegment',
  setDefaults: defaultBinding,
  validate: (object) => validateBinding(object, true),
  validateUpdate: validateBindingUpdate,
  columns: bindingColumns,
};
