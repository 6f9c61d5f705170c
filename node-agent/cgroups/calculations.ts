/** Kubernetes' quality-of-service classes: they decide where in the tree a pod's cgroup sits. */
export type QosClass = 'Guaranteed' | 'Burstable' | 'BestEffort';

/** The least and the most CPU shares of cgroup v1. */
export const MIN_SHARES = 2;
/** See {@link MIN_SHARES}. */
export const MAX_SHARES = 262_144;
/** CPU shares that a request of one core is. */
export const SHARES_PER_CPU = 1024;
const MILLIS_PER_CPU = 1000;
const MIN_QUOTA_US = 1000;

/** The period all quotas refer to, in microseconds. */
export const CPU_PERIOD_US = 100_000;

/** A pod's cgroup, e.g. `skiff/burstable/pod<uid>`; guaranteed pods sit directly under the root. */
export function podCgroupPath(cgroupRoot: string, qos: QosClass, podUid: string): string {
  return qos === 'Guaranteed' ? `${cgroupRoot}/pod${podUid}` : `${cgroupRoot}/${qos.toLowerCase()}/pod${podUid}`;
}

/** A container's cgroup, a child of its pod's. */
export function containerCgroupPath(podPath: string, containerId: string): string {
  return `${podPath}/${containerId}`;
}

/** CPU request in thousandths of a core → cgroup v1 shares, as the kubelet computes them. No request gives the least. */
export function cpuSharesFromMillis(cpuMillis: number): number {
  return Math.min(MAX_SHARES, Math.max(MIN_SHARES, Math.floor((cpuMillis * SHARES_PER_CPU) / MILLIS_PER_CPU)));
}

/** CPU limit in thousandths of a core → microseconds per {@link CPU_PERIOD_US}; undefined for "no limit" (0 or less). */
export function cpuQuotaUsFromMillis(cpuMillis: number): number | undefined {
  if (cpuMillis <= 0) {
    return undefined;
  }
  return Math.max(MIN_QUOTA_US, Math.floor((cpuMillis * CPU_PERIOD_US) / MILLIS_PER_CPU));
}

/** v1 shares (2..262144) → v2 weight (1..10000), linearly, as the OCI runtimes do. */
export function cpuWeightFromShares(shares: number): number {
  const clamped = Math.min(MAX_SHARES, Math.max(MIN_SHARES, shares));
  return 1 + Math.floor(((clamped - MIN_SHARES) * 9999) / (MAX_SHARES - MIN_SHARES));
}
