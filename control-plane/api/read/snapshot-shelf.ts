import type { ResourceVersion } from '../../store/store.ts';

const MAX_KEPT = 32;
const MAX_AGE_MS = 60_000;

interface Kept<E> {
  readonly entries: readonly E[];
  readonly sinceMs: number;
}

/**
 * Pictures of collections that somebody is paging through, so that the next page costs no read of the store. Holds
 * references to cached entries, not copies; bounded in number and age.
 */
export class SnapshotShelf<E> {
  readonly #kept = new Map<string, Kept<E>>();
  #timer: NodeJS.Timeout | undefined;

  /** Keeps a picture for a while. */
  keep(prefix: string, version: ResourceVersion, entries: readonly E[]): void {
    const key = `${version} ${prefix}`;
    const nowMs = performance.now();
    this.#kept.delete(key);
    this.#kept.set(key, { entries, sinceMs: nowMs });
    this.#clear(nowMs);
  }

  /** Drops what is too old or too much, and comes back for the rest: nobody may ever page again. */
  #clear(nowMs: number): void {
    for (const [name, { sinceMs }] of this.#kept) {
      if (this.#kept.size <= MAX_KEPT && nowMs - sinceMs <= MAX_AGE_MS) break;
      this.#kept.delete(name);
    }
    if (this.#kept.size === 0 || this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#clear(performance.now());
    }, MAX_AGE_MS).unref();
  }

  /** The picture of that version, if it is still here. */
  find(prefix: string, version: ResourceVersion): readonly E[] | undefined {
    return this.#kept.get(`${version} ${prefix}`)?.entries;
  }
}
