import { type ApiError, hasReason } from '../../../lib/errors.ts';
import { MAX_COMMIT_OBJECTS, type StoreWrite } from '../store.ts';

/** The outcome of one group: `committed` per write, or the writes that were in the way (`undefined` = not to blame). */
export type Attempt<R> =
  | { readonly ok: true; readonly results: readonly R[] }
  | { readonly ok: false; readonly conflicts: readonly (R | undefined)[] };

/** Tries to commit all of `writes` in one transaction. */
export type TryCommit<R> = (writes: readonly StoreWrite[]) => Promise<Attempt<R>>;

/**
 * What a write that waits can be told at once, now that `done` on the same key has come to `result`: that it conflicts with
 * what is stored since. Undefined when it must be tried.
 */
export type Overtaken<R> = (waiting: StoreWrite, done: StoreWrite, result: R) => R | undefined;

interface Pending<R> {
  readonly write: StoreWrite;
  readonly resolve: (result: R) => void;
  readonly reject: (err: unknown) => void;
}

/** Transactions under way at once: one is on its way to disk while the next is being prepared. */
const MAX_IN_FLIGHT = 2;

/** Bytes of values in one transaction; etcd refuses requests above 1.5 MiB by default. A larger object goes alone. */
const MAX_GROUP_BYTES = 1024 * 1024;

/**
 * Gathers concurrent writes into common transactions. A write alone goes at once; what arrives while transactions are
 * under way forms the next one. A conflict answers only its own write, the rest of its group goes again; what waits to write
 * the same key upon something older is answered with it.
 */
export class GroupCommitter<R> {
  readonly #tryCommit: TryCommit<R>;
  readonly #overtaken: Overtaken<R>;
  #pending: Pending<R>[] = [];
  #inFlight = 0;
  #scheduled = false;

  constructor(tryCommit: TryCommit<R>, overtaken: Overtaken<R> = () => undefined) {
    this.#tryCommit = tryCommit;
    this.#overtaken = overtaken;
  }

  /** Commits one write. An abort takes it back while it waits; later the outcome is unknown to the caller. */
  commit(write: StoreWrite, signal?: AbortSignal): Promise<R> {
    return new Promise<R>((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason as Error);
        return;
      }
      const onAbort = (): void => {
        this.#pending = this.#pending.filter((other) => other !== pending);
        reject(signal?.reason as Error);
      };
      const settle = (): void => signal?.removeEventListener('abort', onAbort);
      const pending: Pending<R> = {
        write,
        resolve: (result) => {
          settle();
          resolve(result);
        },
        reject: (err) => {
          settle();
          reject(err);
        },
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#pending.push(pending);
      this.#schedule();
    });
  }

  /** Leaves this turn of the event loop to others who have something to write, then starts what may start. */
  #schedule(): void {
    if (this.#scheduled || this.#inFlight >= MAX_IN_FLIGHT) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      while (this.#inFlight < MAX_IN_FLIGHT && this.#pending.length > 0) void this.#run(this.#takeGroup());
    });
  }

  /** The longest-waiting writes that fit one transaction; a key already in it waits for the next. */
  #takeGroup(): Pending<R>[] {
    const group: Pending<R>[] = [];
    const rest: Pending<R>[] = [];
    const keys = new Set<string>();
    let bytes = 0;
    for (const pending of this.#pending) {
      const { write } = pending;
      const size = write.type === 'put' ? write.value.byteLength : 0;
      const fits = group.length === 0 || (group.length < MAX_COMMIT_OBJECTS && bytes + size <= MAX_GROUP_BYTES);
      if (fits && !keys.has(write.key)) {
        group.push(pending);
        bytes += size;
      } else {
        rest.push(pending);
      }
      keys.add(write.key);
    }
    this.#pending = rest;
    return group;
  }

  async #run(group: readonly Pending<R>[]): Promise<void> {
    this.#inFlight += 1;
    try {
      await this.#commitGroup(group);
    } finally {
      this.#inFlight -= 1;
      if (this.#pending.length > 0) this.#schedule();
    }
  }

  async #commitGroup(group: readonly Pending<R>[]): Promise<void> {
    let left = group;
    while (left.length > 0) {
      let attempt: Attempt<R>;
      try {
        attempt = await this.#tryCommit(left.map((pending) => pending.write));
      } catch (err) {
        await this.#settleFailure(left, err as ApiError);
        return;
      }
      const answers = attempt.ok ? attempt.results : attempt.conflicts;
      const again: Pending<R>[] = [];
      for (const [i, pending] of left.entries()) {
        const answer = answers[i];
        if (answer === undefined) again.push(pending);
        else {
          pending.resolve(answer);
          this.#answerOvertaken(pending.write, answer);
        }
      }
      left = again;
    }
  }

  /** Those who wait to write the same key need no transaction to learn that they are too late. */
  #answerOvertaken(done: StoreWrite, result: R): void {
    if (!this.#pending.some(({ write }) => write.key === done.key)) return;
    this.#pending = this.#pending.filter((pending) => {
      const answer = pending.write.key === done.key ? this.#overtaken(pending.write, done, result) : undefined;
      if (answer === undefined) return true;
      pending.resolve(answer);
      return false;
    });
  }

  /** A store that is away fails all; a refusal of the request itself may be one write's fault, so each goes alone. */
  async #settleFailure(group: readonly Pending<R>[], err: ApiError): Promise<void> {
    if (group.length === 1 || hasReason(err, 'ServiceUnavailable', 'Timeout', 'TooManyRequests')) {
      for (const pending of group) pending.reject(err);
      return;
    }
    for (const pending of group) await this.#commitGroup([pending]);
  }
}
