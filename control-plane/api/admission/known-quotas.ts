import { type corev1, KINDS } from '../../../proto/index.ts';
import type { ResourceVersion, StoreEntry } from '../../store/store.ts';
import { collectionPrefix } from '../keys.ts';
import type { ApiServices } from '../services.ts';
import { copyOf } from '../stored-object.ts';

/** One quota and the entry it was read from. */
export interface Book {
  readonly key: string;
  readonly quota: corev1.ResourceQuota;
  readonly entry: StoreEntry;
}

type Decoded = Omit<Book, 'entry'>;

/** Decoded quotas by stored bytes. */
const decoded = new WeakMap<Uint8Array, Decoded>();

/**
 * The quotas of one namespace, as new as anybody here has seen them: the cache's, or what a transaction of ours wrote or
 * found in its way and the cache does not show yet.
 */
export class KnownQuotas {
  readonly #services: ApiServices;
  readonly #prefix: string;
  /** What the cache does not show yet: the entry, or that there is none since the version we believed in. */
  readonly #newer = new Map<string, { readonly entry: StoreEntry | undefined; readonly version: ResourceVersion }>();

  constructor(services: ApiServices, namespace: string) {
    this.#services = services;
    this.#prefix = collectionPrefix(KINDS.ResourceQuota, namespace);
  }

  /** The quotas in order of their names. */
  books(): Book[] {
    const { cache } = this.#services;
    const entries: StoreEntry[] = [...cache.list(this.#prefix).entries];
    if (this.#newer.size > 0) this.#overlay(entries, cache.version);
    return entries.flatMap((entry) => {
      const known = this.#decode(entry);
      return known === undefined ? [] : [{ ...known, entry }];
    });
  }

  /** Remembers what is stored at `key`; undefined when nothing is. */
  learn(key: string, entry: StoreEntry | undefined): void {
    const believed = this.#newer.get(key)?.version ?? this.#services.cache.get(key)?.version ?? 0;
    if (entry === undefined) this.#newer.set(key, { entry, version: believed });
    else if (entry.version >= believed) this.#newer.set(key, { entry, version: entry.version });
  }

  /** Reads every quota known from the store. */
  async refresh(): Promise<void> {
    const found = await Promise.all(
      this.books().map(async ({ key }) => [key, await this.#services.store.get(key)] as const),
    );
    for (const [key, entry] of found) this.learn(key, entry);
  }

  /** Whether the cache shows all that is known here, so that nothing is lost by forgetting it. */
  isCaughtUp(): boolean {
    this.books();
    return this.#newer.size === 0;
  }

  /** Puts what is newer over what the cache has, and forgets what the cache has caught up with. */
  #overlay(entries: StoreEntry[], cacheVersion: ResourceVersion): void {
    for (const [key, { entry, version }] of this.#newer) {
      const at = entries.findIndex((cached) => cached.key === key);
      const cached = entries[at];
      const isCaughtUp =
        cached !== undefined
          ? cached.version > version || (entry !== undefined && cached.version === version)
          : cacheVersion >= version;
      if (isCaughtUp) {
        this.#newer.delete(key);
        continue;
      }
      if (at >= 0) entries.splice(at, 1, ...(entry === undefined ? [] : [entry]));
      else if (entry !== undefined) entries.push(entry);
    }
    entries.sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  /** Undefined when the bytes cannot be read: the cache reports that, and one bad quota must not stop a namespace. */
  #decode(entry: StoreEntry): Decoded | undefined {
    const known = decoded.get(entry.value);
    if (known !== undefined) return known;
    const { apiVersion, kind } = KINDS.ResourceQuota;
    const definition = this.#services.registry.findDefinition(apiVersion, kind);
    if (definition === undefined) throw new Error('the registry has no quotas');
    try {
      const quota = copyOf(definition, entry.value) as corev1.ResourceQuota;
      decoded.set(entry.value, { key: entry.key, quota });
      return { key: entry.key, quota };
    } catch {
      return undefined;
    }
  }
}
