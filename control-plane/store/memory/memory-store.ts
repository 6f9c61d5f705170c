import { ApiError } from '../../../lib/errors.ts';
import { checkWrites } from '../check-writes.ts';
import {
  firstRevisionAfter,
  LAST_INDEX,
  type ListOptions,
  type ResourceVersion,
  revisionOf,
  type Store,
  type StoreEntry,
  type StoreEvent,
  type StorePage,
  type StoreWatchBatch,
  type StoreWrite,
  versionOf,
  type WatchOptions,
  type WriteResult,
} from '../store.ts';

/** One change of one key; no value means that the key was deleted. */
interface Change {
  readonly version: ResourceVersion;
  readonly value: Uint8Array | undefined;
}

/** A change to make, already known to be allowed. */
interface Edit {
  readonly key: string;
  readonly value: Uint8Array | undefined;
  readonly expiresAtMs?: number | undefined;
}

/** What a {@link MemoryStore} may be given. */
export interface MemoryStoreOptions {
  /** Milliseconds now, for `ttlSeconds`; the real clock when left out. */
  readonly now?: () => number;
}

/**
 * The Store port in memory, for tests: the promises of the etcd adapter (revisions, transaction indexes, history until
 * compaction, watches from a version, expiry) without its failures. Expired objects go on the next call, or when
 * {@link expireDue} is called.
 */
export class MemoryStore implements Store {
  readonly #now: () => number;
  readonly #history = new Map<string, Change[]>();
  readonly #expiry = new Map<string, number>();
  readonly #waiters = new Set<() => void>();
  /** Every event since the last compaction, in order. */
  #log: StoreEvent[] = [];
  #revision = 1;
  #compacted = 0;

  constructor(options: MemoryStoreOptions = {}) {
    this.#now = options.now ?? Date.now;
  }

  async get(key: string, signal?: AbortSignal): Promise<StoreEntry | undefined> {
    signal?.throwIfAborted();
    this.expireDue();
    return this.#entryAt(key, this.#revision);
  }

