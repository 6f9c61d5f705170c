/** The one nftables table of this node, kept as its parts want it. What is promised stands in README.md and `rule-table.ts`. */
import { Backoff } from '../../lib/backoff.ts';
import { type Clock, sleep } from '../../lib/clock.ts';
import { errorMessage } from '../../lib/errors.ts';
import { ExecError } from '../../lib/exec.ts';
import { TrackedElements } from './elements.ts';
import { kernelCounts, kernelNames, keyAndData, listedElements } from './kernel-table.ts';
import { NftProgram } from './nft-program.ts';
import type { ChainHook, Elements, ElementsType, RuleTable } from './rule-table.ts';
import { keepTable } from './table-keeper.ts';
import { changeTable, type KernelNames, sameType, type WantedChain, wholeTable } from './transaction.ts';

/** The part of a logger the table needs. */
export interface RuleLog {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

/** What an {@link NftTable} is made of. */
export interface NftTableOptions {
  /** As nft takes names: a letter first, then letters, digits, `_` and `.`. */
  readonly name: string;
  readonly clock: Clock;
  readonly log?: RuleLog;
  /** Goes before each program, such as `nsenter --net=…`: whose table it is. Default: our own network namespace. */
  readonly enter?: readonly string[];
}

interface Waiter {
  readonly version: number;
  readonly resolve: () => void;
  readonly reject: (err: unknown) => void;
}

/** Least time from the begin of one transaction to that of the next: changes in between share one. */
const COALESCE_MS = 10;
const RETRY = { initialMs: 100, maxMs: 10_000 };
const NOTHING: KernelNames = { chains: new Set(), collections: new Map() };

/** See the top of the file. Works without {@link NftTable.run}, which watches over it. */
export class NftTable implements RuleTable {
  readonly name: string;
  readonly #options: NftTableOptions;
  readonly #chains = new Map<string, WantedChain>();
  readonly #collections = new Map<string, TrackedElements>();
  readonly #changedChains = new Set<string>();
  /** What the kernel has; null before anybody looked. */
  #kernel: { readonly chains: Set<string>; readonly collections: Map<string, 'map' | 'set'> } | null = null;
  /** Of {@link #kernel}, what an earlier agent left and no part has spoken about. */
  readonly #leftovers = new Set<string>();
  #settled = false;
  /** The next transaction writes everything. */
  #whole = false;
  /** Before the next transaction the kernel is read again, and what is declared is written over what is there. */
  #readAgain = false;
  #version = 0;
  #requested = 0;
  #applied = 0;
  readonly #waiters = new Set<Waiter>();
  #working: Promise<void> | null = null;
  #lastBeginMs = Number.NEGATIVE_INFINITY;
  #lastFailure: unknown;
  /** Whether the last whole table carried elements of dynamic maps along. */
  #keptLast = false;
  #stopSignal: AbortSignal | undefined;
  readonly #nft: NftProgram;

  constructor(options: NftTableOptions) {
    this.name = options.name;
    this.#options = options;
    this.#nft = new NftProgram(options.enter ?? []);
  }

  map(name: string, type: ElementsType): Elements {
    return this.#declare('map', name, type);
  }

  set(name: string, type: ElementsType): Elements {
    return this.#declare('set', name, type);
  }

  chain(name: string, rules: readonly string[], hook?: ChainHook): void {
    const old = this.#chains.get(name);
    if (old !== undefined && sameRules(old.rules, rules) && sameHook(old.hook, hook)) return;
    // A chain in the kernel keeps its hook for life.
    if (old !== undefined && !sameHook(old.hook, hook)) this.#whole = true;
    this.#chains.set(name, { rules: [...rules], hook });
    this.#changedChains.add(name);
    this.#change();
  }

  remove(kind: 'chain' | 'map' | 'set', name: string): void {
    const known = kind === 'chain' ? this.#chains.delete(name) : this.#collections.delete(name);
    if (known) this.#change();
  }

  async commit(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    const version = this.#version;
    if (this.#applied >= version) return;
    this.#requested = Math.max(this.#requested, version);
    const done = this.#wait(version, signal);
    this.#work();
    await done;
  }

  settled(): void {
    this.#settled = true;
    if (this.#kernel === null || this.#leftovers.size > 0) this.#change();
  }

  async listDynamic(name: string): Promise<readonly (readonly [string, string])[]> {
    return (await this.#listed(name)).map(keyAndData);
  }

  async deleteDynamic(name: string, keys: readonly string[]): Promise<void> {
    let left: readonly string[] = keys;
    while (left.length > 0) {
      const text = `delete element ip ${this.name} ${name} { ${left.join(', ')} }\n`;
      const { exitCode } = await this.#nft.run(['-f', '-'], { input: text, okExitCodes: 'any' });
      if (exitCode === 0) return;
      // One that ran out in between fails all of them: look again. What is there twice in a row is tried one by one.
      const there = new Set((await this.listDynamic(name)).map(([key]) => key));
      const still = left.filter((key) => there.has(key));
      if (still.length === left.length) {
        for (const key of still) {
          await this.#nft.run(['-f', '-'], {
            input: `delete element ip ${this.name} ${name} { ${key} }\n`,
            okExitCodes: 'any',
          });
        }
        return;
      }
      left = still;
    }
  }

  /** Watches over the table until `signal` aborts: what others change is put right. Never rejects; once at a time. */
  async run(signal: AbortSignal): Promise<void> {
    this.#stopSignal = signal;
    await keepTable(
      {
        table: this.name,
        enter: this.#options.enter ?? [],
        clock: this.#options.clock,
        log: this.#log,
        isOwn: (pid) => this.#nft.isOwn(pid),
        restore: () => this.#restore(signal),
        differs: () => this.#differs(signal),
      },
      signal,
    );
    // The loop ends by the same signal; a transaction in the kernel's hands is waited for.
    await this.#working;
  }

  async teardown(): Promise<void> {
    await this.#working;
    await this.#nft.run(['-f', '-'], { input: `add table ip ${this.name}\ndelete table ip ${this.name}\n` });
    this.#kernel = null;
    this.#applied = -1;
  }

  get #log(): RuleLog | undefined {
    return this.#options.log;
  }

