/** How often one address may try to join: enough for a shelf of machines behind one address, too little to guess with. */
import { isIPv6 } from 'node:net';

const BURST = 20;
const EVERY_MS = 3_000;
/** Addresses remembered; when there are more, the one that tried longest ago is forgotten. */
const MAX_ADDRESSES = 10_000;

interface Allowance {
  left: number;
  atMs: number;
}

/** Counts attempts by address. */
export class AttemptLimit {
  readonly #now: () => number;
  /** In order of the last attempt. */
  readonly #allowances = new Map<string, Allowance>();

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Takes one attempt of an address: 0 when it may try, else the milliseconds until it may. */
  take(address: string): number {
    const key = isIPv6(address) ? networkOf(address) : address;
    const atMs = this.#now();
    const found = this.#allowances.get(key) ?? { left: BURST, atMs };
    const left = Math.min(BURST, found.left + Math.max(0, atMs - found.atMs) / EVERY_MS);
    this.#allowances.delete(key);
    const allowed = left >= 1;
    this.#allowances.set(key, { left: allowed ? left - 1 : left, atMs });
    const [oldest] = this.#allowances.keys();
    if (this.#allowances.size > MAX_ADDRESSES && oldest !== undefined) this.#allowances.delete(oldest);
    return allowed ? 0 : Math.ceil((1 - left) * EVERY_MS);
  }
}

/** A machine has all addresses of its /64: written with all its parts, the first four. */
function networkOf(address: string): string {
  const [head = '', tail] = (address.split('%')[0] ?? '').split('::');
  const before = head.split(':').filter((part) => part !== '');
  const after = (tail ?? '').split(':').filter((part) => part !== '');
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - before.length - after.length);
  return [...before, ...Array<string>(zeros).fill('0'), ...after].slice(0, 4).join(':');
}