  async list(prefix: string, options: ListOptions = {}, signal?: AbortSignal): Promise<StorePage> {
    signal?.throwIfAborted();
    this.expireDue();
    const revision = options.at === undefined ? this.#revision : revisionOf(options.at);
    if (revision < this.#compacted || revision > this.#revision) {
      throw new ApiError('Expired', `Cannot list ${prefix}: version ${options.at} is no longer kept; list again`);
    }
    const after = options.after;
    const found = [...this.#history.keys()]
      .filter((key) => key.startsWith(prefix) && (after === undefined || key > after))
      .sort()
      .map((key) => this.#entryAt(key, revision))
      .filter((entry) => entry !== undefined);
    const entries = found.slice(0, options.limit === 0 ? found.length : (options.limit ?? found.length));
    const remaining = found.length - entries.length;
    const next = remaining > 0 ? entries.at(-1)?.key : undefined;
    return { entries, version: versionOf(revision, LAST_INDEX), next, remaining };
  }

  async commit(writes: readonly StoreWrite[], signal?: AbortSignal): Promise<readonly WriteResult[]> {
    signal?.throwIfAborted();
    this.expireDue();
    checkWrites(writes);
    if (writes.length === 0) return [];
    const current = writes.map((write) => this.#entryAt(write.key, this.#revision));
    const allowed = writes.every((write, i) => revisionOf(current[i]?.version ?? 0) === revisionOf(write.ifVersion));
    if (!allowed) return current.map((entry) => ({ ok: false, current: entry }));
    const revision = this.#apply(
      writes.map((write) =>
        write.type === 'delete'
          ? { key: write.key, value: undefined }
          : {
              key: write.key,
              value: Uint8Array.from(write.value),
              expiresAtMs: write.ttlSeconds === undefined ? undefined : this.#now() + write.ttlSeconds * 1000,
            },
      ),
    );
    return writes.map((_, index) => ({ ok: true, version: versionOf(revision, index) }));
  }

  async commitEach(write: StoreWrite, signal?: AbortSignal): Promise<WriteResult> {
    const [result] = await this.commit([write], signal);
    if (result === undefined) throw new ApiError('InternalError', `Cannot commit ${write.key}: no result`);
    return result;
  }

  async currentVersion(signal?: AbortSignal): Promise<ResourceVersion> {
    signal?.throwIfAborted();
    this.expireDue();
    return versionOf(this.#revision, LAST_INDEX);
  }

  async sync(signal?: AbortSignal): Promise<ResourceVersion> {
    signal?.throwIfAborted();
    return versionOf(this.#apply([]), LAST_INDEX);
  }

  async *watch(
    prefix: string,
    from: ResourceVersion,
    signal: AbortSignal,
    options: WatchOptions = {},
  ): AsyncGenerator<StoreWatchBatch> {
    let position = from;
    let announced = 0;
    while (!signal.aborted) {
      if (firstRevisionAfter(position) <= this.#compacted) {
        throw new ApiError('Expired', `Cannot watch ${prefix}: version ${position} is no longer kept; list again`);
      }
      const end = versionOf(this.#revision, LAST_INDEX);
      if (this.#revision > announced && end > position) {
        const events = this.#log
          .filter((event) => event.version > position && event.key.startsWith(prefix))
          .map((event) => (options.previous === false ? withoutPrevious(event) : event));
        position = end;
        announced = this.#revision;
        yield { events, version: position };
        continue;
      }
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          signal.removeEventListener('abort', wake);
          this.#waiters.delete(wake);
          resolve();
        };
        this.#waiters.add(wake);
        signal.addEventListener('abort', wake, { once: true });
      });
    }
  }

  async close(): Promise<void> {
    for (const wake of this.#waiters) wake();
  }

  /** Forgets history up to and including `version`: later lists at, and watches from, older versions are `Expired`. */
  compact(version: ResourceVersion): void {
    this.#compacted = Math.max(this.#compacted, revisionOf(version));
    this.#log = this.#log.filter((event) => revisionOf(event.version) > this.#compacted);
    for (const [key, changes] of this.#history) {
      const keepFrom = changes.findLastIndex((change) => revisionOf(change.version) <= this.#compacted);
      const kept = changes.slice(Math.max(keepFrom, 0));
      if (kept.length === 1 && kept[0]?.value === undefined) this.#history.delete(key);
      else this.#history.set(key, kept);
    }
  }

  /** Deletes what has outlived its `ttlSeconds`, in one transaction, as etcd does with the keys of one lease. */
  expireDue(): void {
    const now = this.#now();
    const due = [...this.#expiry].filter(([, expiresAtMs]) => expiresAtMs <= now).map(([key]) => key);
    if (due.length > 0) this.#apply(due.sort().map((key) => ({ key, value: undefined })));
  }

  #entryAt(key: string, revision: number): StoreEntry | undefined {
    const change = this.#history.get(key)?.findLast((candidate) => revisionOf(candidate.version) <= revision);
    return change?.value === undefined ? undefined : { key, value: change.value, version: change.version };
  }

  #apply(edits: readonly Edit[]): number {
    this.#revision += 1;
    for (const [index, { key, value, expiresAtMs }] of edits.entries()) {
      const version = versionOf(this.#revision, index);
      const changes = this.#history.get(key) ?? [];
      const previous = changes.at(-1)?.value;
      changes.push({ version, value });
      this.#history.set(key, changes);
      this.#log.push({ type: value ? 'put' : 'delete', key, value: value ?? previous, previous, version });
      if (expiresAtMs === undefined) this.#expiry.delete(key);
      else this.#expiry.set(key, expiresAtMs);
    }
    for (const wake of this.#waiters) wake();
    return this.#revision;
  }
}

function withoutPrevious(event: StoreEvent): StoreEvent {
  return { ...event, value: event.type === 'put' ? event.value : undefined, previous: undefined };
}
