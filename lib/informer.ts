/**
 * A cache of objects of one kind, kept fresh by list and watch.
 *
 * Promises: handlers see every object that exists, each change at least as "old → newest", and each deletion, in the order
 * of versions and after the cache holds the change; across lost connections and expired versions nothing is missed (changes
 * in between may be folded into one). An object deleted and made again under the same name is a deletion and an addition.
 * Handlers run synchronously, one at a time; they should only enqueue keys.
 */
import type { KubeObject, ResourceType } from '../proto/index.ts';
import { Backoff, type BackoffOptions } from './backoff.ts';
import type { ObjectEvent, ResourceClient, SelectOptions } from './client/resource-client.ts';
import { type Clock, sleep, systemClock } from './clock.ts';
import { ApiError, hasReason, VERSION_TOO_LARGE } from './errors.ts';
import { compareVersions } from './resource-version.ts';

/** What to do when objects come, change and go. */
export interface InformerHandler<T> {
  /** `initial` is true for objects that were there when the handler or the informer began. */
  readonly onAdd?: (object: T, initial: boolean) => void;
  readonly onUpdate?: (old: T, object: T) => void;
  /** The last state known. */
  readonly onDelete?: (object: T) => void;
}

/** The index values of an object; an object may have several, or none. */
export type Indexer<T> = (object: T) => readonly string[];

