import type { ApiError } from '../../lib/errors.ts';
import type { CachedEntry, CachedEvent } from './cached-entry.ts';
import { EventWindow } from './event-window.ts';
import type { ResourceVersion } from './store.ts';

/** The cached objects of one resource in key order, its recent events, and who is waiting for the next one. */
export class ResourceShard<T> {
  readonly #byKey = new Map<string, CachedEntry<T>>();
  /** The same entries, sorted by key. */
  #sorted: CachedEntry<T>[] = [];
  readonly #listeners = new Set<() => void>();
  readonly window: EventWindow<T>;
  /** Set when the cache has dropped this shard: what its watchers are told. */
  retired: ApiError | undefined;

  constructor(startVersion: ResourceVersion) {
    this.window = new EventWindow(startVersion);
  }

  get(key: string): CachedEntry<T> | undefined {
    return this.#byKey.get(key);
  }

  /** The entries under `prefix`, in key order: a copy. */
  list(prefix: string): CachedEntry<T>[] {
    const start = this.#lowerBound(prefix);
    let end = start;
    while (this.#sorted[end]?.key.startsWith(prefix)) end += 1;
    return this.#sorted.slice(start, end);
  }

  /** Fills an empty shard. */
  load(entries: readonly CachedEntry<T>[]): void {
    for (const entry of entries) this.#byKey.set(entry.key, entry);
    this.#sorted = [...entries].sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  /** Makes one change and remembers it. The caller wakes the listeners once all changes are made. */
  apply(event: CachedEvent<T>): void {
    const { entry } = event;
    const at = this.#lowerBound(entry.key);
    const present = this.#sorted[at]?.key === entry.key;
    if (event.type === 'delete') {
      this.#byKey.delete(entry.key);
      if (present) this.#sorted.splice(at, 1);
    } else {
      this.#byKey.set(entry.key, entry);
      this.#sorted.splice(at, present ? 1 : 0, entry);
    }
    this.window.push(event);
  }

  /** Calls `listener` after each round of changes until the returned function is called. */
  listen(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Tells every listener that something changed. */
  wake(): void {
    for (const listener of this.#listeners) listener();
  }

  #lowerBound(key: string): number {
    let low = 0;
    let high = this.#sorted.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#sorted[middle]?.key ?? '') < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
