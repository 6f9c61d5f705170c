/** One transfer per image at a time, whoever asks, and only a few at once. */

import type { Image, ImageProgress } from './image-store.ts';

/** What does the work of one pull. */
export type PullWork = (options: {
  readonly signal: AbortSignal;
  readonly onProgress: (progress: ImageProgress) => void;
}) => Promise<Image>;

/** One caller's wish. */
export interface PullRequest {
  /** Callers with equal keys share. */
  readonly key: string;
  readonly work: PullWork;
  readonly signal: AbortSignal;
  readonly onProgress?: (progress: ImageProgress) => void;
}

interface Transfer {
  readonly abort: AbortController;
  readonly listeners: Set<(progress: ImageProgress) => void>;
  waiters: number;
  readonly done: Promise<Image>;
}

/** Shares and limits pulls. */
export class SharedPulls {
  readonly #limit: number;
  readonly #transfers = new Map<string, Transfer>();
  readonly #queue: (() => void)[] = [];
  #running = 0;

  /** `limit`: how many run at once. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /**
   * Joins the transfer of this key or starts it. When the signal aborts, rejects with its reason; the last caller to
   * leave cancels the transfer and waits for its end.
   */
  async run(request: PullRequest): Promise<Image> {
    request.signal.throwIfAborted();
    let transfer = this.#transfers.get(request.key);
    while (transfer?.abort.signal.aborted === true) {
      await transfer.done.catch(() => undefined);
      request.signal.throwIfAborted();
      transfer = this.#transfers.get(request.key);
    }
    const joined = transfer ?? this.#start(request);
    joined.waiters += 1;
    if (request.onProgress !== undefined) {
      joined.listeners.add(request.onProgress);
    }
    let leave: () => void = () => undefined;
    const left = new Promise<'left'>((resolve) => {
      leave = () => resolve('left');
    });
    request.signal.addEventListener('abort', leave, { once: true });
    try {
      const outcome = await Promise.race([joined.done, left]);
      if (outcome !== 'left') {
        return outcome;
      }
      if (joined.waiters === 1) {
        joined.abort.abort(request.signal.reason);
        await joined.done.catch(() => undefined);
      }
      request.signal.throwIfAborted();
      throw new Error('aborted');
    } finally {
      joined.waiters -= 1;
      request.signal.removeEventListener('abort', leave);
      if (request.onProgress !== undefined) {
        joined.listeners.delete(request.onProgress);
      }
    }
  }

  #start(request: PullRequest): Transfer {
    const abort = new AbortController();
    // The first caller hears of the waiting too, which may begin at once.
    const listeners = new Set(request.onProgress === undefined ? [] : [request.onProgress]);
    const onProgress = (progress: ImageProgress): void => {
      for (const listener of listeners) {
        listener(progress);
      }
    };
    const done = this.#whenFree(abort.signal, onProgress, () =>
      request.work({ signal: abort.signal, onProgress }),
    ).finally(() => this.#transfers.delete(request.key));
    // Every caller may have left by the time it fails.
    done.catch(() => undefined);
    const transfer = { abort, listeners, waiters: 0, done };
    this.#transfers.set(request.key, transfer);
    return transfer;
  }

  async #whenFree(
    signal: AbortSignal,
    onProgress: (progress: ImageProgress) => void,
    work: () => Promise<Image>,
  ): Promise<Image> {
    if (this.#running >= this.#limit) {
      onProgress({ phase: 'waiting', layersDone: 0, layersTotal: 0 });
      await this.#slot(signal);
    } else {
      this.#running += 1;
    }
    try {
      signal.throwIfAborted();
      return await work();
    } finally {
      const next = this.#queue.shift();
      if (next === undefined) {
        this.#running -= 1;
      } else {
        // The slot goes to the next in line without becoming free in between.
        next();
      }
    }
  }

  #slot(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const take = (): void => {
        signal.removeEventListener('abort', giveUp);
        resolve();
      };
      const giveUp = (): void => {
        this.#queue.splice(this.#queue.indexOf(take), 1);
        reject(signal.reason instanceof Error ? signal.reason : new Error('aborted'));
      };
      this.#queue.push(take);
      signal.addEventListener('abort', giveUp, { once: true });
    });
  }
}
