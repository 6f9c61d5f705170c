/** ClusterRoleBinding: gives the rights of a ClusterRole to people and programs, everywhere. */
import { KINDS, type rbacv1 } from '../../proto/index.ts';
import type { ResourceDefinition } from './definition.ts';
import { bindingColumns, defaultBinding, validateBinding, validateBindingUpdate } from './rbac-rules.ts';

/** The definition of ClusterRoleBinding. */
export const clusterRoleBinding: ResourceDefinition<rbacv1.ClusterRoleBinding> = {
  type: KINDS.ClusterRoleBinding,
  nameRule: 'pathSegment',
  setDefaults: defaultBinding,
  validate: (object) => validateBinding(object, false),
  validateUpdate: validateBindingUpdate,
  columns: bindingColumns,
};
