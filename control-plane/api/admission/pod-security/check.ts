/** What a check of the Pod Security Standards is, and the words they share. */
import type { corev1, metav1 } from '../../../../proto/index.ts';

/** The pod a check looks at: a pod itself, or the template of a workload. */
export interface CheckedPod {
  readonly metadata: metav1.ObjectMeta;
  readonly spec: corev1.PodSpec;
  /** Minor version of Kubernetes whose rules apply. */
  readonly minor: number;
}

/** What a check has against a pod: `reason (detail)`. */
export interface Violation {
  readonly reason: string;
  readonly detail: string;
}

/** One control of the standards. */
export interface PodCheck {
  readonly level: 'baseline' | 'restricted';
  /** First minor version it exists in; all unless said. */
  readonly since?: number;
  /** Looked at instead of these of the baseline, which it includes. */
  readonly replaces?: PodCheck;
  readonly find: (pod: CheckedPod) => Violation | undefined;
}

/** Containers in every role, in the order in which they are named. */
export function containersOf(spec: corev1.PodSpec): corev1.Container[] {
  const ephemeral = (spec.ephemeralContainers ?? []) as corev1.Container[];
  return [...(spec.initContainers ?? []), ...(spec.containers ?? []), ...ephemeral];
}

/** `"a", "b"`. */
export function quoted(names: readonly string[]): string {
  return names.map((name) => JSON.stringify(name)).join(', ');
}

/** Distinct and sorted. */
export function sortedSet(values: readonly string[]): string[] {
  return [...new Set(values)].sort();
}

/** `container "a"`, `containers "a", "b"`. */
export function containerNames(containers: readonly corev1.Container[]): string {
  const names = containers.map((container) => container.name ?? '');
  return `container${names.length === 1 ? '' : 's'} ${quoted(names)}`;
}

/** `pod and containers "a", "b"`: who set something. Empty when nobody did. */
export function setters(pod: boolean, containers: readonly corev1.Container[]): string {
  return [...(pod ? ['pod'] : []), ...(containers.length > 0 ? [containerNames(containers)] : [])].join(' and ');
}

/** The violation, when there is somebody to name. */
export function violation(who: string, reason: string, detail: string): Violation | undefined {
  return who === '' ? undefined : { reason, detail };
}

/** `one` for a single thing, else `many`. */
export function plural(count: number, one: string, many: string): string {
  return count === 1 ? one : many;
}
