/** Delays that grow while something keeps failing. */

/** Shape of a back-off. */
export interface BackoffOptions {
  /** First delay in milliseconds. */
  readonly initialMs: number;
  /** Longest delay in milliseconds. */
  readonly maxMs: number;
  /** Growth per failure; 2 unless said. */
  readonly factor?: number;
  /** Share of the delay that is random, 0 to 1; 0 unless said. The delay only ever grows by it. */
  readonly jitter?: number;
  /** Source of randomness in [0, 1); `Math.random` unless said. */
  readonly random?: () => number;
}

/** Milliseconds to wait after the failure number `failures` (1 is the first). */
export function backoffMs(options: BackoffOptions, failures: number): number {
  const factor = options.factor ?? 2;
  const plain = Math.min(options.maxMs, options.initialMs * factor ** Math.max(0, failures - 1));
  return plain * (1 + (options.jitter ?? 0) * (options.random ?? Math.random)());
}

/** The back-off of one thing. */
export class Backoff {
  readonly #options: BackoffOptions;
  #failures = 0;

  constructor(options: BackoffOptions) {
    this.#options = options;
  }

  /** Failures since the last {@link reset}. */
  get failures(): number {
    return this.#failures;
  }

  /** Counts a failure and gives the milliseconds to wait. */
  next(): number {
    this.#failures += 1;
    return backoffMs(this.#options, this.#failures);
  }

  /** Back to the first delay. */
  reset(): void {
    this.#failures = 0;
  }
}

/** Back-offs of many things by key. */
export class KeyedBackoff {
  readonly #options: BackoffOptions;
  readonly #failures = new Map<string, number>();

  constructor(options: BackoffOptions) {
    this.#options = options;
  }

  /** Counts a failure of `key` and gives the milliseconds to wait. */
  next(key: string): number {
    const failures = (this.#failures.get(key) ?? 0) + 1;
    this.#failures.set(key, failures);
    return backoffMs(this.#options, failures);
  }

  /** Failures of `key` since it was last reset. */
  failures(key: string): number {
    return this.#failures.get(key) ?? 0;
  }

  /** Forgets `key`. */
  reset(key: string): void {
    this.#failures.delete(key);
  }
}
