/** Ranges of IPv4 addresses as numbers. */
import { isIPv4 } from 'node:net';

const BITS = 32;

/** First and last address of a range. */
export interface Ipv4Range {
  readonly first: number;
  readonly last: number;
}

/** The range `a.b.c.d/n`, wherever in it the address lies; a single address without `/n`. Undefined for anything else. */
export function ipv4Range(cidr: string): Ipv4Range | undefined {
  const [network = '', bits = String(BITS), ...rest] = cidr.split('/');
  if (rest.length > 0 || !isIPv4(network) || !/^\d{1,2}$/.test(bits) || Number(bits) > BITS) return undefined;
  const size = 2 ** (BITS - Number(bits));
  const first = Math.floor(ipv4Number(network) / size) * size;
  return { first, last: first + size - 1 };
}

/** Whether two ranges share an address. */
export function overlap(a: Ipv4Range, b: Ipv4Range): boolean {
  return a.first <= b.last && b.first <= a.last;
}

/** Whether `inner` lies in `outer` as a whole. */
export function contains(outer: Ipv4Range, inner: Ipv4Range): boolean {
  return outer.first <= inner.first && inner.last <= outer.last;
}

/** An address as a number. */
export function ipv4Number(address: string): number {
  return address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
}

/** The number as an address. */
export function ipv4Text(address: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256).join('.');
}

/** A range as `a.b.c.d/n`, beginning at its own first address. Undefined when it is no range. */
export function canonicalCidr(cidr: string): string | undefined {
  const range = ipv4Range(cidr);
  const bits = cidr.split('/')[1] ?? String(BITS);
  return range === undefined ? undefined : `${ipv4Text(range.first)}/${Number(bits)}`;
}
