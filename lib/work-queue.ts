/**
 * A queue of keys to be looked at.
 *
 * Promises: a key added several times before it is taken is given out once. A key is never given to two takers at a time:
 * one added while it is being processed is given out again after {@link WorkQueue.done}. Keys come out in the order they
 * were first added. Nothing is lost on the way to a taker.
 */
import { type BackoffOptions, KeyedBackoff } from './backoff.ts';
import { type Clock, systemClock } from './clock.ts';

/** What a {@link WorkQueue} may be given. */
export interface WorkQueueOptions {
  readonly clock?: Clock;
  /** Delays of {@link WorkQueue.addRateLimited}; 5 ms doubling to 16 minutes unless said. */
  readonly backoff?: BackoffOptions;
}

const DEFAULT_BACKOFF: BackoffOptions = { initialMs: 5, maxMs: 1_000_000 };

interface Delayed {
  readonly dueMs: number;
  readonly cancel: () => void;
}

/** See the promises at the top of the file. */
export class WorkQueue {
  readonly #clock: Clock;
  readonly #backoff: KeyedBackoff;
  /** Keys waiting, in order: the first-added comes out first. */
  readonly #waiting = new Set<string>();
  readonly #processing = new Set<string>();
  /** Keys added again while they are processed. */
  readonly #again = new Set<string>();
  readonly #delayed = new Map<string, Delayed>();
  readonly #takers: ((key: string | undefined) => void)[] = [];
  #closed = false;

  constructor(options: WorkQueueOptions = {}) {
    this.#clock = options.clock ?? systemClock;
    this.#backoff = new KeyedBackoff(options.backoff ?? DEFAULT_BACKOFF);
  }

  /** Keys ready to be taken. */
  get length(): number {
    return this.#waiting.size;
  }

  /** Whether nothing waits and nothing is processed. Delayed keys do not count. */
  get idle(): boolean {
    return this.#waiting.size === 0 && this.#processing.size === 0;
  }

  /** Keys that will be added later by {@link addAfter} or {@link addRateLimited}. */
  get delayed(): number {
    return this.#delayed.size;
  }

  /** Marks `key` as needing a look. */
  add(key: string): void {
    if (this.#closed) return;
    if (this.#processing.has(key)) {
      this.#again.add(key);
      return;
    }
    if (this.#waiting.has(key)) return;
    const taker = this.#takers.shift();
    if (taker === undefined) {
      this.#waiting.add(key);
    } else {
      this.#processing.add(key);
      taker(key);
    }
  }

  /** Adds `key` after `delayMs`; of several such calls the earliest counts. */
  addAfter(key: string, delayMs: number): void {
    if (this.#closed) return;
    if (delayMs <= 0) {
      this.add(key);
      return;
    }
    const dueMs = this.#clock.monotonicMs() + delayMs;
    const planned = this.#delayed.get(key);
    if (planned !== undefined) {
      if (planned.dueMs <= dueMs) return;
      planned.cancel();
    }
    const cancel = this.#clock.setTimer(() => {
      this.#delayed.delete(key);
      this.add(key);
    }, delayMs);
    this.#delayed.set(key, { dueMs, cancel });
  }

  /** Counts a failure of `key` and adds it after its back-off; returns the delay in milliseconds. */
  addRateLimited(key: string): number {
    const delayMs = this.#backoff.next(key);
    this.addAfter(key, delayMs);
    return delayMs;
  }

  /** Forgets the failures of `key`. */
  forget(key: string): void {
    this.#backoff.reset(key);
  }

  /** Failures of `key` since it was last forgotten. */
  failures(key: string): number {
    return this.#backoff.failures(key);
  }

  /** The next key, which the caller must give back with {@link done}; undefined once the queue is closed. */
  async take(): Promise<string | undefined> {
    if (this.#closed) return undefined;
    for (const key of this.#waiting) {
      this.#waiting.delete(key);
      this.#processing.add(key);
      return key;
    }
    return new Promise((resolve) => this.#takers.push(resolve));
  }

  /** Ends the processing of `key`. */
  done(key: string): void {
    this.#processing.delete(key);
    if (this.#again.delete(key)) this.add(key);
  }

  /** Drops everything that waits and sends all takers away. Keys being processed are still given back with `done`. */
  close(): void {
    this.#closed = true;
    this.#waiting.clear();
    this.#again.clear();
    for (const { cancel } of this.#delayed.values()) cancel();
    this.#delayed.clear();
    for (const taker of this.#takers.splice(0)) taker(undefined);
  }
}
