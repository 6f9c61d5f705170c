import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import { aborted } from '../../lib/aborted.ts';
import { ApiError, hasReason } from '../../lib/errors.ts';
import { CachedEntry, CachedEvent, type Decode, type Decoder } from './cached-entry.ts';
import { readHistory } from './read-history.ts';
import { relistDifference } from './relist-difference.ts';
import { ResourceShard } from './resource-shard.ts';
import { INDEX_SPAN, type ResourceVersion, type Store, type StoreEntry, type StoreEvent } from './store.ts';
import { VersionWaiters } from './version-waiters.ts';
import { type CacheWatchBatch, type CacheWatchOptions, watchShard } from './watch-shard.ts';

export type { CachedEntry, CachedEvent, Decode } from './cached-entry.ts';
export type { CacheWatchBatch, CacheWatchOptions } from './watch-shard.ts';

/** What a {@link WatchCache} is made of. Bounds left out have the values given here. */
export interface WatchCacheOptions<T> {
  readonly store: Store;
  readonly decode: Decode<T>;
  /** Told once about each value that `decode` refused; logged when left out. */
  readonly onUndecodable?: (key: string, err: unknown) => void;
  /** Recent events kept for each resource: 10,000. */
  readonly maxEventsPerResource?: number;
  /** Bytes of recent events kept in all: 64 MiB. */
  readonly maxEventBytes?: number;
  /** Age beyond which events are forgotten as new ones come: 5 minutes. */
  readonly maxEventAgeMs?: number;
  /** Most events, and bytes of them, read at once from the store's history for watches that begin in it: 10,000 and 16 MiB. */
  readonly maxHistoryEvents?: number;
  readonly maxHistoryBytes?: number;
  /** How long `waitFor` waits for the watch before it asks the store for a sync: 250 ms. */
  readonly syncAfterMs?: number;
  readonly log: Logger;
}

/** A list from the cache. */
export interface CachedList<T> {
  /** In key order. */
  readonly entries: readonly CachedEntry<T>[];
  /** Every change at or below this version is in the list, and none above. */
  readonly version: ResourceVersion;
}

const RETRY_MIN_MS = 50;
const RETRY_MAX_MS = 2_000;
/** How long reading history may take before the watches that wait for it are told to come again. */
const HISTORY_TIMEOUT_MS = 10_000;

/**
 * Everything in the store, in memory, kept right by one watch: serves reads, lists and watches without asking the store.
 * `run` does the work; until its first list is in, reads fail with `ServiceUnavailable`.
 */
export class WatchCache<T> {
  readonly #options: WatchCacheOptions<T>;
  readonly #decoder: Decoder<T>;
  readonly #shards = new Map<string, ResourceShard<T>>();
  readonly #waiters: VersionWaiters;
  #version: ResourceVersion = 0;
  /**
   * Every event after this version is in the windows, but for those that had to be dropped: the version of the last full
   * list, or an earlier one when history has been read. A resource without a shard has had no event since.
   */
  #knownFrom: ResourceVersion = 0;
  /** History up to this version cannot be had. */
  #lostUntil: ResourceVersion = 0;
  #readingHistory: Promise<void> | undefined;
  #windowBytes = 0;

