/** The text of transactions for `nft -f -`. Pure. */
import type { TrackedElements } from './elements.ts';
import type { ChainHook, ElementsType } from './rule-table.ts';

/** A chain as wanted. */
export interface WantedChain {
  readonly rules: readonly string[];
  readonly hook: ChainHook | undefined;
}

/** All that is wanted in a table. */
export interface WantedTable {
  readonly name: string;
  readonly chains: ReadonlyMap<string, WantedChain>;
  readonly collections: ReadonlyMap<string, TrackedElements>;
}

/** Names in the kernel's table. */
export interface KernelNames {
  readonly chains: ReadonlySet<string>;
  /** Maps and sets with their kind. */
  readonly collections: ReadonlyMap<string, 'map' | 'set'>;
}

/** What differs between the kernel's table and the wanted one. */
export interface TableChange {
  /** Chains whose rules are written; those not in the kernel are made. */
  readonly chains: ReadonlySet<string>;
  /** Maps and sets that are not in the kernel, or whose contents there are unknown: written from scratch. */
  readonly fresh: ReadonlySet<string>;
  /** In the kernel, and not wanted any more. */
  readonly gone: KernelNames;
}

/** Elements in one statement: a statement that fails is quoted whole by nft. */
const ELEMENTS_PER_STATEMENT = 500;

/** The whole table anew, whatever was there. `kept` are elements of dynamic maps, in nft's words, that stay. */
export function wholeTable(table: WantedTable, kept: ReadonlyMap<string, readonly string[]> = new Map()): string {
  const lines = [`add table ip ${table.name}`, `delete table ip ${table.name}`, `add table ip ${table.name}`];
  for (const [name, collection] of table.collections) lines.push(declaration(table.name, name, collection));
  for (const [name, { hook }] of table.chains) lines.push(`add chain ip ${table.name} ${name}${hookText(hook)}`);
  for (const [name, { rules }] of table.chains) lines.push(...rules.map((rule) => addRule(table.name, name, rule)));
  for (const [name, collection] of table.collections) {
    collection.takeChanges();
    const statement = `add element ip ${table.name} ${name}`;
    pushElements(lines, statement, collection.entries());
    pushElements(
      lines,
      statement,
      (kept.get(name) ?? []).map((element) => [element, ''] as const),
    );
  }
  return `${lines.join('\n')}\n`;
}

/**
 * The smallest transaction; empty when there is nothing to do. In this order, so that nothing refers to what is not there (yet, or any
 * more): elements go, maps and chains come, rules change, elements come, chains and maps go.
 */
export function changeTable(table: WantedTable, change: TableChange): string {
  const { name: own } = table;
  const lines: string[] = [];
  const added: [string, Iterable<readonly [string, string]>][] = [];
  for (const [name, collection] of table.collections) {
    if (change.fresh.has(name)) {
      collection.takeChanges();
      added.push([name, collection.entries()]);
      continue;
    }
    const { deleted, added: entries } = collection.takeChanges();
    pushElements(
      lines,
      `delete element ip ${own} ${name}`,
      deleted.map((key) => [key, ''] as const),
    );
    added.push([name, entries]);
  }
  for (const name of change.fresh) {
    const collection = table.collections.get(name);
    if (collection === undefined) continue;
    lines.push(declaration(own, name, collection));
    if (!collection.dynamic) lines.push(`flush ${collection.kind} ip ${own} ${name}`);
  }
  const changed = [...change.chains].flatMap((name) => {
    const chain = table.chains.get(name);
    return chain === undefined ? [] : [{ name, ...chain }];
  });
  for (const { name, hook } of changed) lines.push(`add chain ip ${own} ${name}${hookText(hook)}`);
  for (const { name, rules } of changed) {
    lines.push(`flush chain ip ${own} ${name}`, ...rules.map((rule) => addRule(own, name, rule)));
  }
  for (const [name, entries] of added) pushElements(lines, `add element ip ${own} ${name}`, entries);
  const { gone } = change;
  for (const [name, kind] of gone.collections) lines.push(`flush ${kind} ip ${own} ${name}`);
  for (const name of gone.chains) lines.push(`flush chain ip ${own} ${name}`);
  for (const name of gone.chains) lines.push(`delete chain ip ${own} ${name}`);
  for (const [name, kind] of gone.collections) lines.push(`delete ${kind} ip ${own} ${name}`);
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`;
}

/** Whether two declarations of a map or set are the same. */
export function sameType(a: ElementsType, b: ElementsType): boolean {
  return typeText(a) === typeText(b);
}

function declaration(table: string, name: string, { kind, type }: TrackedElements): string {
  return `add ${kind} ip ${table} ${name} { ${typeText(type)} }`;
}

function typeText({ type, flags, timeout, size }: ElementsType): string {
  const parts = [
    type,
    ...(flags === undefined || flags.length === 0 ? [] : [`flags ${flags.join(',')}`]),
    ...(timeout === undefined ? [] : [`timeout ${timeout}`]),
    ...(size === undefined ? [] : [`size ${size}`]),
  ];
  return parts.map((part) => `${part};`).join(' ');
}

function hookText(hook: ChainHook | undefined): string {
  return hook === undefined ? '' : ` { type ${hook.type} hook ${hook.hook} priority ${hook.priority}; policy accept; }`;
}

function addRule(table: string, chain: string, rule: string): string {
  return `add rule ip ${table} ${chain} ${rule}`;
}

function pushElements(lines: string[], statement: string, entries: Iterable<readonly [string, string]>): void {
  let batch: string[] = [];
  const close = (): void => {
    if (batch.length > 0) lines.push(`${statement} { ${batch.join(', ')} }`);
    batch = [];
  };
  for (const [key, data] of entries) {
    batch.push(data === '' ? key : `${key} : ${data}`);
    if (batch.length === ELEMENTS_PER_STATEMENT) close();
  }
  close();
}
