/** Which addresses of services this node announces. */
import { isIPv4 } from 'node:net';
import { objectKey } from '../../lib/informer.ts';
import type { corev1 } from '../../proto/index.ts';

/** Annotation of a Service: the node that announces its addresses. Written by the control plane alone. */
export const ANNOUNCED_BY = 'skiff.dev/announced-by';

/** What is to be done about one address. */
export interface AddressPlan {
  /** Addresses that are wanted, each with the service that wants it. */
  readonly wanted: ReadonlyMap<string, corev1.Service>;
  /** Wanted and not held. */
  readonly take: readonly string[];
  /** Held and wanted no longer. */
  readonly drop: readonly string[];
}

/** Compares what this node is to announce with what it holds. */
export function planAddresses(node: string, services: readonly corev1.Service[], held: Iterable<string>): AddressPlan {
  const wanted = new Map<string, corev1.Service>();
  const ours = services
    .filter(({ metadata, spec }) => spec?.type === 'LoadBalancer' && metadata?.annotations?.[ANNOUNCED_BY] === node)
    .sort((a, b) => (objectKey(a) < objectKey(b) ? -1 : 1));
  for (const service of ours) {
    for (const { ip = '' } of service.status?.loadBalancer?.ingress ?? []) {
      if (isIPv4(ip) && !wanted.has(ip)) wanted.set(ip, service);
    }
  }
  const has = new Set(held);
  return {
    wanted,
    take: [...wanted.keys()].filter((address) => !has.has(address)),
    drop: [...has].filter((address) => !wanted.has(address)),
  };
}