  constructor(options: WatchCacheOptions<T>) {
    this.#options = options;
    const { log, decode, onUndecodable } = options;
    this.#decoder = {
      decode,
      onUndecodable: onUndecodable ?? ((key, err) => log.error({ key, err }, 'stored value is undecodable, skipped')),
    };
    this.#waiters = new VersionWaiters(() => options.store.sync(), options.syncAfterMs ?? 250);
  }

  /** The version up to which every change has been applied; 0 before the first list. */
  get version(): ResourceVersion {
    return this.#version;
  }

  /** Keeps the cache current until `signal` aborts, through every failure of the store. */
  async run(signal: AbortSignal): Promise<void> {
    const { store, log } = this.#options;
    let mustList = true;
    let failures = 0;
    while (!signal.aborted) {
      try {
        if (mustList) await this.#relist(signal);
        mustList = false;
        for await (const batch of store.watch('', this.#version, signal, { previous: false })) {
          failures = 0;
          this.#apply(batch.events, batch.version);
        }
      } catch (err) {
        if (signal.aborted) break;
        mustList ||= hasReason(err, 'Expired');
        const waitMs = failures === 0 ? 0 : Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** Math.min(failures, 10));
        failures += 1;
        log[failures === 1 ? 'warn' : 'debug'](
          { err, rev: this.#version, relist: mustList, waitMs },
          'watch cache lost its watch',
        );
        await delay(waitMs, undefined, { signal }).catch(() => undefined);
      }
    }
    const stopping = new ApiError('ServiceUnavailable', 'Cannot read: the server is stopping');
    this.#waiters.rejectAll(stopping);
    this.#retireShards(stopping);
  }

  /** Resolves when the first list is in. */
  async ready(signal?: AbortSignal): Promise<void> {
    await this.#waiters.waitFor(1, signal);
  }

  /** The entry at `key`, as of {@link version}. */
  get(key: string): CachedEntry<T> | undefined {
    this.#assertReady();
    return this.#shards.get(shardName(key))?.get(key);
  }

  /** The entries under `prefix`, which names a resource ("core/pods/") or less of one ("core/pods/default/"). */
  list(prefix: string): CachedList<T> {
    this.#assertReady();
    return { entries: this.#shards.get(shardName(prefix))?.list(prefix) ?? [], version: this.#version };
  }

  /** Has every entry under `prefix` decoded anew when next asked for: what its bytes mean has changed. */
  forgetDecoded(prefix: string): void {
    for (const entry of this.#shards.get(shardName(prefix))?.list(prefix) ?? []) entry.forgetDecoded();
  }

  /**
   * Every change after `from` under `prefix` (as for {@link list}), once and in order. What happened before this cache
   * began is read from the store's history, so that watches outlive the server they began at. Throws `Expired` when `from`
   * is older than the window or than history, and when the reader has fallen out of the window: it must list again. A
   * reader that does not read costs no memory. Ends when `signal` aborts.
   */
  async *watch(
    prefix: string,
    from: ResourceVersion,
    signal: AbortSignal,
    options: CacheWatchOptions = {},
  ): AsyncGenerator<CacheWatchBatch<T>> {
    this.#assertReady();
    const position = { prefix, from, version: () => this.#version };
    if (from < this.#knownFrom) await this.#reachBack(from, signal);
    if (signal.aborted) return;
    yield* watchShard(this.#shard(prefix), position, signal, options);
  }

  /**
   * Resolves when the cache has applied every change at or below `version`. When that takes long, the store is asked
   * for a sync, because on an etcd shared with others nothing of ours may be changing.
   */
  waitFor(version: ResourceVersion, signal?: AbortSignal): Promise<void> {
    return this.#waiters.waitFor(version, signal);
  }

  /** Resolves when the cache holds everything acknowledged before this call: what a consistent read waits for. */
  async catchUp(signal?: AbortSignal): Promise<void> {
    await this.waitFor(await this.#options.store.currentVersion(signal), signal);
  }

  #assertReady(): void {
    if (this.#version === 0) throw new ApiError('ServiceUnavailable', 'Cannot read: the server is still loading');
  }

  #shard(key: string): ResourceShard<T> {
    const name = shardName(key);
    const known = this.#shards.get(name);
    if (known !== undefined) return known;
    const shard = new ResourceShard<T>(this.#knownFrom);
    this.#shards.set(name, shard);
    return shard;
  }

  /** Makes the windows begin at `from` or before, if history allows; who reads them finds out. One read at a time. */
  async #reachBack(from: ResourceVersion, signal: AbortSignal): Promise<void> {
    // No store ever gave such a version: whoever names it must list.
    if (from < INDEX_SPAN) return;
    const left = aborted(signal);
    while (from < this.#knownFrom && from > this.#lostUntil && !signal.aborted) {
      this.#readingHistory ??= this.#readHistory(from).finally(() => {
        this.#readingHistory = undefined;
      });
      await Promise.race([this.#readingHistory, left]);
    }
  }

  async #readHistory(from: ResourceVersion): Promise<void> {
    const {
      store,
      log,
      maxHistoryEvents = 10_000,
      maxHistoryBytes = 16 * 1024 ** 2,
      syncAfterMs = 250,
    } = this.#options;
    const to = this.#knownFrom;
    const limits = { maxEvents: maxHistoryEvents, maxBytes: maxHistoryBytes, syncAfterMs };
    const deadline = AbortSignal.timeout(HISTORY_TIMEOUT_MS);
    try {
      const events = await readHistory(store, { from, to, ...limits }, deadline);
      // Another full list may have come in meanwhile: then these windows are gone.
      if (this.#knownFrom !== to) return;
      this.#prepend(events, { from, to });
      log.debug({ rev: from, events: events.length }, 'read history for watches that began before');
    } catch (err) {
      if (hasReason(err, 'Expired')) {
        this.#lostUntil = Math.max(this.#lostUntil, from);
        return;
      }
      throw new ApiError('ServiceUnavailable', `Cannot read history from version ${from}`, { cause: err });
    }
  }

  #prepend(events: readonly StoreEvent[], { from, to }: { from: ResourceVersion; to: ResourceVersion }): void {
    const nowMs = performance.now();
    const byShard = new Map<string, CachedEvent<T>[]>();
    const latest = new Map<string, CachedEntry<T>>();
    for (const { type, key, value, previous: before, version } of events) {
      const previous = latest.get(key) ?? (before === undefined ? undefined : this.#entry(key, before, 0));
      const bytes = type === 'put' ? value : previous?.value;
      if (bytes === undefined) continue;
      const name = shardName(key);
      const current = this.#shards.get(name)?.get(key);
      const entry = current?.version === version ? current : this.#entry(key, bytes, version);
      const members = byShard.get(name) ?? [];
      members.push(new CachedEvent(type, entry, previous, nowMs));
      byShard.set(name, members);
      if (type === 'put') latest.set(key, entry);
      else latest.delete(key);
    }
    for (const name of byShard.keys()) this.#shard(name);
    this.#knownFrom = from;
    for (const [name, { window }] of this.#shards) {
      // A window that had to drop something since ends there: what was before it would leave a hole.
      if (window.startVersion !== to) continue;
      const before = window.bytes;
      window.prepend(byShard.get(name) ?? [], from);
      this.#windowBytes += window.bytes - before;
    }
  }

  #entry(key: string, value: Uint8Array, version: ResourceVersion): CachedEntry<T> {
    return new CachedEntry({ key, value, version }, this.#decoder);
  }

  async #relist(signal: AbortSignal): Promise<void> {
    const page = await this.#options.store.list('', {}, signal);
    const first = this.#version === 0;
    const difference = first ? undefined : relistDifference({ entries: this.#all(), version: this.#version }, page);
    if (difference === undefined) {
      if (!first)
        this.#options.log.error({ rev: this.#version }, 'the store went back in time, starting from its state');
      this.#replace(page.entries, page.version);
    } else {
      this.#options.log.info({ rev: page.version, events: difference.length }, 'relisted, emitting the difference');
      this.#apply(difference, page.version);
    }
  }

  #replace(entries: readonly StoreEntry[], version: ResourceVersion): void {
    this.#retireShards(new ApiError('Expired', 'Cannot go on watching: the store went back in time; list again'));
    this.#knownFrom = version;
    this.#lostUntil = 0;
    const byShard = new Map<string, CachedEntry<T>[]>();
    for (const entry of entries) {
      const name = shardName(entry.key);
      const members = byShard.get(name) ?? [];
      members.push(new CachedEntry(entry, this.#decoder));
      byShard.set(name, members);
    }
    for (const [name, members] of byShard) this.#shard(name).load(members);
    this.#reach(version);
  }

  #retireShards(because: ApiError): void {
    for (const shard of this.#shards.values()) {
      shard.retired = because;
      shard.wake();
    }
    this.#shards.clear();
    this.#windowBytes = 0;
  }

  *#all(): Iterable<StoreEntry> {
    for (const shard of this.#shards.values()) yield* shard.list('');
  }

  #apply(events: readonly StoreEvent[], version: ResourceVersion): void {
    const nowMs = performance.now();
    const touched = new Set<ResourceShard<T>>();
    for (const event of events) {
      const shard = this.#shard(event.key);
      const previous = shard.get(event.key);
      const value = event.type === 'put' ? event.value : previous?.value;
      // A deletion of what we never had: its value was unreadable and skipped.
      if (value === undefined) continue;
      const entry = new CachedEntry({ key: event.key, value, version: event.version }, this.#decoder);
      const cached = new CachedEvent(event.type, entry, previous, nowMs);
      shard.apply(cached);
      this.#windowBytes += cached.bytes;
      this.#trim(shard, nowMs);
      touched.add(shard);
    }
    this.#reach(version);
    for (const shard of touched) shard.wake();
  }

  #reach(version: ResourceVersion): void {
    this.#version = version;
    this.#waiters.reached(version);
  }

  /** Keeps the windows within their bounds after an event was added to `shard`. */
  #trim({ window }: ResourceShard<T>, nowMs: number): void {
    const { maxEventsPerResource = 10_000, maxEventBytes = 64 * 1024 ** 2, maxEventAgeMs = 300_000 } = this.#options;
    const tooOld = (event: CachedEvent<T> | undefined): boolean =>
      event !== undefined && nowMs - event.seenAtMs > maxEventAgeMs;
    while (window.length > maxEventsPerResource || tooOld(window.oldest)) this.#windowBytes -= window.dropOldest();
    while (this.#windowBytes > maxEventBytes) {
      const windows = [...this.#shards.values()].map((shard) => shard.window);
      const largest = windows.reduce((a, b) => (b.bytes > a.bytes ? b : a));
      this.#windowBytes -= largest.dropOldest();
    }
  }
}

/** The resource a key or prefix belongs to: its first two segments, "group/resource/". Throws when it names none. */
function shardName(key: string): string {
  const end = key.indexOf('/', key.indexOf('/') + 1);
  if (end <= 0 || key.indexOf('/') === end) {
    throw new ApiError('InternalError', `Cannot read "${key}" from the cache: it names no group and resource`);
  }
  return key.slice(0, end + 1);
}
