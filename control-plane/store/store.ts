/**
 * The Store port: durable, ordered, compare-and-swap storage of opaque bytes under string keys.
 *
 * It knows nothing of kinds. Implementations: `etcd/` (the real one) and `memory/` (a semantic fake with the same
 * promises). `test/contract/store.test.ts` is the meaning of this file in executable form.
 *
 * Revisions. A `ResourceVersion` is modRevision × 1024 + the object's index in its transaction, because every key of one
 * etcd transaction shares a mod revision and a watcher cut between two of them must be able to resume exactly there.
 * It stays below 2^53, so a number carries it exactly; the API prints it as a decimal string.
 */

/** Position of one change in the store's single order. Higher is later; 0 means "nothing yet". */
export type ResourceVersion = number;

/** How many objects one transaction may change: etcd's 128 operations less one for a fence. */
export const MAX_COMMIT_OBJECTS = 127;

/** Multiplier between an etcd revision and a {@link ResourceVersion}. */
export const INDEX_SPAN = 1024;

/** The highest index: `versionOf(revision, LAST_INDEX)` is "all of that revision". */
export const LAST_INDEX = INDEX_SPAN - 1;

/** The version of the change at `index` of the transaction that made `revision`. */
export function versionOf(revision: number, index: number): ResourceVersion {
  return revision * INDEX_SPAN + index;
}

/** The etcd revision a version belongs to. */
export function revisionOf(version: ResourceVersion): number {
  return Math.floor(version / INDEX_SPAN);
}

/**
 * The first revision a watch after `from` must read: the one `from` lies in, unless all of it has been seen. History is
 * complete for that watch only while the revision before this one is still kept.
 */
export function firstRevisionAfter(from: ResourceVersion): number {
  if (from < INDEX_SPAN) return 1;
  return from % INDEX_SPAN === LAST_INDEX ? revisionOf(from) + 1 : revisionOf(from);
}

/** One stored object. `value` is what was written, byte for byte. */
export interface StoreEntry {
  readonly key: string;
  readonly value: Uint8Array;
  readonly version: ResourceVersion;
}

/** One page of a list, all of one revision. */
export interface StorePage {
  readonly entries: readonly StoreEntry[];
  /** The revision the page was read at, as a version every object in it is at or below. */
  readonly version: ResourceVersion;
  /** Key to pass as `after` for the next page; undefined on the last one. */
  readonly next: string | undefined;
  /** Objects left after this page, at this revision. */
  readonly remaining: number;
}

/** How to list. */
export interface ListOptions {
  /** Read at this version's revision instead of the latest. Throws `ApiError('Expired')` when it is compacted. */
  readonly at?: ResourceVersion;
  /** Most entries in a page. Without it the implementation still pages by bytes internally, and returns everything. */
  readonly limit?: number;
  /** Only keys after this one. */
  readonly after?: string;
}

/** One write of a commit. `ifVersion` 0 means the key must be absent. */
export type StoreWrite =
  | {
      readonly type: 'put';
      readonly key: string;
      readonly value: Uint8Array;
      readonly ifVersion: ResourceVersion;
      /** The object is dropped by the store no sooner than this many seconds from now (events). Leases are shared. */
      readonly ttlSeconds?: number;
    }
  | { readonly type: 'delete'; readonly key: string; readonly ifVersion: ResourceVersion };

/** What became of one write of {@link Store.commitEach}. On a conflict, `current` is the entry that stood in the way. */
export type WriteResult =
  | { readonly ok: true; readonly version: ResourceVersion }
  | { readonly ok: false; readonly current: StoreEntry | undefined };

/** One change. A delete carries the last value and the version of the deletion itself. */
export interface StoreEvent {
  readonly type: 'put' | 'delete';
  readonly key: string;
  /** The new value; for a delete, the value deleted (undefined if it was compacted away). */
  readonly value: Uint8Array | undefined;
  /** The value before this change; undefined when the change created the key or the old value was compacted. */
  readonly previous: Uint8Array | undefined;
  readonly version: ResourceVersion;
}

/** What a watch delivers: events in order, or the news that the store has been seen alive at `version`. */
export interface StoreWatchBatch {
  readonly events: readonly StoreEvent[];
  /** Everything at or below this version has been delivered. */
  readonly version: ResourceVersion;
}

/** How to watch. */
export interface WatchOptions {
  /**
   * Whether events carry `previous` and a delete its last value; true when left out. A caller that keeps the last values
   * itself says false and saves the store a read and the connection the bytes of every change.
   */
  readonly previous?: boolean;
}

/**
 * The port. Every method may be called concurrently and takes an optional signal; all fail with `ApiError` of reason
 * `ServiceUnavailable` (the store cannot be reached, retryable), `Timeout` (the write *may* have happened) or `Expired`.
 */
export interface Store {
  /** The entry at `key`, at the latest revision by quorum. */
  get(key: string, signal?: AbortSignal): Promise<StoreEntry | undefined>;

  /** The entries under `prefix` in key order, all of one revision. */
  list(prefix: string, options?: ListOptions, signal?: AbortSignal): Promise<StorePage>;

  /** All writes or none, in one transaction. At most {@link MAX_COMMIT_OBJECTS}. Results are in the order given. */
  commit(writes: readonly StoreWrite[], signal?: AbortSignal): Promise<readonly WriteResult[]>;

  /**
   * One write, independent of its neighbours. Concurrent calls are grouped into common transactions; when one of a
   * group conflicts the others still succeed. Two writes of one key never share a transaction.
   */
  commitEach(write: StoreWrite, signal?: AbortSignal): Promise<WriteResult>;

  /** The store's current version, by quorum: every change acknowledged before the call is at or below it. */
  currentVersion(signal?: AbortSignal): Promise<ResourceVersion>;

  /**
   * Makes one change that no reader sees, so that every watch soon delivers a batch at or above the version returned,
   * even where nothing of ours changes while others move the store on. Concurrent calls share one write.
   */
  sync(signal?: AbortSignal): Promise<ResourceVersion>;

  /**
   * Every change after `from`, under `prefix`, once and in order, across lost connections. Throws `Expired` when `from`
   * has been compacted away (the caller lists again). Ends when `signal` aborts. A batch never ends inside a
   * transaction; `from` may lie inside one, and then the rest of that transaction comes first.
   */
  watch(
    prefix: string,
    from: ResourceVersion,
    signal: AbortSignal,
    options?: WatchOptions,
  ): AsyncIterable<StoreWatchBatch>;

  /** Releases connections. No call may follow. */
  close(): Promise<void>;
}