  #declare(kind: 'map' | 'set', name: string, type: ElementsType): TrackedElements {
    const old = this.#collections.get(name);
    if (old !== undefined) {
      if (old.kind !== kind || !sameType(old.type, type)) {
        throw new Error(`${kind} ${name} of table ${this.name} is declared in two ways`);
      }
      return old;
    }
    const collection = new TrackedElements(kind, type, () => this.#change());
    this.#collections.set(name, collection);
    // Taken away and declared anew before a transaction: it may be another type by now.
    if (this.#kernel?.collections.has(name) === true && !this.#leftovers.has(name)) this.#whole = true;
    this.#change();
    return collection;
  }

  #change(): void {
    this.#version += 1;
  }

  #wait(version: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.#waiters.delete(waiter);
        reject(
          this.#lastFailure === undefined
            ? signal?.reason
            : new Error(`Cannot change the rules of table ${this.name}: ${errorMessage(this.#lastFailure)}`, {
                cause: this.#lastFailure,
              }),
        );
      };
      const release = (): void => signal?.removeEventListener('abort', onAbort);
      const waiter: Waiter = {
        version,
        resolve: () => {
          release();
          resolve();
        },
        reject: (err) => {
          release();
          reject(err);
        },
      };
      this.#waiters.add(waiter);
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  /** Starts the loop unless it is going. */
  #work(): void {
    this.#working ??= this.#loop().finally(() => {
      this.#working = null;
    });
  }

  /** One transaction after the other until all that is asked for is in force, or nobody is there any more to want it. */
  async #loop(): Promise<void> {
    const { clock } = this.#options;
    const backoff = new Backoff(RETRY);
    while (this.#applied < this.#requested && this.#stopSignal?.aborted !== true) {
      // Whoever changes something in this same moment joins.
      await Promise.resolve();
      await sleep(clock, this.#lastBeginMs + COALESCE_MS - clock.monotonicMs(), this.#stopSignal);
      this.#lastBeginMs = clock.monotonicMs();
      const version = this.#version;
      const again = this.#readAgain;
      this.#readAgain = false;
      let whole = this.#whole;
      this.#whole = false;
      try {
        if ((this.#kernel === null || again) && !whole) whole = !(await this.#adopt());
        await this.#transact(whole);
      } catch (err) {
        this.#lastFailure = err;
        if (this.#kernel !== null) this.#writeAnew(whole || again);
        if (err instanceof ExecError && err.code === 'MissingTool') this.#settleWaiters(null, err);
        if (this.#waiters.size === 0 && this.#stopSignal === undefined) return;
        this.#log?.[whole ? 'warn' : 'debug']({ table: this.name, err }, 'rules not taken by the kernel');
        if (whole || !this.#whole) await sleep(clock, backoff.next(), this.#stopSignal);
        continue;
      }
      this.#lastFailure = undefined;
      this.#applied = version;
      backoff.reset();
      this.#settleWaiters(version);
    }
  }

  /** Those that wait for this version or an older one, or all when null: resolved, or rejected with `err`. */
  #settleWaiters(version: number | null, err?: unknown): void {
    for (const waiter of this.#waiters) {
      if (version !== null && waiter.version > version) continue;
      this.#waiters.delete(waiter);
      if (err === undefined) waiter.resolve();
      else waiter.reject(err);
    }
  }

  /** Next, everything is written: over what is there while parts of an earlier agent's table are still needed, else instead of it. */
  #writeAnew(evenLeftovers: boolean): void {
    if (this.#leftovers.size > 0 && !evenLeftovers) this.#readAgain = true;
    else this.#whole = true;
  }

  /** Learns what an earlier agent left; false when there is no table. */
  async #adopt(): Promise<boolean> {
    const { exitCode, stdout, stderr } = await this.#nft.run(['-t', '-j', 'list', 'table', 'ip', this.name], {
      okExitCodes: 'any',
    });
    if (exitCode !== 0 && !stderr.includes('No such file')) {
      throw new Error(`Cannot read table ${this.name}: ${stderr.trim()}`);
    }
    const { chains, collections } = exitCode === 0 ? kernelNames(stdout) : NOTHING;
    this.#leftovers.clear();
    this.#kernel = { chains: new Set(chains), collections: new Map(collections) };
    for (const name of [...chains, ...collections.keys()]) this.#leftovers.add(name);
    for (const name of this.#chains.keys()) this.#changedChains.add(name);
    return exitCode === 0;
  }

  /** Brings the kernel's table from {@link #kernel} to what is wanted now. */
  async #transact(whole: boolean): Promise<void> {
    const kernel = this.#kernel ?? NOTHING;
    const kept = whole ? await this.#keptElements(kernel) : undefined;
    // From here to the start of nft nothing is awaited: what is written and what is noted down are the same.
    const wanted = { name: this.name, chains: this.#chains, collections: this.#collections };
    const gone = whole ? NOTHING : this.#gone(kernel);
    const stays = (name: string): boolean =>
      this.#leftovers.has(name) && !gone.chains.has(name) && !gone.collections.has(name);
    const fresh = new Set(
      [...this.#collections.keys()].filter((name) => !kernel.collections.has(name) || this.#leftovers.has(name)),
    );
    const change = { chains: this.#changedChains, fresh, gone };
    const text = whole ? wholeTable(wanted, kept) : changeTable(wanted, change);
    const after = {
      chains: new Set([...this.#chains.keys(), ...[...kernel.chains].filter((name) => !whole && stays(name))]),
      collections: new Map<string, 'map' | 'set'>([
        ...[...kernel.collections].filter(([name]) => !whole && stays(name)),
        ...[...this.#collections].map(([name, { kind }]) => [name, kind] as const),
      ]),
    };
    this.#changedChains.clear();
    if (text !== '') await this.#nft.run(['-f', '-'], { input: text });
    this.#kernel = after;
    for (const name of this.#leftovers) {
      const declared = this.#chains.has(name) || this.#collections.has(name);
      if (declared || !(after.chains.has(name) || after.collections.has(name))) this.#leftovers.delete(name);
    }
  }

  /** What the kernel has and nobody wants; leftovers only once their part has spoken. */
  #gone(kernel: KernelNames): KernelNames {
    const spoken = new Set([...this.#chains.keys(), ...this.#collections.keys()].map(partOf));
    const unwanted = (name: string): boolean => !this.#leftovers.has(name) || this.#settled || spoken.has(partOf(name));
    return {
      chains: new Set([...kernel.chains].filter((name) => !this.#chains.has(name) && unwanted(name))),
      collections: new Map([...kernel.collections].filter(([name]) => !this.#collections.has(name) && unwanted(name))),
    };
  }

  /** What packets put into dynamic maps that are wanted again. */
  async #keptElements(kernel: KernelNames): Promise<ReadonlyMap<string, readonly string[]>> {
    const kept = new Map<string, readonly string[]>();
    // After a failure with them, without them.
    if (this.#lastFailure !== undefined && this.#keptLast) {
      this.#keptLast = false;
      return kept;
    }
    for (const [name, { dynamic }] of this.#collections) {
      if (dynamic && kernel.collections.has(name)) kept.set(name, await this.#listed(name));
    }
    this.#keptLast = kept.size > 0;
    return kept;
  }

  async #listed(name: string): Promise<readonly string[]> {
    const kind = this.#collections.get(name)?.kind ?? 'map';
    const { stdout, exitCode } = await this.#nft.run(['-n', 'list', kind, 'ip', this.name, name], {
      okExitCodes: 'any',
    });
    return exitCode === 0 ? listedElements(stdout) : [];
  }

  async #restore(signal: AbortSignal): Promise<void> {
    this.#writeAnew(false);
    this.#change();
    await this.commit(signal).catch(() => undefined);
  }

  async #differs(signal: AbortSignal): Promise<string | undefined> {
    const quiet = (): boolean => this.#working === null && this.#applied === this.#version && this.#kernel !== null;
    const version = this.#version;
    if (!quiet()) return undefined;
    const { exitCode, stdout } = await this.#nft.run(['-j', 'list', 'table', 'ip', this.name], {
      okExitCodes: 'any',
      signal,
    });
    if (!quiet() || version !== this.#version) return undefined;
    if (exitCode !== 0) return 'the table is gone';
    const counts = kernelCounts(stdout);
    for (const [name, { rules }] of this.#chains) {
      if (counts.chains.get(name) !== rules.length) return `chain ${name} has other rules`;
    }
    for (const [name, collection] of this.#collections) {
      const count = counts.collections.get(name);
      if (count === undefined || (!collection.dynamic && count !== collection.size))
        return `${name} has other elements`;
    }
    return undefined;
  }
}

/** The part that something belongs to, by its name's prefix. */
function partOf(name: string): string {
  const end = name.indexOf('_');
  return end < 0 ? name : name.slice(0, end);
}

function sameRules(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((rule, index) => rule === b[index]);
}

function sameHook(a: ChainHook | undefined, b: ChainHook | undefined): boolean {
  return a?.type === b?.type && a?.hook === b?.hook && a?.priority === b?.priority;
}
