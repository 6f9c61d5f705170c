/**
 * Makes a cache safe to decide from: a controller that acts on a cache which does not show its own last writes yet would
 * repeat them. It tells this ledger what it wrote for a key, and before the next decision waits until the cache shows it.
 */
import type { Informer } from '../../lib/informer.ts';
import { compareVersions, newerVersion } from '../../lib/resource-version.ts';
import type { KubeObject } from '../../proto/index.ts';

interface Written {
  /** Newest version written. */
  version: string;
  /** Objects deleted: key → uid. */
  readonly deleted: Map<string, string>;
  /** Whether a write may or may not have happened (its answer was lost). */
  uncertain: boolean;
}

/** The ledger of one controller about one kind. */
export class OwnWrites<T extends KubeObject> {
  readonly #informer: Informer<T>;
  readonly #written = new Map<string, Written>();

  constructor(informer: Informer<T>) {
    this.#informer = informer;
  }

  /** A create or update for `key` gave `object`. */
  wrote(key: string, object: T): void {
    const entry = this.#entry(key);
    entry.version = newerVersion(entry.version, object.metadata?.resourceVersion ?? '');
  }

  /** For `key` the object `objectKey` with `uid` was deleted, or marked for it. */
  deleted(key: string, objectKey: string, uid: string): void {
    this.#entry(key).deleted.set(objectKey, uid);
  }

  /** A write for `key` failed in a way that leaves open whether it happened. */
  lostAnswer(key: string): void {
    this.#entry(key).uncertain = true;
  }

  /** Whether the next decision about `key` must come from a fresh list instead of the cache. Asking forgets it. */
  takeUncertain(key: string): boolean {
    const entry = this.#written.get(key);
    const uncertain = entry?.uncertain ?? false;
    if (entry !== undefined) entry.uncertain = false;
    return uncertain;
  }

  /** Resolves when the cache shows everything written for `key`. Rejects when `signal` aborts before. */
  async visible(key: string, signal: AbortSignal): Promise<void> {
    const entry = this.#written.get(key);
    if (entry === undefined) return;
    await this.#informer.waitUntil((informer) => this.#shows(informer, entry), signal);
    entry.deleted.clear();
    if (!entry.uncertain && this.#written.get(key) === entry) this.#written.delete(key);
  }

  /** Forgets `key`. */
  forget(key: string): void {
    this.#written.delete(key);
  }

  #shows(informer: Informer<T>, entry: Written): boolean {
    if (compareVersions(informer.resourceVersion, entry.version) < 0) return false;
    for (const [objectKey, uid] of entry.deleted) {
      const cached = informer.get(objectKey);
      if (cached?.metadata?.uid === uid && cached.metadata.deletionTimestamp === undefined) return false;
      entry.deleted.delete(objectKey);
    }
    return true;
  }

  #entry(key: string): Written {
    let entry = this.#written.get(key);
    if (entry === undefined) {
      entry = { version: '', deleted: new Map(), uncertain: false };
      this.#written.set(key, entry);
    }
    return entry;
  }
}
