/**
 * Content that must stay although no image names it yet: what a pull or a load is about to use. Deleting checks
 * {@link Pins.has} and moves the content away in one synchronous step, so a pin taken before looking is never too late.
 */
export class Pins {
  readonly #counts = new Map<string, number>();

  has(digest: string): boolean {
    return this.#counts.has(digest);
  }

  /** A group of pins that ends as one. */
  group(): PinGroup {
    return new PinGroup(this.#counts);
  }
}

/** The pins of one undertaking. */
export class PinGroup {
  readonly #counts: Map<string, number>;
  readonly #mine = new Set<string>();

  constructor(counts: Map<string, number>) {
    this.#counts = counts;
  }

  add(...digests: readonly string[]): void {
    for (const digest of digests) {
      if (!this.#mine.has(digest)) {
        this.#mine.add(digest);
        this.#counts.set(digest, (this.#counts.get(digest) ?? 0) + 1);
      }
    }
  }

  release(): void {
    for (const digest of this.#mine) {
      const left = (this.#counts.get(digest) ?? 1) - 1;
      if (left === 0) {
        this.#counts.delete(digest);
      } else {
        this.#counts.set(digest, left);
      }
    }
    this.#mine.clear();
  }
}
