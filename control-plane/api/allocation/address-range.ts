/** A range of IPv4 addresses from which services get theirs. */
import { isIPv4 } from 'node:net';

const BITS = 32;
/** Smallest range: a network, a broadcast address, and two services. */
const MAX_PREFIX = 30;
const STATIC_MIN = 16;
const STATIC_MAX = 256;
const STATIC_PART = 16;

/** The addresses of a range, by their number in it: 0 is the network itself, the last one the broadcast address. */
export interface AddressRange {
  readonly cidr: string;
  /** How many there are, those two included. */
  readonly size: number;
  /** First number given out by itself: those below are left to who asks for one by name, as long as others are free. */
  readonly firstAutomatic: number;
  readonly addressAt: (index: number) => string;
  /** The number of an address; undefined when it is not in the range, or is one of the two that nobody can have. */
  readonly indexOf: (address: string) => number | undefined;
}

/** Reads `10.43.0.0/16`. Throws with the rule when it is no range of IPv4 addresses, or one too small for services. */
export function addressRange(cidr: string): AddressRange {
  const [network = '', prefixText = ''] = cidr.split('/');
  if (!isIPv4(network) || !/^\d{1,2}$/.test(prefixText) || Number(prefixText) > MAX_PREFIX) {
    throw new Error('must be a range of IPv4 addresses, such as 10.43.0.0/16, of at least four');
  }
  const size = 2 ** (BITS - Number(prefixText));
  const first = Math.floor(numberOf(network) / size) * size;
  return {
    cidr,
    size,
    firstAutomatic: Math.min(Math.max(STATIC_MIN, size / STATIC_PART), STATIC_MAX, size / 2) + 1,
    addressAt: (index) => textOf(first + index),
    indexOf: (address) => {
      const index = isIPv4(address) ? numberOf(address) - first : -1;
      return index > 0 && index < size - 1 ? index : undefined;
    },
  };
}

/** The range unless an option says another. */
export const DEFAULT_SERVICE_RANGE = addressRange('10.43.0.0/16');

function numberOf(address: string): number {
  return address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
}

function textOf(address: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256).join('.');
}
