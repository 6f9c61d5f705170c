import { type ShellJob, type ShellResult, ShellWorker } from './shell-worker.ts';

/**
 * A few shells that stay, for programs that are run often. At most `maxParallel` commands run at once, the others wait their
 * turn: more would only queue in the kernel and make every one slower. Shells are started when first needed.
 */
export class ShellPool {
  readonly #maxParallel: number;
  readonly #idle: ShellWorker[] = [];
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(maxParallel = 4) {
    this.#maxParallel = maxParallel;
  }

  /** Runs a command; rejects when it does not end in time or its shell is lost. */
  async run(job: ShellJob): Promise<ShellResult> {
    if (this.#running >= this.#maxParallel) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    } else {
      this.#running += 1;
    }
    const worker = this.#idle.pop() ?? new ShellWorker();
    try {
      return await worker.run(job);
    } finally {
      this.#idle.push(worker);
      const next = this.#waiting.shift();
      if (next === undefined) {
        this.#running -= 1;
      } else {
        // The place passes on; the count stays.
        next();
      }
    }
  }
}
