import { setTimeout as delay } from 'node:timers/promises';
import type { IKeyValue } from 'etcd3';
import type { Logger } from 'pino';
import type { EtcdClient } from './etcd-client.ts';
import { DEFAULT_PREFIX } from './etcd-store.ts';
import { KeySpace } from './key-space.ts';
import type { Fence } from './write-group.ts';

/** What an {@link Election} needs. Times left out have the values given here. */
export interface ElectionOptions {
  readonly client: EtcdClient;
  /** The registry's prefix, under which the leader key lies; the store's default when left out. */
  readonly prefix?: string;
  /**
   * Names this server, the same after a restart and unlike any other's: a server takes over at once from a dead
   * predecessor of the same identity instead of waiting for its lease.
   */
  readonly identity: string;
  /** How long leadership outlives its last renewal: 15,000. */
  readonly leaseMs?: number;
  /** How long a leader whose renewals fail goes on leading: 10,000; less than `leaseMs`. */
  readonly renewDeadlineMs?: number;
  /** Between tries, when a renewal or a campaign failed: 2,000. */
  readonly retryMs?: number;
  readonly log: Logger;
}

/** One term of leadership. */
export interface Term {
  /** Aborts when this server must stop leading. */
  readonly signal: AbortSignal;
  /** For commits that must fail once somebody else leads. */
  readonly fence: Fence;
}

/** What a leader does during a term: settles, soon after the term's signal aborts, when nothing of it runs any more. */
export type LeadFunction = (term: Term) => Promise<void>;

/** A leadership won and not yet lost. */
interface Office {
  readonly leaseId: string;
  readonly fence: Fence;
  /** On the monotonic clock: when the last successful renewal was sent. */
  renewedAtMs: number;
}

/**
 * Elects one leader among the servers on one etcd: who creates the leader key, bound to a lease it renews, leads. The
 * key's revision fences the leader's commits, because a lease alone does not stop a leader that has been asleep.
 */
export class Election {
  readonly #options: ElectionOptions;
  readonly #key: string;
  readonly #leaseMs: number;
  readonly #renewDeadlineMs: number;
  readonly #retryMs: number;
  #term: Term | undefined;
  /** The lease of our last term; undefined before the first. */
  #formerLease: string | undefined;

  constructor(options: ElectionOptions) {
    this.#options = options;
    this.#key = new KeySpace(options.prefix ?? DEFAULT_PREFIX).reserved('leader');
    this.#leaseMs = options.leaseMs ?? 15_000;
    this.#renewDeadlineMs = options.renewDeadlineMs ?? 10_000;
    this.#retryMs = options.retryMs ?? 2_000;
  }

  /** The present term's fence; undefined while this server does not lead. For `EtcdStore.fenced`. */
  readonly fence = (): Fence | undefined => (this.#term?.signal.aborted === false ? this.#term.fence : undefined);

  /** Whether this server leads now. */
  get leading(): boolean {
    return this.fence() !== undefined;
  }

  /**
   * Campaigns, leads, and campaigns again when leadership is lost, until `signal` aborts; then gives the office up, so
   * that another server need not wait. `lead` runs once per term, never twice at a time.
   */
  async run(lead: LeadFunction, signal: AbortSignal): Promise<void> {
    const { log, identity } = this.#options;
    while (!signal.aborted) {
      const office = await this.#campaign(signal);
      if (office === undefined) return;
      log.info({ identity, rev: office.fence.revision }, 'this server leads');
      const lost = new AbortController();
      const term = { signal: AbortSignal.any([signal, lost.signal]), fence: office.fence };
      this.#term = term;
      const led = lead(term)
        .catch((err: unknown) => log.error({ err }, 'leading failed'))
        .finally(() => lost.abort());
      await this.#keepOffice(office, term.signal);
      const endedByItself = lost.signal.aborted;
      lost.abort();
      await led;
      this.#term = undefined;
      log.info({ identity }, 'this server no longer leads');
      await this.#options.client.revokeLease(office.leaseId).catch((err: unknown) => {
        log.warn({ err }, 'leader lease not revoked, it will run out');
      });
      if (endedByItself) await delay(this.#retryMs, undefined, { signal }).catch(() => undefined);
    }
  }

