import type { ResourceVersion } from './store.ts';

interface Waiter {
  readonly version: ResourceVersion;
  readonly resolve: () => void;
  readonly reject: (err: unknown) => void;
}

/** Those who wait for a version to be reached. One timer for all asks for a sync while somebody waits too long. */
export class VersionWaiters {
  readonly #requestSync: () => Promise<unknown>;
  readonly #syncAfterMs: number;
  readonly #waiting = new Set<Waiter>();
  #reached: ResourceVersion = 0;
  #timer: NodeJS.Timeout | undefined;

  /** `requestSync` makes the store's watch move on; called at most every `syncAfterMs` while somebody waits. */
  constructor(requestSync: () => Promise<unknown>, syncAfterMs: number) {
    this.#requestSync = requestSync;
    this.#syncAfterMs = syncAfterMs;
  }

  /** Resolves once `version` has been reached; rejects with the signal's reason when it aborts. */
  async waitFor(version: ResourceVersion, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    if (this.#reached >= version) return;
    let onAbort = (): void => undefined;
    let waiter: Waiter | undefined;
    try {
      await new Promise<void>((resolve, reject) => {
        waiter = { version, resolve, reject };
        onAbort = () => reject(signal?.reason as Error);
        signal?.addEventListener('abort', onAbort, { once: true });
        this.#waiting.add(waiter);
        this.#timer ??= setTimeout(() => this.#sync(), this.#syncAfterMs);
      });
    } finally {
      signal?.removeEventListener('abort', onAbort);
      if (waiter !== undefined) this.#waiting.delete(waiter);
      this.#stopTimerWhenIdle();
    }
  }

  /** Releases everyone who waited for `version` or less. */
  reached(version: ResourceVersion): void {
    this.#reached = version;
    for (const waiter of this.#waiting) {
      if (waiter.version > version) continue;
      this.#waiting.delete(waiter);
      waiter.resolve();
    }
    this.#stopTimerWhenIdle();
  }

  /** Fails everyone who waits. */
  rejectAll(err: unknown): void {
    for (const waiter of this.#waiting) waiter.reject(err);
    this.#waiting.clear();
    this.#stopTimerWhenIdle();
  }

  #sync(): void {
    this.#timer = undefined;
    if (this.#waiting.size === 0) return;
    // A failure needs no answer here: who waits keeps waiting within its own deadline, and the next round asks again.
    void this.#requestSync().catch(() => undefined);
    this.#timer = setTimeout(() => this.#sync(), this.#syncAfterMs);
  }

  #stopTimerWhenIdle(): void {
    if (this.#waiting.size > 0) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
