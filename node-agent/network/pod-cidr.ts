import { contains, ipv4Range } from '../../lib/ipv4-range.ts';
import { NetworkError, type PodAttachment } from './pod-network.ts';

/** The first usable address of a range, as the gateway of its pods. */
export function gatewayOf(cidr: string): { readonly gateway: string; readonly prefix: number } {
  const match = /^(\d+)\.(\d+)\.(\d+)\.(\d+)\/(\d+)$/.exec(cidr);
  const numbers = match?.slice(1).map(Number) ?? [];
  const [a = 256, b = 256, c = 256, d = 256, prefix = 33] = numbers;
  if ([a, b, c, d].some((part) => part > 255) || prefix > 30) {
    throw new NetworkError(
      'BadConfig',
      `Cannot use ${cidr} as a pod range: it is not an IPv4 range of at least four addresses`,
    );
  }
  const base = (((a << 24) | (b << 16) | (c << 8) | d) & (prefix === 0 ? 0 : -1 << (32 - prefix))) + 1;
  return { gateway: [24, 16, 8, 0].map((shift) => (base >>> shift) & 255).join('.'), prefix };
}

/** Whether an address of IPv4 lies in a range. */
export function isInside(address: string, cidr: string): boolean {
  const [range, at] = [ipv4Range(cidr), ipv4Range(address)];
  return range !== undefined && at !== undefined && contains(range, at);
}

/**
 * Pods that are wired with addresses of another range than the node's: nobody reaches them any more, since that range is not
 * routed here. They must be made anew. Of a node whose pods a user's own chain wires, ask nothing.
 */
export function podsOfOtherRange(attachments: readonly PodAttachment[], podCidr: string): readonly PodAttachment[] {
  return attachments.filter(({ ips }) => !ips.some((ip) => isInside(ip, podCidr)));
}

/** What to say when the Node's range is no longer the one that the agent works with. */
export function otherRangeText(node: string, had: string, has: string): string {
  return `Cannot go on with the pod range ${had}: node "${node}" now has ${has} (it was removed and registered anew); its pods get new addresses`;
}
