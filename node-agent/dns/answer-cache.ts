/** Answers of others, kept for as long as they allow, and for a while longer in case nobody can be asked. Bounded. */
import type { Clock } from '../../lib/clock.ts';
import type { ForeignMessage } from './foreign-message.ts';

/** An answer as it stands now. */
export interface Kept {
  readonly message: ForeignMessage;
  readonly ageSeconds: number;
  /** Whether its time is over. */
  readonly stale: boolean;
}

/** How much is kept. */
export interface CacheLimits {
  readonly entries: number;
  readonly bytes: number;
}

interface Entry {
  readonly message: ForeignMessage;
  readonly storedMs: number;
  readonly expiresMs: number;
}

const STALE_FOR_MS = 3_600_000;
const DEFAULT_LIMITS: CacheLimits = { entries: 8192, bytes: 4 * 1024 * 1024 };
/** What an entry costs besides its bytes, roughly. */
const ENTRY_BYTES = 300;

/** See the top of the file; the longest unused goes first. */
export class AnswerCache {
  readonly #clock: Clock;
  readonly #limits: CacheLimits;
  /** In the order of use. */
  readonly #entries = new Map<string, Entry>();
  #bytes = 0;

  constructor(clock: Clock, limits: CacheLimits = DEFAULT_LIMITS) {
    this.#clock = clock;
    this.#limits = limits;
  }

  /** Answers kept. */
  get size(): number {
    return this.#entries.size;
  }

  /** Roughly what they take. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The answer kept under `key`, fresh or stale. */
  get(key: string): Kept | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    const nowMs = this.#clock.monotonicMs();
    this.#entries.delete(key);
    if (nowMs >= entry.expiresMs + STALE_FOR_MS) {
      this.#bytes -= sizeOf(entry.message);
      return undefined;
    }
    this.#entries.set(key, entry);
    return {
      message: entry.message,
      ageSeconds: Math.floor((nowMs - entry.storedMs) / 1000),
      stale: nowMs >= entry.expiresMs,
    };
  }

  /** Keeps an answer, when it may be kept. */
  put(key: string, message: ForeignMessage): void {
    if (message.ttlSeconds === undefined || message.truncated) return;
    const old = this.#entries.get(key);
    if (old !== undefined) this.#bytes -= sizeOf(old.message);
    this.#entries.delete(key);
    const storedMs = this.#clock.monotonicMs();
    this.#entries.set(key, { message, storedMs, expiresMs: storedMs + message.ttlSeconds * 1000 });
    this.#bytes += sizeOf(message);
    for (const [unused, entry] of this.#entries) {
      if (this.#entries.size <= this.#limits.entries && this.#bytes <= this.#limits.bytes) break;
      this.#entries.delete(unused);
      this.#bytes -= sizeOf(entry.message);
    }
  }

  /** Forgets everything. */
  clear(): void {
    this.#entries.clear();
    this.#bytes = 0;
  }
}

function sizeOf({ bytes }: ForeignMessage): number {
  return bytes.length + ENTRY_BYTES;
}
