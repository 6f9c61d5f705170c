/** What Role and ClusterRole have in common, and RoleBinding and ClusterRoleBinding. */
import type { ErrorCause } from '../../lib/errors.ts';
import { dnsSubdomain, pathSegment } from '../../lib/name-rules.ts';
import type { KubeObject, rbacv1 } from '../../proto/index.ts';
import { ageColumn, nameColumn } from './columns.ts';
import type { ColumnDefinition } from './definition.ts';
import { isSame } from './validation/changed-fields.ts';
import { byRule, invalid, notSupported, required } from './validation/field-errors.ts';

const GROUP = 'rbac.authorization.k8s.io';

/** What is wrong with a role's rules. In a namespace no paths outside the resources can be named. */
export function validateRules(rules: readonly rbacv1.PolicyRule[] = [], namespaced = false): ErrorCause[] {
  return rules.flatMap((rule, i) => validateRule(rule, `rules[${i}]`, namespaced));
}

/** A rule without verbs is refused by the schema. */
function validateRule(rule: rbacv1.PolicyRule, field: string, namespaced: boolean): ErrorCause[] {
  const { apiGroups = [], resources = [], resourceNames = [], nonResourceURLs = [] } = rule;
  const causes: ErrorCause[] = [];
  if (nonResourceURLs.length > 0) {
    const at = `${field}.nonResourceURLs`;
    if (namespaced) causes.push(invalid(at, nonResourceURLs, 'namespaced rules cannot apply to non-resource URLs'));
    if (apiGroups.length + resources.length + resourceNames.length > 0) {
      const why = 'rules cannot apply to both regular resources and non-resource URLs';
      causes.push(invalid(at, nonResourceURLs, why));
    }
    return causes;
  }
  if (apiGroups.length === 0) {
    causes.push(required(`${field}.apiGroups`, 'resource rules must supply at least one api group'));
  }
  if (resources.length === 0) {
    causes.push(required(`${field}.resources`, 'resource rules must supply at least one resource'));
  }
  return causes;
}

/** Columns of Role and ClusterRole: the creation is a time, not an age. */
export const roleColumns: readonly ColumnDefinition<KubeObject>[] = [
  nameColumn,
  { name: 'CREATED AT', cell: (o) => o.metadata?.creationTimestamp ?? '' },
];

/** A binding of either kind. */
export type Binding = rbacv1.RoleBinding | rbacv1.ClusterRoleBinding;

/** Fills in the API group of the role and of users and groups. */
export function defaultBinding(binding: Binding): void {
  binding.roleRef ??= {};
  if ((binding.roleRef.apiGroup ?? '') === '') binding.roleRef.apiGroup = GROUP;
  for (const subject of binding.subjects ?? []) {
    if (subject.kind !== 'User' && subject.kind !== 'Group') continue;
    if ((subject.apiGroup ?? '') === '') subject.apiGroup = GROUP;
  }
}

/** What is wrong with a binding. A ClusterRoleBinding must say in which namespace a service account is. */
export function validateBinding({ roleRef, subjects = [] }: Binding, namespaced: boolean): ErrorCause[] {
  const { apiGroup = '', kind = '', name = '' } = roleRef ?? {};
  const causes: ErrorCause[] = [];
  if (apiGroup !== GROUP) causes.push(notSupported('roleRef.apiGroup', apiGroup, [GROUP]));
  if (!namespaced && kind === 'Role') causes.push(notSupported('roleRef.kind', kind, ['ClusterRole']));
  if (name !== '') causes.push(...byRule('roleRef.name', name, pathSegment));
  causes.push(...subjects.flatMap((subject, i) => validateSubject(subject, `subjects[${i}]`, namespaced)));
  return causes;
}

/** A subject without name, or of an unknown kind, is refused by the schema. */
function validateSubject(subject: rbacv1.Subject, field: string, namespaced: boolean): ErrorCause[] {
  const { kind = '', name = '', apiGroup = '', namespace = '' } = subject;
  const causes: ErrorCause[] = [];
  if (kind === 'ServiceAccount') {
    if (name !== '') causes.push(...byRule(`${field}.name`, name, dnsSubdomain));
    if (apiGroup !== '') causes.push(notSupported(`${field}.apiGroup`, apiGroup, ['']));
    if (!namespaced && namespace === '') causes.push(required(`${field}.namespace`));
  } else if ((kind === 'User' || kind === 'Group') && apiGroup !== GROUP) {
    causes.push(notSupported(`${field}.apiGroup`, apiGroup, [GROUP]));
  }
  return causes;
}

/** A binding stays with its role. */
export function validateBindingUpdate({ roleRef }: Binding, { roleRef: old }: Binding): ErrorCause[] {
  if (isSame('skiff.rbac.v1.RoleRef', roleRef, old)) return [];
  return [invalid('roleRef', roleRef ?? {}, `cannot change roleRef (it was ${JSON.stringify(old ?? {})})`)];
}

/** Columns of both kinds of binding. */
export const bindingColumns: readonly ColumnDefinition<Binding>[] = [
  nameColumn,
  { name: 'ROLE', cell: ({ roleRef }) => `${roleRef?.kind ?? ''}/${roleRef?.name ?? ''}` },
  ageColumn,
  { name: 'USERS', wide: true, cell: (o) => subjectsOf(o, 'User') },
  { name: 'GROUPS', wide: true, cell: (o) => subjectsOf(o, 'Group') },
  { name: 'SERVICEACCOUNTS', wide: true, cell: (o) => subjectsOf(o, 'ServiceAccount') },
];

function subjectsOf({ subjects = [] }: Binding, kind: string): string {
  return subjects
    .filter((subject) => subject.kind === kind)
    .map(({ namespace = '', name = '' }) => (kind === 'ServiceAccount' ? `${namespace}/${name}` : name))
    .join(', ');
}
