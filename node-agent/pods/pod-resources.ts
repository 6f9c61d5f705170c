/** What a pod's requests and limits mean for the kernel: quality of service, cgroup settings, who is killed first. */
import { type Arithmetic, podTotal } from '../../lib/pod-total.ts';
import type { QosClass } from '../../lib/qos.ts';
import { quantityMilli, quantityUnits } from '../../lib/quantity.ts';
import type { corev1 } from '../../proto/index.ts';
import { CPU_PERIOD_US, cpuQuotaUsFromMillis, cpuSharesFromMillis } from '../cgroups/calculations.ts';
import type { ContainerResources } from '../runtime/runtime.ts';

/** All containers that hold resources while the pod runs, init containers first. */
export function allContainers(spec: corev1.PodSpec | undefined): readonly corev1.Container[] {
  return [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])];
}

/** What one container may use. Without a request the limit counts as one, as everywhere in Kubernetes. */
export function containerResources(container: corev1.Container): ContainerResources {
  const limits = container.resources?.limits;
  const cpuLimitMilli = quantityMilli(limits?.cpu);
  const memoryLimitBytes = quantityUnits(limits?.memory);
  return limitsOf(cpuRequestMilli(container), cpuLimitMilli, memoryLimitBytes);
}

/**
 * What the pod as a whole may use. A CPU or memory limit applies only when every container has one; the number of
 * processes is always limited, so that a fork bomb stays in its pod.
 */
export function podResources(spec: corev1.PodSpec | undefined, pidsLimit: number): ContainerResources {
  const cpuLimitMilli = podLimit(spec, (c) => quantityMilli(c.resources?.limits?.cpu));
  const memoryLimitBytes = podLimit(spec, (c) => quantityUnits(c.resources?.limits?.memory));
  return { ...limitsOf(podTotal(spec, cpuRequestMilli, NUMBERS), cpuLimitMilli, memoryLimitBytes), pidsLimit };
}

const NUMBERS: Arithmetic<number> = { zero: 0, plus: (a, b) => a + b, max: (a, b) => Math.max(a, b) };

function podLimit(spec: corev1.PodSpec | undefined, amount: (container: corev1.Container) => number): number {
  return allContainers(spec).every((container) => amount(container) > 0) ? podTotal(spec, amount, NUMBERS) : 0;
}

function cpuRequestMilli(container: corev1.Container): number {
  return quantityMilli(container.resources?.requests?.cpu ?? container.resources?.limits?.cpu);
}

function limitsOf(requestMilli: number, limitMilli: number, memoryLimitBytes: number): ContainerResources {
  const cpuQuotaUs = cpuQuotaUsFromMillis(limitMilli);
  return {
    cpuShares: cpuSharesFromMillis(requestMilli),
    ...(cpuQuotaUs === undefined ? {} : { cpuQuotaUs, cpuPeriodUs: CPU_PERIOD_US }),
    ...(memoryLimitBytes > 0 ? { memoryLimitBytes } : {}),
  };
}

/**
 * How readily the kernel kills the container when memory runs out, -1000 to 1000: Guaranteed last, BestEffort first, and
 * between them the less memory was asked for, the sooner.
 */
export function oomScoreAdj(qos: QosClass, container: corev1.Container, nodeMemoryBytes: number): number {
  if (qos === 'Guaranteed') return -997;
  if (qos === 'BestEffort') return 1000;
  const { requests, limits } = container.resources ?? {};
  const requestBytes = quantityUnits(requests?.memory ?? limits?.memory);
  const score = 1000 - Math.floor((1000 * requestBytes) / Math.max(1, nodeMemoryBytes));
  return Math.min(999, Math.max(3, score));
}
