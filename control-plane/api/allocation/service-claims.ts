/** What a service claims for itself alone in the whole cluster: its addresses, and ports of the nodes. */
import type { corev1 } from '../../../proto/index.ts';
import { NO_ADDRESS, needsClusterIP } from '../../resources/service-kinds.ts';

/** Keys of claimed addresses, as `allocations/clusterips/10.43.0.7`. */
export const CLUSTER_IPS = 'allocations/clusterips/';

/** Keys of claimed ports, as `allocations/nodeports/30007`. */
export const NODE_PORTS_CLAIMED = 'allocations/nodeports/';

/** One thing that only one service can have. */
export interface Claim {
  readonly key: string;
  readonly field: string;
  readonly value: string | number;
}

/** Everything a service claims by name; none when there is no service. */
export function claimsOf(service: corev1.Service | undefined): Claim[] {
  const spec = service?.spec;
  if (spec === undefined) return [];
  const claims: Claim[] = [];
  const addresses = needsClusterIP(spec) ? (spec.clusterIPs ?? []) : [];
  for (const address of addresses.filter((text) => text !== NO_ADDRESS)) {
    claims.push({ key: `${CLUSTER_IPS}${address}`, field: 'spec.clusterIPs', value: address });
  }
  // Two ports of different protocols may share a number.
  const seen = new Set<number>();
  const ports = (spec.ports ?? []).map((port, i) => [port.nodePort ?? 0, `spec.ports[${i}].nodePort`] as const);
  for (const [number, field] of [...ports, [spec.healthCheckNodePort ?? 0, 'spec.healthCheckNodePort'] as const]) {
    if (number === 0 || seen.has(number)) continue;
    seen.add(number);
    claims.push({ key: `${NODE_PORTS_CLAIMED}${number}`, field, value: number });
  }
  return claims;
}
