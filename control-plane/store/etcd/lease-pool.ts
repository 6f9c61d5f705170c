import type { EtcdClient } from './etcd-client.ts';

/**
 * Keys on one lease. They all go in one transaction when it ends, and each of their deletions needs an index below
 * INDEX_SPAN.
 */
const MAX_KEYS_PER_LEASE = 500;

/** A lease serves new keys while it still outlives them; the longer this lasts, the fewer leases there are. */
const SHARE_FOR_FRACTION = 0.1;
const SHARE_FOR_MIN_SECONDS = 60;

interface SharedLease {
  readonly id: Promise<string>;
  /** On the monotonic clock: keys written before this live at least their ttl. */
  readonly usableUntilMs: number;
  keys: number;
}

/** Leases shared by all keys of one ttl written around the same time, so that thousands of events need few leases. */
export class LeasePool {
  readonly #client: Pick<EtcdClient, 'grantLease'>;
  readonly #nowMs: () => number;
  readonly #current = new Map<number, SharedLease>();

  constructor(client: Pick<EtcdClient, 'grantLease'>, nowMs: () => number = () => performance.now()) {
    this.#client = client;
    this.#nowMs = nowMs;
  }

  /** A lease that ends no sooner than `ttlSeconds` from now, and at most a tenth or a minute later. */
  async leaseFor(ttlSeconds: number): Promise<string> {
    const nowMs = this.#nowMs();
    let lease = this.#current.get(ttlSeconds);
    if (lease === undefined || lease.keys >= MAX_KEYS_PER_LEASE || nowMs > lease.usableUntilMs) {
      const shareForSeconds = Math.ceil(Math.max(SHARE_FOR_MIN_SECONDS, ttlSeconds * SHARE_FOR_FRACTION));
      const id = this.#client.grantLease(Math.ceil(ttlSeconds) + shareForSeconds);
      // The clock is read before etcd starts counting; a second covers etcd's own rounding.
      lease = { id, usableUntilMs: nowMs + (shareForSeconds - 1) * 1000, keys: 0 };
      this.#current.set(ttlSeconds, lease);
      id.catch(() => this.#drop(ttlSeconds, lease));
    }
    lease.keys += 1;
    return lease.id;
  }

  /** Forgets every lease in use, after etcd said that one of them is gone. */
  forget(): void {
    this.#current.clear();
  }

  #drop(ttlSeconds: number, lease: SharedLease | undefined): void {
    if (this.#current.get(ttlSeconds) === lease) this.#current.delete(ttlSeconds);
  }
}
