/** LimitRange: bounds and defaults for what each container, pod and claim of a namespace may ask for. */
import type { ErrorCause } from '../../lib/errors.ts';
import { qualifiedName } from '../../lib/name-rules.ts';
import { parseQuantity } from '../../lib/quantity.ts';
import { type corev1, joinPath, KINDS } from '../../proto/index.ts';
import { nameColumn } from './columns.ts';
import type { ResourceDefinition } from './definition.ts';
import { sortedKeys } from './sorted-keys.ts';
import { byRule, duplicate, forbidden, invalid, required } from './validation/field-errors.ts';

const COMPUTE: ReadonlySet<string> = new Set(['cpu', 'memory', 'ephemeral-storage']);
const NANO = 1_000_000_000n;

type Amounts = Readonly<Record<string, string>> | undefined;

/** Containers that name nothing get the most that is allowed; what is limited is requested, else the least allowed is. */
function setDefaults(range: corev1.LimitRange): void {
  for (const item of range.spec?.limits ?? []) {
    if (item.type !== 'Container') continue;
    item.default = filled(item.default, item.max);
    item.defaultRequest = filled(filled(item.defaultRequest, item.default), item.min);
    for (const name of ['default', 'defaultRequest'] as const) if (item[name] === undefined) delete item[name];
  }
}

function filled(amounts: Amounts, from: Amounts): Record<string, string> | undefined {
  const all = { ...from, ...amounts };
  return Object.keys(all).length === 0 ? undefined : sortedKeys(all);
}

function validateItem(item: corev1.LimitRangeItem, path: string): ErrorCause[] {
  const { type = '' } = item;
  const causes = type === '' ? [] : byRule(`${path}.type`, type, qualifiedName);
  const maps = ['max', 'min', 'default', 'defaultRequest', 'maxLimitRequestRatio'] as const;
  const names = new Set<string>();
  for (const map of maps) {
    for (const name of Object.keys(item[map] ?? {})) {
      names.add(name);
      causes.push(...validateName(type, name, joinPath(`${path}.${map}`, name)));
    }
  }
  if (type === 'Pod') {
    const why = "may not be specified when `type` is 'Pod'";
    if (item.default !== undefined) causes.push(forbidden(`${path}.default`, why));
    if (item.defaultRequest !== undefined) causes.push(forbidden(`${path}.defaultRequest`, why));
  }
  if (type === 'PersistentVolumeClaim' && item.min?.storage === undefined && item.max?.storage === undefined) {
    causes.push(
      required(`${path}.limits`, 'either minimum or maximum storage value is required, but neither was provided'),
    );
  }
  return [...causes, ...[...names].sort().flatMap((name) => validateAmounts(item, name, path))];
}

function validateName(type: string, name: string, field: string): ErrorCause[] {
  const causes = byRule(field, name, qualifiedName);
  if (causes.length > 0 || name.includes('/')) return causes;
  if (type === 'Container' || type === 'Pod') {
    const known = COMPUTE.has(name) || name.startsWith('hugepages-');
    return known ? [] : [invalid(field, name, 'must be a standard limit type or fully qualified')];
  }
  return name === 'storage' || COMPUTE.has(name) || type !== 'PersistentVolumeClaim'
    ? []
    : [invalid(field, name, 'must be a standard limit type or fully qualified')];
}

/** min ≤ defaultRequest ≤ default ≤ max, as far as they are given; and a ratio that the bounds leave room for. */
function validateAmounts(item: corev1.LimitRangeItem, name: string, path: string): ErrorCause[] {
  const amount = (map: Amounts): bigint | undefined => parseQuantity(map?.[name] ?? '')?.nano;
  const text = (map: Amounts): string => map?.[name] ?? '';
  const at = (map: string): string => joinPath(`${path}.${map}`, name);
  const [max, min, limit, request] = [
    amount(item.max),
    amount(item.min),
    amount(item.default),
    amount(item.defaultRequest),
  ];
  const ratio = amount(item.maxLimitRequestRatio);
  const causes: ErrorCause[] = [];
  const above = (
    [low, lowName, lowText]: readonly [bigint | undefined, string, string],
    [high, highName, highText]: readonly [bigint | undefined, string, string],
    field: string,
  ): void => {
    if (low === undefined || high === undefined || low <= high) return;
    causes.push(
      invalid(at(field), lowText, `${lowName} value ${lowText} is greater than ${highName} value ${highText}`),
    );
  };
  const minPart = [min, 'min', text(item.min)] as const;
  const maxPart = [max, 'max', text(item.max)] as const;
  const limitPart = [limit, 'default', text(item.default)] as const;
  const requestPart = [request, 'default request', text(item.defaultRequest)] as const;
  above(minPart, maxPart, 'min');
  above(minPart, requestPart, 'defaultRequest');
  above(requestPart, maxPart, 'defaultRequest');
  above(requestPart, limitPart, 'defaultRequest');
  above(minPart, limitPart, 'default');
  above(limitPart, maxPart, 'default');
  if (ratio !== undefined) {
    const field = at('maxLimitRequestRatio');
    if (ratio < NANO)
      causes.push(
        invalid(field, text(item.maxLimitRequestRatio), `ratio ${text(item.maxLimitRequestRatio)} is less than 1`),
      );
    // The bounds themselves allow no larger ratio: the one given would never be reached.
    if (max !== undefined && min !== undefined && min > 0n && ratio * min > max * NANO) {
      const bound = Number(max) / Number(min);
      causes.push(
        invalid(
          field,
          text(item.maxLimitRequestRatio),
          `ratio ${text(item.maxLimitRequestRatio)} is greater than max/min = ${bound.toFixed(6)}`,
        ),
      );
    }
  }
  return causes;
}

function validate({ spec = {} }: corev1.LimitRange): ErrorCause[] {
  const limits = spec.limits ?? [];
  const seen = new Set<string>();
  return limits.flatMap((item, i) => {
    const path = `spec.limits[${i}]`;
    const twice = item.type !== undefined && seen.has(item.type) ? [duplicate(`${path}.type`, item.type)] : [];
    if (item.type !== undefined) seen.add(item.type);
    return [...validateItem(item, path), ...twice];
  });
}

/** The definition of LimitRange. */
export const limitRange: ResourceDefinition<corev1.LimitRange> = {
  type: KINDS.LimitRange,
  setDefaults,
  validate,
  columns: [nameColumn, { name: 'CREATED AT', cell: (o) => o.metadata?.creationTimestamp ?? '' }],
};
