import { TrackedElements } from './elements.ts';
import type { ChainHook, Elements, ElementsType, RuleTable } from './rule-table.ts';
import { sameType } from './transaction.ts';

/** A {@link RuleTable} without a kernel, for tests of parts: says what stands in it, and how much was changed. */
export class MemoryRuleTable implements RuleTable {
  readonly name: string;
  readonly #collections = new Map<string, TrackedElements>();
  readonly #chains = new Map<string, { readonly rules: readonly string[]; readonly hook: ChainHook | undefined }>();
  /** Elements put or deleted and chains set or removed; for tests to reset. */
  changes = 0;
  /** Calls of {@link MemoryRuleTable.commit}. */
  commits = 0;

  constructor(name: string) {
    this.name = name;
  }

  map(name: string, type: ElementsType): Elements {
    return this.#declare('map', name, type);
  }

  set(name: string, type: ElementsType): Elements {
    return this.#declare('set', name, type);
  }

  chain(name: string, rules: readonly string[], hook?: ChainHook): void {
    this.changes += 1;
    this.#chains.set(name, { rules: [...rules], hook });
  }

  remove(kind: 'chain' | 'map' | 'set', name: string): void {
    this.changes += 1;
    if (kind === 'chain') this.#chains.delete(name);
    else this.#collections.delete(name);
  }

  commit(): Promise<void> {
    this.commits += 1;
    return Promise.resolve();
  }

  listDynamic(): Promise<readonly (readonly [string, string])[]> {
    return Promise.resolve([]);
  }

  deleteDynamic(): Promise<void> {
    return Promise.resolve();
  }

  settled(): void {
    // Nothing was left by an earlier agent.
  }

  teardown(): Promise<void> {
    this.#collections.clear();
    this.#chains.clear();
    return Promise.resolve();
  }

  /** Every element as `collection key : data` and every rule as `chain rule`, sorted. */
  lines(): readonly string[] {
    const elements = [...this.#collections].flatMap(([name, collection]) =>
      [...collection.entries()].map(([key, data]) => `${name} ${key}${data === '' ? '' : ` : ${data}`}`),
    );
    const rules = [...this.#chains].flatMap(([name, chain]) => chain.rules.map((rule) => `${name} ${rule}`));
    return [...elements, ...rules].sort();
  }

  #declare(kind: 'map' | 'set', name: string, type: ElementsType): Elements {
    const known = this.#collections.get(name);
    if (known !== undefined) {
      if (known.kind !== kind || !sameType(known.type, type)) throw new Error(`${name} is declared in two ways`);
      return known;
    }
    const made = new TrackedElements(kind, type, () => {
      this.changes += 1;
    });
    this.#collections.set(name, made);
    return made;
  }
}
