/** Ranges of whole numbers: IPv4 addresses as numbers, and ports. Pure. */
import { isIPv4 } from 'node:net';

/** From `first` to `last`, both included. */
export interface NumberRange {
  readonly first: number;
  readonly last: number;
}

/** Every IPv4 address. */
export const ALL_ADDRESSES: NumberRange = { first: 0, last: 2 ** 32 - 1 };

const ADDRESS_BITS = 32;

/** The addresses of a range such as 10.0.0.0/8; undefined when it is none of IPv4. Bits beyond the prefix do not matter. */
export function addressRange(cidr: string): NumberRange | undefined {
  const [address = '', bits = ''] = cidr.split('/');
  const prefix = Number(bits);
  if (!isIPv4(address) || !/^\d+$/.test(bits) || prefix > ADDRESS_BITS) return undefined;
  const size = 2 ** (ADDRESS_BITS - prefix);
  const first = Math.floor(addressNumber(address) / size) * size;
  return { first, last: first + size - 1 };
}

/** An IPv4 address as a number. */
export function addressNumber(address: string): number {
  return address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
}

/** The same numbers as few, disjoint ranges in order. */
export function merged(ranges: readonly NumberRange[]): NumberRange[] {
  const out: NumberRange[] = [];
  for (const range of ranges.toSorted((a, b) => a.first - b.first)) {
    const before = out.at(-1);
    if (before === undefined || range.first > before.last + 1) out.push(range);
    else if (range.last > before.last) out[out.length - 1] = { first: before.first, last: range.last };
  }
  return out;
}

/** What of `range` is in none of `holes`. */
export function without(range: NumberRange, holes: readonly NumberRange[]): NumberRange[] {
  const out: NumberRange[] = [];
  let next = range.first;
  for (const hole of merged(holes)) {
    if (hole.last < next || hole.first > range.last) continue;
    if (hole.first > next) out.push({ first: next, last: hole.first - 1 });
    next = hole.last + 1;
  }
  if (next <= range.last) out.push({ first: next, last: range.last });
  return out;
}

/** Whether a number is in one of the ranges. */
export function isIn(ranges: readonly NumberRange[], value: number): boolean {
  return ranges.some(({ first, last }) => first <= value && value <= last);
}

/** Addresses as nft writes them: one, a prefix where it is one, or first and last. */
export function addressText({ first, last }: NumberRange): string {
  if (first === last) return dotted(first);
  const size = last - first + 1;
  const bits = Math.log2(size);
  if (Number.isInteger(bits) && first % size === 0) return `${dotted(first)}/${ADDRESS_BITS - bits}`;
  return `${dotted(first)}-${dotted(last)}`;
}

/** Ports as nft writes them. */
export function portText({ first, last }: NumberRange): string {
  return first === last ? String(first) : `${first}-${last}`;
}

function dotted(value: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join('.');
}
