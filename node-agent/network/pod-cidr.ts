import { NetworkError } from './pod-network.ts';

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
