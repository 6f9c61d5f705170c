/** Reads what `nft` prints of a table. Pure. */
import type { KernelNames } from './transaction.ts';

/** How much the kernel's table has of everything. */
export interface KernelCounts {
  /** Rules by chain. */
  readonly chains: ReadonlyMap<string, number>;
  /** Elements by map or set. */
  readonly collections: ReadonlyMap<string, number>;
}

interface Listed {
  readonly name?: string;
  readonly chain?: string;
  readonly elem?: readonly unknown[];
}

interface Listing {
  readonly nftables?: readonly Partial<Record<'chain' | 'rule' | 'map' | 'set', Listed>>[];
}

/** Names in `nft -j list table`. Throws on what is not such a listing. */
export function kernelNames(json: string): KernelNames {
  const chains = new Set<string>();
  const collections = new Map<string, 'map' | 'set'>();
  for (const { chain, map, set } of entries(json)) {
    if (chain?.name !== undefined) chains.add(chain.name);
    if (map?.name !== undefined) collections.set(map.name, 'map');
    if (set?.name !== undefined) collections.set(set.name, 'set');
  }
  return { chains, collections };
}

/** Counts in `nft -j list table`. Throws on what is not such a listing. */
export function kernelCounts(json: string): KernelCounts {
  const chains = new Map<string, number>();
  const collections = new Map<string, number>();
  for (const { chain, rule, map, set } of entries(json)) {
    if (chain?.name !== undefined) chains.set(chain.name, 0);
    if (rule?.chain !== undefined) chains.set(rule.chain, (chains.get(rule.chain) ?? 0) + 1);
    const collection = map ?? set;
    if (collection?.name !== undefined) collections.set(collection.name, collection.elem?.length ?? 0);
  }
  return { chains, collections };
}

/** The elements in `nft list map`, each as it stands there, such as `10.0.0.1 . tcp . 80 timeout 3h expires 2h : 10.0.0.2 . 80`. */
export function listedElements(text: string): readonly string[] {
  const body = /elements = \{([^}]*)\}/.exec(text)?.[1] ?? '';
  return body
    .split(',')
    .map((element) => element.trim())
    .filter((element) => element !== '');
}

/** Key and data of such an element, without timeouts. */
export function keyAndData(element: string): readonly [key: string, data: string] {
  const [left = '', data = ''] = element.split(' : ');
  return [left.replace(/ (timeout|expires) .*$/, '').trim(), data.trim()];
}

function entries(json: string): NonNullable<Listing['nftables']> {
  const listing = JSON.parse(json) as Listing;
  if (listing.nftables === undefined) throw new Error('Cannot read the rules: nft printed something else');
  return listing.nftables;
}
