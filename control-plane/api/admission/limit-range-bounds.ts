import { formatQuantity, parseQuantity, type Quantity } from '../../../lib/quantity.ts';
import { type corev1, KINDS } from '../../../proto/index.ts';
import { type Amounts, readAmounts } from '../../quota/amounts.ts';
import { podAmounts } from '../../quota/pod-usage.ts';
import { forbidden } from '../api-errors.ts';
import type { AdmissionStep } from './admission-step.ts';
import { policyObjects } from './policy-objects.ts';

/** Refuses pods and claims that ask for more or less than the namespace's LimitRanges allow. */
export const limitRangeBounds: AdmissionStep = (request, services) => {
  const { operation, definition, subresource, namespace, name, object } = request;
  const { messageName } = definition.type;
  const isNewPod = operation === 'CREATE' && messageName === KINDS.Pod.messageName;
  const isClaim = messageName === KINDS.PersistentVolumeClaim.messageName;
  if (subresource !== '' || !(isNewPod || isClaim)) return;
  const items = policyObjects(services, KINDS.LimitRange, namespace).flatMap((range) => range.spec?.limits ?? []);
  if (items.length === 0) return;
  const problems = isNewPod
    ? podProblems(object as corev1.Pod, items)
    : claimProblems(object as corev1.PersistentVolumeClaim, items);
  if (problems.length === 0) return;
  const because = problems.length === 1 ? (problems[0] ?? '') : `[${problems.join(', ')}]`;
  throw forbidden(definition.type, name, because);
};

interface Asked {
  readonly requests: Amounts;
  readonly limits: Amounts;
}

/** What the ranges have against the pod, in Kubernetes' words. */
export function podProblems({ spec }: corev1.Pod, items: readonly corev1.LimitRangeItem[]): string[] {
  const containers = [...(spec?.containers ?? []), ...(spec?.initContainers ?? [])].map(({ resources }) => ({
    requests: readAmounts(resources?.requests),
    limits: readAmounts(resources?.limits),
  }));
  const whole: Asked = {
    requests: podAmounts(spec, (container) => container.resources?.requests),
    limits: podAmounts(spec, (container) => container.resources?.limits),
  };
  return items.flatMap((item) => {
    if (item.type === 'Container') return distinct(containers.flatMap((asked) => itemProblems(item, asked)));
    return item.type === 'Pod' ? itemProblems(item, whole) : [];
  });
}

/** What the ranges have against the claim. */
export function claimProblems(
  { spec }: corev1.PersistentVolumeClaim,
  items: readonly corev1.LimitRangeItem[],
): string[] {
  const asked: Asked = { requests: readAmounts(spec?.resources?.requests), limits: new Map() };
  return items
    .filter((item) => item.type === 'PersistentVolumeClaim')
    .flatMap((item) => [
      ...eachOf(item.min, (name, bound) => belowMin(item, name, bound, asked)),
      ...eachOf(item.max, (name, bound) => requestAboveMax(item, name, bound, asked)),
    ]);
}

function itemProblems(item: corev1.LimitRangeItem, asked: Asked): string[] {
  return [
    ...eachOf(item.min, (name, bound) => belowMin(item, name, bound, asked)),
    ...eachOf(item.max, (name, bound) => aboveMax(item, name, bound, asked)),
    ...eachOf(item.maxLimitRequestRatio, (name, bound) => aboveRatio(item, name, bound, asked)),
  ];
}

type Bound = (name: string, bound: Quantity) => string | undefined;

function eachOf(bounds: Readonly<Record<string, string>> | undefined, problemOf: Bound): string[] {
  return Object.keys(bounds ?? {})
    .sort()
    .flatMap((name) => {
      const bound = parseQuantity(bounds?.[name] ?? '');
      return (bound === undefined ? undefined : problemOf(name, bound)) ?? [];
    });
}

interface Measure {
  readonly type?: string | undefined;
}

function belowMin({ type }: Measure, name: string, bound: Quantity, asked: Asked): string | undefined {
  const request = asked.requests.get(name);
  const limit = asked.limits.get(name);
  const rule = `minimum ${name} usage per ${type} is ${formatQuantity(bound)}`;
  if (request === undefined) return `${rule}. No request is specified`;
  if (request.nano < bound.nano) return `${rule}, but request is ${formatQuantity(request)}`;
  return limit !== undefined && limit.nano < bound.nano ? `${rule}, but limit is ${formatQuantity(limit)}` : undefined;
}

function aboveMax({ type }: Measure, name: string, bound: Quantity, asked: Asked): string | undefined {
  const request = asked.requests.get(name);
  const limit = asked.limits.get(name);
  const rule = `maximum ${name} usage per ${type} is ${formatQuantity(bound)}`;
  if (limit === undefined) return `${rule}. No limit is specified`;
  if (limit.nano > bound.nano) return `${rule}, but limit is ${formatQuantity(limit)}`;
  return request !== undefined && request.nano > bound.nano
    ? `${rule}, but request is ${formatQuantity(request)}`
    : undefined;
}

/** For what is only requested: storage. */
function requestAboveMax({ type }: Measure, name: string, bound: Quantity, asked: Asked): string | undefined {
  const request = asked.requests.get(name);
  const rule = `maximum ${name} usage per ${type} is ${formatQuantity(bound)}`;
  if (request === undefined) return `${rule}. No request is specified`;
  return request.nano > bound.nano ? `${rule}, but request is ${formatQuantity(request)}` : undefined;
}

function aboveRatio({ type }: Measure, name: string, bound: Quantity, asked: Asked): string | undefined {
  const request = asked.requests.get(name)?.nano ?? 0n;
  const limit = asked.limits.get(name)?.nano ?? 0n;
  const rule = `${name} max limit to request ratio per ${type} is ${formatQuantity(bound)}`;
  if (request === 0n) return `${rule}, but no request is specified or request is 0`;
  if (limit === 0n) return `${rule}, but no limit is specified or limit is 0`;
  // limit / request > bound, without a division: the bound is in billionths.
  if (limit * 1_000_000_000n <= bound.nano * request) return undefined;
  return `${rule}, but provided ratio is ${(Number(limit) / Number(request)).toFixed(6)}`;
}

function distinct(lines: readonly string[]): string[] {
  return [...new Set(lines)];
}