  /** Resolves with the office once it is won; undefined when `signal` aborts first. */
  async #campaign(signal: AbortSignal): Promise<Office | undefined> {
    let failures = 0;
    while (!signal.aborted) {
      try {
        const outcome = await this.#tryToWin(signal);
        if ('office' in outcome) return outcome.office;
        await this.#waitForChange(outcome.seenAt, signal);
      } catch (err) {
        if (signal.aborted) return undefined;
        failures += 1;
        this.#options.log[failures === 1 ? 'warn' : 'debug']({ err, failures }, 'campaign failed, trying again');
        await delay(this.#retryMs, undefined, { signal }).catch(() => undefined);
      }
    }
    return undefined;
  }

  /**
   * One compare-and-swap: takes the office when it is vacant or held by our own dead predecessor. Otherwise gives the
   * revision at which somebody else held it.
   */
  async #tryToWin(signal: AbortSignal): Promise<{ office: Office } | { seenAt: number }> {
    const { client, identity } = this.#options;
    const key = Buffer.from(this.#key);
    const read = await client.range({ key }, 'read the leader', signal);
    const seenAt = Number(read.header.revision);
    const holder = read.kvs[0];
    if (holder !== undefined && !this.#mayReplace(holder)) return { seenAt };
    const renewedAtMs = performance.now();
    const leaseId = await client.grantLease(Math.ceil(this.#leaseMs / 1000), signal);
    try {
      const response = await client.txn(
        {
          compare: [{ key, target: 'Mod', result: 'Equal', mod_revision: holder?.mod_revision ?? 0 }],
          success: [{ request_put: { key, value: Buffer.from(identity), lease: leaseId } }],
        },
        'take the leadership',
        signal,
      );
      if (!response.succeeded) {
        await client.revokeLease(leaseId);
        return { seenAt };
      }
      this.#formerLease = leaseId;
      // The predecessor, should it live after all, learns from its next renewal that it is over.
      if (holder !== undefined) await client.revokeLease(holder.lease).catch(() => undefined);
      return {
        office: { leaseId, fence: { key: this.#key, revision: Number(response.header.revision) }, renewedAtMs },
      };
    } catch (err) {
      // The key may have been written: without the lease it cannot stay.
      await client.revokeLease(leaseId).catch(() => undefined);
      throw err;
    }
  }

  /**
   * Our predecessor's office is ours, and so is the one we could not give up because etcd was away. Once we have led,
   * another holder of our identity is a second server given the same one: taking turns with it would never end.
   */
  #mayReplace(holder: IKeyValue): boolean {
    if (this.#formerLease !== undefined) return holder.lease === this.#formerLease;
    return holder.value.toString() === this.#options.identity;
  }

  /** Resolves when the leader key has changed after `revision`, or when the watch for that ends. */
  async #waitForChange(revision: number, signal: AbortSignal): Promise<void> {
    const stream = await this.#options.client.openWatch();
    const cancel = (): void => stream.cancel();
    signal.addEventListener('abort', cancel, { once: true });
    try {
      stream.write({ create_request: { key: Buffer.from(this.#key), start_revision: revision + 1 } });
      for await (const response of stream) {
        if (response.canceled || response.events.length > 0) return;
      }
    } finally {
      signal.removeEventListener('abort', cancel);
      stream.cancel();
    }
  }

  /** Renews until the office is lost, may be lost without our knowing, or `signal` aborts. */
  async #keepOffice(office: Office, signal: AbortSignal): Promise<void> {
    const { client, log } = this.#options;
    let waitMs = this.#leaseMs / 3;
    while (!signal.aborted) {
      const leftMs = office.renewedAtMs + this.#renewDeadlineMs - performance.now();
      if (leftMs <= 0) {
        log.error({ deadlineMs: this.#renewDeadlineMs }, 'leadership not renewed in time, giving it up');
        return;
      }
      await delay(Math.min(waitMs, leftMs), undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
      const sentAtMs = performance.now();
      const timeoutMs = Math.max(1, office.renewedAtMs + this.#renewDeadlineMs - sentAtMs);
      try {
        const ttlSeconds = await client.keepLeaseAlive(office.leaseId, timeoutMs, signal);
        if (ttlSeconds <= 0) {
          log.error('leadership lost: its lease is gone');
          return;
        }
        office.renewedAtMs = sentAtMs;
        waitMs = this.#leaseMs / 3;
      } catch (err) {
        if (signal.aborted) return;
        log.warn({ err }, 'leadership not renewed, trying again');
        waitMs = this.#retryMs;
      }
    }
  }
}
