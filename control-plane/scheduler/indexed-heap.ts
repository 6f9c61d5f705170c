/** A heap whose items can be changed and removed by key. */

interface Entry<T> {
  readonly key: string;
  item: T;
  index: number;
}

/** The item for which `before` holds against all others is on top. All operations take logarithmic time. */
export class IndexedHeap<T> {
  readonly #before: (a: T, b: T) => boolean;
  readonly #entries: Entry<T>[] = [];
  readonly #byKey = new Map<string, Entry<T>>();

  constructor(before: (a: T, b: T) => boolean) {
    this.#before = before;
  }

  get size(): number {
    return this.#entries.length;
  }

  /** The item on top. */
  peek(): T | undefined {
    return this.#entries[0]?.item;
  }

  has(key: string): boolean {
    return this.#byKey.has(key);
  }

  get(key: string): T | undefined {
    return this.#byKey.get(key)?.item;
  }

  /** Adds an item, or changes the one with that key. */
  set(key: string, item: T): void {
    let entry = this.#byKey.get(key);
    if (entry === undefined) {
      entry = { key, item, index: this.#entries.length };
      this.#entries.push(entry);
      this.#byKey.set(key, entry);
    } else {
      entry.item = item;
    }
    this.#down(this.#up(entry));
  }

  /** Removes and returns the item on top. */
  pop(): T | undefined {
    const top = this.#entries[0];
    if (top !== undefined) this.delete(top.key);
    return top?.item;
  }

  /** Removes the item with that key, if there is one. */
  delete(key: string): boolean {
    const entry = this.#byKey.get(key);
    const last = this.#entries.pop();
    if (entry === undefined || last === undefined) {
      if (last !== undefined) this.#entries.push(last);
      return false;
    }
    this.#byKey.delete(key);
    if (last !== entry) {
      last.index = entry.index;
      this.#entries[entry.index] = last;
      this.#down(this.#up(last));
    }
    return true;
  }

  /** Removes everything. */
  clear(): void {
    this.#entries.length = 0;
    this.#byKey.clear();
  }

  /** All items in no particular order. */
  *values(): IterableIterator<T> {
    for (const entry of this.#entries) yield entry.item;
  }

  #up(entry: Entry<T>): Entry<T> {
    while (entry.index > 0) {
      const parent = this.#entries[(entry.index - 1) >> 1];
      if (parent === undefined || !this.#before(entry.item, parent.item)) break;
      this.#swap(entry, parent);
    }
    return entry;
  }

  #down(entry: Entry<T>): void {
    for (;;) {
      const left = this.#entries[entry.index * 2 + 1];
      const right = this.#entries[entry.index * 2 + 2];
      const child = right !== undefined && left !== undefined && this.#before(right.item, left.item) ? right : left;
      if (child === undefined || !this.#before(child.item, entry.item)) return;
      this.#swap(entry, child);
    }
  }

  #swap(a: Entry<T>, b: Entry<T>): void {
    const index = a.index;
    a.index = b.index;
    b.index = index;
    this.#entries[a.index] = a;
    this.#entries[b.index] = b;
  }
}
