/** Addresses given out by load balancers: ranges and CIDRs of IPv4, in the order in which they were named. */
import { isIPv4 } from 'node:net';
import { type Ipv4Range, ipv4Number, ipv4Range, ipv4Text, overlap } from './ipv4-range.ts';

/** More addresses than these are no pool of a small cluster, but a mistake. */
const MAX_ADDRESSES = 65_536;

/** A pool. */
export interface AddressPool {
  /** As it was written. */
  readonly text: string;
  readonly size: number;
  has(address: string): boolean;
  /** All addresses, in order. */
  addresses(): IterableIterator<string>;
}

/** The pool without addresses. */
export const NO_POOL: AddressPool = addressPool('');

/**
 * Reads `192.168.1.240-192.168.1.250,192.168.2.0/28`; of a CIDR the first and the last address are left out, unless it has two
 * at most. Throws with what is wrong.
 */
export function addressPool(text: string): AddressPool {
  const ranges = text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
    .map(oneRange);
  for (const [i, range] of ranges.entries()) {
    if (ranges.slice(0, i).some((other) => overlap(other, range))) {
      throw new Error(`the range ${ipv4Text(range.first)}-${ipv4Text(range.last)} overlaps another one`);
    }
  }
  const size = ranges.reduce((sum, { first, last }) => sum + last - first + 1, 0);
  if (size > MAX_ADDRESSES) throw new Error(`must have at most ${MAX_ADDRESSES} addresses, has ${size}`);
  return {
    text,
    size,
    has: (address) => {
      if (!isIPv4(address)) return false;
      const number = ipv4Number(address);
      return ranges.some(({ first, last }) => first <= number && number <= last);
    },
    *addresses() {
      for (const { first, last } of ranges) for (let n = first; n <= last; n++) yield ipv4Text(n);
    },
  };
}

function oneRange(part: string): Ipv4Range {
  const range = part.includes('-') ? fromTo(part) : hostsOf(part);
  if (range === undefined) {
    throw new Error(
      `cannot read ${JSON.stringify(part)}: must be like 192.168.1.240-192.168.1.250 or 192.168.1.240/28`,
    );
  }
  if (range.last < range.first) throw new Error(`the range ${part} ends before it begins`);
  const top = Math.floor(range.first / 2 ** 24);
  if (top === 0 || top === 127 || top >= 224) throw new Error(`${part} has addresses that no service can have`);
  return range;
}

function fromTo(part: string): Ipv4Range | undefined {
  const [first = '', last = '', ...rest] = part.split('-').map((end) => end.trim());
  if (rest.length > 0 || !isIPv4(first) || !isIPv4(last)) return undefined;
  return { first: ipv4Number(first), last: ipv4Number(last) };
}

function hostsOf(part: string): Ipv4Range | undefined {
  const range = ipv4Range(part);
  if (range === undefined || range.last - range.first < 2) return range;
  return { first: range.first + 1, last: range.last - 1 };
}
