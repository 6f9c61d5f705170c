/**
 * How many questions one client may ask in a second. The agent answers names in the same thread that keeps its pods: a pod that floods
 * it must cost it no more than a fraction of a core.
 */

/** At some 25 µs each, an eighth of a core. */
export const QUESTIONS_PER_SECOND = 5000;
/** Clients told apart; with forged addresses there could be any number. */
const MAX_SOURCES = 4096;

/** Counts by client, anew each second. */
export class SourceBudget {
  readonly #perSecond: number;
  readonly #asked = new Map<string, number>();
  #second = -1;

  constructor(perSecond = QUESTIONS_PER_SECOND) {
    this.#perSecond = perSecond;
  }

  /** Whether the client may ask once more at this time; false: drop it, it will ask again. */
  take(source: string, nowMs: number): boolean {
    const second = Math.floor(nowMs / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#asked.clear();
    }
    const asked = this.#asked.get(source) ?? 0;
    if (asked >= this.#perSecond || (asked === 0 && this.#asked.size >= MAX_SOURCES)) return false;
    this.#asked.set(source, asked + 1);
    return true;
  }
}