/** The part of a pino logger the informer needs. */
export interface InformerLog {
  debug(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

/** What an {@link Informer} is made of. */
export interface InformerOptions<T extends KubeObject> {
  readonly client: ResourceClient;
  readonly type: ResourceType<T>;
  /** Which objects; all of the kind unless said. */
  readonly select?: Omit<SelectOptions, 'signal'>;
  readonly indexers?: Readonly<Record<string, Indexer<T>>>;
  /** Drops what need not be kept in memory. Must keep metadata. */
  readonly transform?: (object: T) => T;
  /** Milliseconds after which every object is handed to `onUpdate` again with itself; off unless said. */
  readonly resyncMs?: number;
  readonly backoff?: BackoffOptions;
  readonly clock?: Clock;
  readonly log?: InformerLog;
}

interface Waiter {
  readonly holds: () => boolean;
  readonly resolve: () => void;
}

const DEFAULT_BACKOFF: BackoffOptions = { initialMs: 100, maxMs: 10_000, jitter: 0.3 };

/** The key of an object in an informer: `namespace/name`, or the name alone for cluster-scoped kinds. */
export function objectKey(object: KubeObject): string {
  const { namespace, name } = object.metadata ?? {};
  return namespace === undefined || namespace === '' ? (name ?? '') : `${namespace}/${name ?? ''}`;
}

/** Namespace and name of a key made by {@link objectKey}. */
export function splitKey(key: string): { namespace: string | undefined; name: string } {
  const slash = key.indexOf('/');
  return slash < 0
    ? { namespace: undefined, name: key }
    : { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}

/** See the promises at the top of the file. */
export class Informer<T extends KubeObject> {
  readonly #options: InformerOptions<T>;
  readonly #clock: Clock;
  readonly #objects = new Map<string, T>();
  /** index name → value → key → object. */
  readonly #indexes = new Map<string, Map<string, Map<string, T>>>();
  readonly #handlers = new Set<InformerHandler<T>>();
  readonly #waiters = new Set<Waiter>();
  #version = '';
  #running = false;

  constructor(options: InformerOptions<T>) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    for (const name of Object.keys(options.indexers ?? {})) this.#indexes.set(name, new Map());
  }

  /** The kind it follows. */
  get type(): ResourceType<T> {
    return this.#options.type;
  }

  /** Whether the first list has been taken in and handed to the handlers. */
  get hasSynced(): boolean {
    return this.#version !== '';
  }

  /** Every change of this kind up to this version is in the cache; empty before the first list. */
  get resourceVersion(): string {
    return this.#version;
  }

  /** Objects in the cache. */
  get size(): number {
    return this.#objects.size;
  }

  /** The object with that key (`namespace/name`, or the name). */
  get(key: string): T | undefined {
    return this.#objects.get(key);
  }

  /** All objects. */
  list(): T[] {
    return [...this.#objects.values()];
  }

  /** Objects with that value in the index `name`. Throws when there is no such index: a programming error. */
  byIndex(name: string, value: string): T[] {
    const index = this.#indexes.get(name);
    if (index === undefined) throw new Error(`the informer of ${this.type.plural} has no index ${name}`);
    const found = index.get(value);
    return found === undefined ? [] : [...found.values()];
  }

  /** Adds a handler and hands it what is in the cache. Returns its removal. */
  addHandler(handler: InformerHandler<T>): () => void {
    for (const object of this.#objects.values()) handler.onAdd?.(object, true);
    this.#handlers.add(handler);
    return () => void this.#handlers.delete(handler);
  }

  /**
   * Resolves as soon as `holds` returns true; it is asked now and after every batch of changes. Rejects with the signal's
   * reason when that aborts first.
   */
  waitUntil(holds: (informer: this) => boolean, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) {
        reject(signal.reason);
        return;
      }
      if (holds(this)) {
        resolve();
        return;
      }
      const onAbort = (): void => {
        this.#waiters.delete(waiter);
        reject(signal?.reason);
      };
      const waiter: Waiter = {
        holds: () => holds(this),
        resolve: () => {
          signal?.removeEventListener('abort', onAbort);
          resolve();
        },
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#waiters.add(waiter);
    });
  }

  /** Resolves once {@link hasSynced}. */
  synced(signal?: AbortSignal): Promise<void> {
    return this.waitUntil(() => this.hasSynced, signal);
  }

  /** Lists and watches until `signal` aborts. Never rejects; may be called once at a time. */
  async run(signal: AbortSignal): Promise<void> {
    if (this.#running) throw new Error(`the informer of ${this.type.plural} is running already`);
    this.#running = true;
    const backoff = new Backoff(this.#options.backoff ?? DEFAULT_BACKOFF);
    const cancelResync = this.#startResync(signal);
    let relist = true;
    while (!signal.aborted) {
      try {
        if (relist) {
          await this.#list(signal);
          relist = false;
        }
        await this.#watch(signal, backoff);
      } catch (err) {
        if (signal.aborted) break;
        if (mustList(err) && !relist) {
          this.#options.log?.debug(
            { kind: this.type.kind, rev: this.#version },
            'watch version expired, listing again',
          );
          relist = true;
          if (backoff.failures === 0) {
            backoff.next();
            continue;
          }
        } else {
          this.#options.log?.debug({ kind: this.type.kind, rev: this.#version, err }, 'watch interrupted');
        }
      }
      if (!signal.aborted) await sleep(this.#clock, backoff.next(), signal);
    }
    cancelResync();
    this.#running = false;
  }

  async #list(signal: AbortSignal): Promise<void> {
    const { client, type, select, transform } = this.#options;
    const list = await client.list(type, { ...select, signal });
    const initial = !this.hasSynced;
    const present = new Set<string>();
    for (const item of list.items) {
      const object = transform === undefined ? item : transform(item);
      present.add(objectKey(object));
      this.#put(object, initial);
    }
    for (const [key, object] of this.#objects) if (!present.has(key)) this.#remove(key, object);
    this.#version = list.resourceVersion;
    this.#wakeWaiters();
  }

  async #watch(signal: AbortSignal, backoff: Backoff): Promise<void> {
    const { client, type, select } = this.#options;
    for await (const batch of client.watch(type, this.#version, { ...select, signal })) {
      for (const event of batch) this.#apply(event);
      backoff.reset();
      this.#wakeWaiters();
    }
  }

  #apply(event: ObjectEvent<T>): void {
    // After a relist a watch may repeat what the list already had.
    if (compareVersions(event.resourceVersion, this.#version) <= 0) return;
    if (event.type === 'DELETED') {
      const key = objectKey(event.object);
      const known = this.#objects.get(key);
      if (known !== undefined) this.#remove(key, this.#transformed(event.object));
    } else if (event.type !== 'BOOKMARK') {
      this.#put(this.#transformed(event.object), false);
    }
    this.#version = event.resourceVersion;
  }

  #transformed(object: T): T {
    return this.#options.transform === undefined ? object : this.#options.transform(object);
  }

  #put(object: T, initial: boolean): void {
    const key = objectKey(object);
    const old = this.#objects.get(key);
    if (old !== undefined && old.metadata?.uid !== object.metadata?.uid) this.#remove(key, old);
    const before = this.#objects.get(key);
    if (before?.metadata?.resourceVersion !== undefined && sameVersion(before, object)) return;
    if (before !== undefined) this.#unindex(key, before);
    this.#objects.set(key, object);
    this.#index(key, object);
    for (const handler of this.#handlers) {
      if (before === undefined) handler.onAdd?.(object, initial);
      else handler.onUpdate?.(before, object);
    }
  }

  #remove(key: string, last: T): void {
    const stored = this.#objects.get(key);
    if (stored !== undefined) this.#unindex(key, stored);
    this.#objects.delete(key);
    for (const handler of this.#handlers) handler.onDelete?.(last);
  }

  #index(key: string, object: T): void {
    for (const [name, indexer] of Object.entries(this.#options.indexers ?? {})) {
      const index = this.#indexes.get(name);
      for (const value of indexer(object)) {
        const bucket = index?.get(value);
        if (bucket === undefined) index?.set(value, new Map([[key, object]]));
        else bucket.set(key, object);
      }
    }
  }

  #unindex(key: string, object: T): void {
    for (const [name, indexer] of Object.entries(this.#options.indexers ?? {})) {
      const index = this.#indexes.get(name);
      for (const value of indexer(object)) {
        const bucket = index?.get(value);
        bucket?.delete(key);
        if (bucket?.size === 0) index?.delete(value);
      }
    }
  }

  #wakeWaiters(): void {
    for (const waiter of this.#waiters) {
      if (!waiter.holds()) continue;
      this.#waiters.delete(waiter);
      waiter.resolve();
    }
  }

  #startResync(signal: AbortSignal): () => void {
    const { resyncMs } = this.#options;
    if (resyncMs === undefined) return () => undefined;
    let cancel = (): void => undefined;
    const plan = (): void => {
      if (signal.aborted) return;
      cancel = this.#clock.setTimer(() => {
        for (const object of this.#objects.values())
          for (const handler of this.#handlers) handler.onUpdate?.(object, object);
        plan();
      }, resyncMs);
    };
    plan();
    return () => cancel();
  }
}

/** Whether the version watched from is of no use: forgotten, or of a future that this store does not have (any more). */
function mustList(err: unknown): boolean {
  return (
    hasReason(err, 'Expired') ||
    (err instanceof ApiError && err.causes.some(({ reason }) => reason === VERSION_TOO_LARGE))
  );
}

function sameVersion(a: KubeObject, b: KubeObject): boolean {
  return a.metadata?.resourceVersion === b.metadata?.resourceVersion;
}
