/** The quality-of-service class of a pod: who is squeezed first when a node runs short. */

import type { corev1 } from '../proto/index.ts';
import { parseQuantity } from './quantity.ts';

/** Kubernetes' classes, the safest first. */
export type QosClass = 'Guaranteed' | 'Burstable' | 'BestEffort';

const COUNTED = ['cpu', 'memory'] as const;

/**
 * `Guaranteed` when every container limits both CPU and memory and requests the same; `BestEffort` when none names either;
 * else `Burstable`. A limit without a request is one too. Resources of the whole pod, where given, decide alone.
 */
export function qosClass(spec: corev1.PodSpec | undefined): QosClass {
  const whole = spec?.resources;
  const units: readonly (corev1.ResourceRequirements | undefined)[] =
    whole !== undefined && isNamed(whole)
      ? [whole]
      : [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])].map((c) => c.resources);
  if (!units.some(isNamed)) return 'BestEffort';
  return units.every(isGuaranteed) ? 'Guaranteed' : 'Burstable';
}

function isNamed(resources: corev1.ResourceRequirements | undefined): boolean {
  return COUNTED.some((name) => amount(resources?.requests, name) > 0n || amount(resources?.limits, name) > 0n);
}

function isGuaranteed(resources: corev1.ResourceRequirements | undefined): boolean {
  return COUNTED.every((name) => {
    const limit = amount(resources?.limits, name);
    const request = resources?.requests?.[name];
    return limit > 0n && (request === undefined || amount(resources?.requests, name) === limit);
  });
}

function amount(list: Readonly<Record<string, string>> | undefined, name: string): bigint {
  return parseQuantity(list?.[name] ?? '0')?.nano ?? 0n;
}
