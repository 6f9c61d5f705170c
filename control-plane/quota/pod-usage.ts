/** What a pod uses of the quotas of its namespace, under every name that is counted. */
import { podTotals } from '../../lib/pod-total.ts';
import type { Quantity } from '../../lib/quantity.ts';
import type { corev1 } from '../../proto/index.ts';
import { type Amounts, addAll, larger, plus, readAmounts } from './amounts.ts';
import { MUST_BE_SPECIFIED } from './quota-resources.ts';

const NATIVE: ReadonlySet<string> = new Set(['cpu', 'memory', 'ephemeral-storage']);

/**
 * What the pod asks for: requests under `requests.<name>` and, for what every node has, under the bare name too; limits
 * under `limits.<name>`.
 */
export function computeUsage(spec: corev1.PodSpec | undefined): Map<string, Quantity> {
  const requests = podAmounts(spec, (container) => container.resources?.requests);
  const limits = podAmounts(spec, (container) => container.resources?.limits);
  for (const [name, amount] of readAmounts(spec?.resources?.requests)) requests.set(name, amount);
  for (const [name, amount] of readAmounts(spec?.resources?.limits)) limits.set(name, amount);
  addAll(requests, readAmounts(spec?.overhead));
  for (const [name, amount] of readAmounts(spec?.overhead))
    if (limits.has(name)) addAll(limits, new Map([[name, amount]]));
  return underQuotaNames(requests, limits);
}

/** Of the names that a quota counts, those that some containers leave out, with the containers' names. */
export function unspecified(spec: corev1.PodSpec | undefined, counted: Iterable<string>): Map<string, string[]> {
  const required = [...counted].filter((name) => MUST_BE_SPECIFIED.has(name));
  const missing = new Map<string, string[]>();
  if (required.length === 0) return missing;
  for (const container of [...(spec?.containers ?? []), ...(spec?.initContainers ?? [])]) {
    const { requests, limits } = container.resources ?? {};
    const given = underQuotaNames(readAmounts(requests), readAmounts(limits));
    for (const name of required) {
      if (!given.has(name)) missing.set(name, [...(missing.get(name) ?? []), container.name ?? '']);
    }
  }
  return missing;
}

function underQuotaNames(requests: Amounts, limits: Amounts): Map<string, Quantity> {
  const usage = new Map<string, Quantity>();
  for (const [name, amount] of requests) {
    usage.set(`requests.${name}`, amount);
    if (NATIVE.has(name) || name.startsWith('hugepages-')) usage.set(name, amount);
  }
  for (const [name, amount] of limits) if (NATIVE.has(name)) usage.set(`limits.${name}`, amount);
  return usage;
}

/** What the pod takes of the resources in the lists that `listOf` finds in its containers. */
export function podAmounts(
  spec: corev1.PodSpec | undefined,
  listOf: (container: corev1.Container) => Readonly<Record<string, string>> | undefined,
): Map<string, Quantity> {
  return podTotals(spec, (container) => readAmounts(listOf(container)), { plus, max: larger });
}
