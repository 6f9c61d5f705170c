/**
 * The RuleTable port: the one nftables table of this node. Features say what they want in it; the engine (`nft-table.ts`) makes it
 * so by the smallest transaction, makes it so again when somebody else changed it, and touches no other table.
 *
 * Packets are decided by maps, so that a change of one endpoint is a change of a few elements whatever the number of services. A
 * part declares its maps and sets once, puts and deletes elements, sets the rules of its chains, and calls `commit`; changes of
 * several parts within a few milliseconds go in one transaction, all or none.
 *
 * The family is `ip`; nothing here knows of IPv6.
 */

/** A chain that the kernel calls. `priority` as nft writes it, such as `dstnat`, `-100`, `srcnat`, `filter - 1`. */
export interface ChainHook {
  readonly type: 'filter' | 'nat' | 'route';
  readonly hook: 'prerouting' | 'input' | 'forward' | 'output' | 'postrouting';
  readonly priority: string;
}

/** Type and flags of a map or set in nft's words: `type ipv4_addr . inet_service : verdict`, or `typeof …`. */
export interface ElementsType {
  /** The whole line, `type …` or `typeof …`; of maps with key and data. */
  readonly type: string;
  /** Such as `interval`, `timeout`, `dynamic`. Elements of dynamic ones come from packets and are left alone. */
  readonly flags?: readonly string[];
  readonly timeout?: string;
  readonly size?: number;
}

/** Elements of a map or set, wanted from now on. Changes take effect with {@link RuleTable.commit}. */
export interface Elements {
  /** In nft's words: key `10.43.0.1 . tcp . 443`; data `goto pick3` or `10.42.0.7 . 8443`, none in sets. */
  put(key: string, data?: string): void;
  delete(key: string): void;
  /** The data of a key that is wanted (empty in sets), or undefined. */
  get(key: string): string | undefined;
  readonly size: number;
  keys(): IterableIterator<string>;
}

/** See the top of the file. Names are unique in the table; each part prefixes its own. All methods but `commit` are synchronous. */
export interface RuleTable {
  /** The table's name. */
  readonly name: string;
  /** Declares a map, or gives the one of that name. Throws when it was declared otherwise: a programming error. */
  map(name: string, type: ElementsType): Elements;
  set(name: string, type: ElementsType): Elements;
  /**
   * The rules of a chain, in order, each a line in nft's words; replaces what was there. With a hook, a base chain with policy accept.
   * Each part has base chains of its own; where order matters between parts, their priorities differ (see README.md).
   */
  chain(name: string, rules: readonly string[], hook?: ChainHook): void;
  /** Takes chains, maps or sets away. */
  remove(kind: 'chain' | 'map' | 'set', name: string): void;
  /**
   * Resolves when everything wanted at the time of the call is in the kernel. While a transaction fails it is tried again with
   * back-off (first minimal, then the whole table); rejects when `signal` aborts, with what the kernel said last, or when there is no nft.
   */
  commit(signal?: AbortSignal): Promise<void>;
  /**
   * Elements that packets put into a dynamic map or set, as the kernel has them now, as key and data in nft's words without timeouts.
   * Costs what the map is large. Empty when there is no such map in the kernel.
   */
  listDynamic(name: string): Promise<readonly (readonly [key: string, data: string])[]>;
  /** Takes such elements away; those that are gone already are passed over. */
  deleteDynamic(name: string, keys: readonly string[]): Promise<void>;
  /** All parts have declared what they want: what an earlier agent left in the table and nobody declared goes with the next commit. */
  settled(): void;
  /** For taking a node down, with nobody left who wants rules: deletes the table. Idempotent. */
  teardown(): Promise<void>;
}
