/**
 * How many pods are made at once. Making one is mostly starting processes: beyond a few per core they only stand in each
 * other's way, and every pod would be ready late instead of most of them early. What was begun is finished first.
 */
export class StartLimit {
  readonly #limit: number;
  readonly #waiting: { readonly begin: (() => void)[]; readonly finish: (() => void)[] } = { begin: [], finish: [] };
  #running = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Runs `task` when there is room; `finish` goes before `begin`. Settles as the task does. */
  async run<T>(kind: 'begin' | 'finish', task: () => Promise<T>): Promise<T> {
    if (this.#running >= this.#limit) await new Promise<void>((resolve) => this.#waiting[kind].push(resolve));
    else this.#running += 1;
    try {
      return await task();
    } finally {
      // The place goes to the next one directly, so that nobody can slip in between.
      const next = this.#waiting.finish.shift() ?? this.#waiting.begin.shift();
      if (next === undefined) this.#running -= 1;
      else next();
    }
  }
}
