import type { Elements, ElementsType } from './rule-table.ts';

/** What differs from the kernel: keys to delete, then entries to add. */
export interface ElementChanges {
  readonly deleted: readonly string[];
  readonly added: readonly (readonly [key: string, data: string])[];
}

/** The wanted elements of one map or set, and which of them differ from what the last transaction wrote. */
export class TrackedElements implements Elements {
  readonly kind: 'map' | 'set';
  readonly type: ElementsType;
  readonly #wanted = new Map<string, string>();
  /** What the kernel has under each key changed since; null when nothing. */
  readonly #before = new Map<string, string | null>();
  readonly #onChange: () => void;

  constructor(kind: 'map' | 'set', type: ElementsType, onChange: () => void) {
    this.kind = kind;
    this.type = type;
    this.#onChange = onChange;
  }

  /** Whether packets make the elements, and we leave them alone. */
  get dynamic(): boolean {
    return this.type.flags?.includes('dynamic') === true;
  }

  put(key: string, data = ''): void {
    const old = this.#wanted.get(key);
    if (old === data) return;
    if (!this.#before.has(key)) this.#before.set(key, old ?? null);
    this.#wanted.set(key, data);
    this.#onChange();
  }

  delete(key: string): void {
    const old = this.#wanted.get(key);
    if (old === undefined) return;
    if (!this.#before.has(key)) this.#before.set(key, old);
    this.#wanted.delete(key);
    this.#onChange();
  }

  get(key: string): string | undefined {
    return this.#wanted.get(key);
  }

  get size(): number {
    return this.#wanted.size;
  }

  keys(): IterableIterator<string> {
    return this.#wanted.keys();
  }

  /** All wanted entries. */
  entries(): IterableIterator<[string, string]> {
    return this.#wanted.entries();
  }

  /** What changed since the last call, which is from now on taken to be in the kernel. Costs what changed. */
  takeChanges(): ElementChanges {
    const deleted: string[] = [];
    const added: [string, string][] = [];
    for (const [key, before] of this.#before) {
      const now = this.#wanted.get(key);
      if (now === (before ?? undefined)) continue;
      if (before !== null) deleted.push(key);
      if (now !== undefined) added.push([key, now]);
    }
    this.#before.clear();
    return { deleted, added };
  }
}
