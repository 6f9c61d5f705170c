/** ResourceQuota: the most that all objects of a namespace may use together. */
import type { ErrorCause } from '../../lib/errors.ts';
import { qualifiedName } from '../../lib/name-rules.ts';
import { parseQuantity } from '../../lib/quantity.ts';
import { type corev1, joinPath, KINDS } from '../../proto/index.ts';
import { isScopedResource, isStandardQuotaResource, isWholeQuotaResource } from '../quota/quota-resources.ts';
import { ageColumn, nameColumn } from './columns.ts';
import type { ResourceDefinition } from './definition.ts';
import { startWithoutStatus } from './start-without-status.ts';
import { byRule, invalid, required } from './validation/field-errors.ts';
import { immutable } from './validation/immutable.ts';

const NANO = 1_000_000_000n;
const POD_SCOPES: ReadonlySet<string> = new Set([
  'Terminating',
  'NotTerminating',
  'BestEffort',
  'NotBestEffort',
  'PriorityClass',
  'CrossNamespacePodAffinity',
]);
const ONLY_EXISTS: ReadonlySet<string> = new Set([
  'BestEffort',
  'NotBestEffort',
  'Terminating',
  'NotTerminating',
  'CrossNamespacePodAffinity',
]);
/** Scopes of which no pod has both. */
const OPPOSITES = [
  ['BestEffort', 'NotBestEffort'],
  ['Terminating', 'NotTerminating'],
] as const;

type Amounts = Readonly<Record<string, string>> | undefined;

/** Everything wrong with a map of quota resources at `path`. */
function validateAmounts(amounts: Amounts, path: string): ErrorCause[] {
  return Object.entries(amounts ?? {}).flatMap(([name, text]) => {
    const field = joinPath(path, name);
    const causes = byRule(field, name, qualifiedName);
    if (causes.length === 0 && !name.includes('/') && !isStandardQuotaResource(name)) {
      causes.push(invalid(field, name, 'must be a standard resource for quota'));
    }
    // What is no quantity is refused by the schema.
    const nano = parseQuantity(text)?.nano ?? 0n;
    if (nano < 0n) causes.push(invalid(field, text, 'must be greater than or equal to 0'));
    else if (isWholeQuotaResource(name) && nano % NANO !== 0n) causes.push(invalid(field, text, 'must be an integer'));
    return causes;
  });
}

function validateScopes(spec: corev1.ResourceQuotaSpec): ErrorCause[] {
  const scopes = spec.scopes ?? [];
  return [
    ...scopes.flatMap((scope) => validateScopeResources(scope, spec.hard, 'spec.scopes')),
    ...OPPOSITES.flatMap((pair) =>
      pair.every((scope) => scopes.includes(scope)) ? [invalid('spec.scopes', scopes, `conflicting scopes`)] : [],
    ),
  ];
}

function validateScopeResources(scope: string, hard: Amounts, field: string): ErrorCause[] {
  if (!POD_SCOPES.has(scope)) return [];
  return Object.keys(hard ?? {}).some((name) => !isScopedResource(scope, name))
    ? [invalid(field, scope, 'unsupported scope applied to resource')]
    : [];
}

function validateScopeSelector(spec: corev1.ResourceQuotaSpec): ErrorCause[] {
  const path = 'spec.scopeSelector.matchExpressions';
  const expressions = spec.scopeSelector?.matchExpressions ?? [];
  const causes = expressions.flatMap((expression, i) => {
    const { scopeName = '', operator = '', values = [] } = expression;
    const at = `${path}[${i}]`;
    const found = validateScopeResources(scopeName, spec.hard, `${at}.scopeName`);
    if (ONLY_EXISTS.has(scopeName) && operator !== 'Exists' && operator !== '') {
      found.push(
        invalid(
          `${at}.operator`,
          operator,
          `must be 'Exist' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ` +
            'ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity',
        ),
      );
    }
    if ((operator === 'In' || operator === 'NotIn') && values.length === 0) {
      found.push(
        required(`${at}.values`, "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"),
      );
    }
    if ((operator === 'Exists' || operator === 'DoesNotExist') && values.length > 0) {
      found.push(
        invalid(
          `${at}.values`,
          values,
          "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector",
        ),
      );
    }
    return found;
  });
  const named = expressions.map(({ scopeName }) => scopeName);
  for (const pair of OPPOSITES) {
    if (pair.every((scope) => named.includes(scope))) causes.push(invalid(path, named, 'conflicting scopes'));
  }
  return causes;
}

function validate({ spec = {} }: corev1.ResourceQuota): ErrorCause[] {
  return [...validateAmounts(spec.hard, 'spec.hard'), ...validateScopes(spec), ...validateScopeSelector(spec)];
}

/** What is no longer limited is no longer kept up to date either: should it be limited again, it must be counted anew. */
function prepareForUpdate(object: corev1.ResourceQuota): void {
  const { hard = {} } = object.spec ?? {};
  const used = Object.entries(object.status?.used ?? {}).filter(([name]) => Object.hasOwn(hard, name));
  if (object.status?.used !== undefined) object.status = { ...object.status, used: Object.fromEntries(used) };
}

/** What a quota counts cannot become something else. */
function validateUpdate(object: corev1.ResourceQuota, old: corev1.ResourceQuota): ErrorCause[] {
  const sorted = (quota: corev1.ResourceQuota): string[] => [...(quota.spec?.scopes ?? [])].sort();
  return [
    ...immutable('spec.scopes', sorted(object), sorted(old)),
    ...immutable('spec.scopeSelector', plainSelector(object), plainSelector(old)),
  ];
}

function plainSelector({ spec }: corev1.ResourceQuota): unknown {
  return (spec?.scopeSelector?.matchExpressions ?? []).map(({ scopeName, operator, values = [] }) => ({
    scopeName,
    operator,
    values: [...values],
  }));
}

function validateStatusUpdate({ status = {} }: corev1.ResourceQuota): ErrorCause[] {
  return [...validateAmounts(status.hard, 'status.hard'), ...validateAmounts(status.used, 'status.used')];
}

/** `pods: 1/10, requests.cpu: 0/2`: what is used of the amounts that `wanted` selects. */
function usage({ status = {} }: corev1.ResourceQuota, wanted: (name: string) => boolean): string {
  return Object.keys(status.hard ?? {})
    .filter(wanted)
    .sort()
    .map((name) => `${name}: ${status.used?.[name] ?? '0'}/${status.hard?.[name] ?? '0'}`)
    .join(', ');
}

const isLimit = (name: string): boolean => name.startsWith('limits.');

/** The definition of ResourceQuota. */
export const resourceQuota: ResourceDefinition<corev1.ResourceQuota> = {
  type: KINDS.ResourceQuota,
  subresources: { status: true },
  countsGenerations: false,
  prepareForCreate: startWithoutStatus,
  prepareForUpdate,
  validate,
  validateUpdate,
  validateStatusUpdate,
  columns: [
    nameColumn,
    { name: 'REQUEST', cell: (o) => usage(o, (name) => !isLimit(name)) },
    { name: 'LIMIT', cell: (o) => usage(o, isLimit) },
    ageColumn,
  ],
};
