/** The arithmetic of quotas: what a change costs, whether there is room for it, what is used in all. Pure. */
import type { Quantity } from '../../lib/quantity.ts';
import { type corev1, KINDS, type KubeObject, type ResourceType } from '../../proto/index.ts';
import { type Amounts, amountsText, plus, readAmounts, writeAmounts, ZERO } from './amounts.ts';
import { unspecified } from './pod-usage.ts';
import { isInScope } from './scopes.ts';
import { concernsKind, type UsageTime, usageOf } from './usage.ts';

type Kind = Pick<ResourceType, 'group' | 'plural' | 'namespaced'>;

/** One change of one object: `before` is undefined for a new one, `after` for one that goes. */
export interface Change {
  readonly kind: Kind;
  readonly before: KubeObject | undefined;
  readonly after: KubeObject | undefined;
  readonly nowMs: number;
}

/** What became of a charge. */
export type Charge =
  | { readonly result: 'charged'; readonly used: Amounts; readonly changed: boolean }
  /** The words after `is forbidden: `. */
  | { readonly result: 'refused'; readonly because: string }
  /** What is used is not known yet: it must be counted first. */
  | { readonly result: 'unknown'; readonly names: readonly string[] };

/** By how much `change` raises what `quota` counts; lowers it where negative. Zero differences are left out. */
export function differenceOf(quota: corev1.ResourceQuota, change: Change): Map<string, Quantity> {
  const names = Object.keys(quota.spec?.hard ?? {});
  const difference = new Map<string, Quantity>();
  if (!concernsKind(names, change.kind)) return difference;
  const after = usageIn(quota, change.kind, change.after, { nowMs: change.nowMs, purpose: 'change' });
  const before = usageIn(quota, change.kind, change.before, { nowMs: change.nowMs, purpose: 'change' });
  for (const name of names) {
    const old = before.get(name) ?? ZERO;
    const next = after.get(name) ?? ZERO;
    if (next.nano !== old.nano) difference.set(name, plus(next, { nano: -old.nano, family: old.family }));
  }
  return difference;
}

/** Books `change` on `quota`, of which `used` is used. */
export function charge(quota: corev1.ResourceQuota, used: Amounts, change: Change): Charge {
  const hard = readAmounts(quota.spec?.hard);
  const missing = change.before === undefined ? missingOf(quota, hard.keys(), change) : '';
  const name = quota.metadata?.name ?? '';
  if (missing !== '') return { result: 'refused', because: `failed quota: ${name}: must specify ${missing}` };
  const difference = differenceOf(quota, change);
  const raised = [...difference].filter(([, amount]) => amount.nano > 0n);
  const unknown = raised.map(([resource]) => resource).filter((resource) => !used.has(resource));
  if (unknown.length > 0) return { result: 'unknown', names: unknown.sort() };
  const next = new Map(used);
  for (const [resource, amount] of difference) {
    const known = next.get(resource);
    // Refunds never go below nothing: whoever counted it wrongly is put right by the next count.
    if (known !== undefined) next.set(resource, notNegative(plus(known, amount)));
  }
  const exceeded = raised
    .map(([resource]) => resource)
    .filter((resource) => (next.get(resource) ?? ZERO).nano > (hard.get(resource) ?? ZERO).nano);
  if (exceeded.length > 0) {
    const only = (amounts: Amounts): string =>
      amountsText(new Map(exceeded.map((resource) => [resource, amounts.get(resource) ?? ZERO])));
    const because = `exceeded quota: ${name}, requested: ${only(difference)}, used: ${only(used)}, limited: ${only(hard)}`;
    return { result: 'refused', because };
  }
  return { result: 'charged', used: next, changed: difference.size > 0 };
}

/** What all of `objects` use of what `quota` counts; every name it counts is there. */
export function countUsed(
  quota: corev1.ResourceQuota,
  objects: Iterable<{ readonly kind: Kind; readonly object: KubeObject }>,
  nowMs: number,
): Map<string, Quantity> {
  const used = new Map<string, Quantity>(Object.keys(quota.spec?.hard ?? {}).map((name) => [name, ZERO]));
  for (const { kind, object } of objects) {
    for (const [name, amount] of usageIn(quota, kind, object, { nowMs, purpose: 'count' })) {
      const known = used.get(name);
      if (known !== undefined) used.set(name, plus(known, amount));
    }
  }
  return used;
}

/** The status of a quota of which `used` is used. */
export function statusOf(quota: corev1.ResourceQuota, used: Amounts): corev1.ResourceQuotaStatus {
  const hard = quota.spec?.hard ?? {};
  const counted = new Map([...used].filter(([name]) => Object.hasOwn(hard, name)));
  return { hard: { ...hard }, used: writeAmounts(counted) };
}

function usageIn(quota: corev1.ResourceQuota, kind: Kind, object: KubeObject | undefined, time: UsageTime): Amounts {
  return object !== undefined && isInScope(quota, kind, object) ? usageOf(kind, object, time) : new Map();
}

function missingOf(quota: corev1.ResourceQuota, counted: Iterable<string>, { kind, after }: Change): string {
  const isPod = kind.plural === KINDS.Pod.plural && kind.group === KINDS.Pod.group;
  if (!isPod || after === undefined || !isInScope(quota, kind, after)) return '';
  return [...unspecified((after as corev1.Pod).spec, counted)]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([resource, containers]) => `${resource} for: ${[...containers].sort().join(',')}`)
    .join('; ');
}

function notNegative(amount: Quantity): Quantity {
  return amount.nano < 0n ? { ...amount, nano: 0n } : amount;
}
