import { setTimeout as delay } from 'node:timers/promises';
import type { IKeyValue } from 'etcd3';
import type { Logger } from 'pino';
import { ApiError, hasReason } from '../../../lib/errors.ts';
import { checkWrites } from '../check-writes.ts';
import {
  LAST_INDEX,
  type ListOptions,
  type ResourceVersion,
  revisionOf,
  type Store,
  type StoreEntry,
  type StorePage,
  type StoreWatchBatch,
  type StoreWrite,
  versionOf,
  type WatchOptions,
  type WriteResult,
} from '../store.ts';
import { abortable } from './abortable.ts';
import { coalesce } from './coalesce.ts';
import { open } from './envelope.ts';
import type { EtcdClient } from './etcd-client.ts';
import { isLeaseGone } from './etcd-errors.ts';
import type { OnUndecodable } from './event-reader.ts';
import { type Attempt, GroupCommitter } from './group-committer.ts';
import { KeySpace } from './key-space.ts';
import { LeasePool } from './lease-pool.ts';
import { PageSizer } from './page-sizer.ts';
import { watchSession } from './watch-session.ts';
import { buildTxn, type Fence, isExpected, type PreparedWrite, readOutcome } from './write-group.ts';

/** Where objects live unless told otherwise. */
export const DEFAULT_PREFIX = '/skiff/registry/';

/** What an {@link EtcdStore} is made of. */
export interface EtcdStoreOptions {
  /** The connection; `close()` closes it. */
  readonly client: EtcdClient;
  /** Prefix of every key in etcd; {@link DEFAULT_PREFIX} when left out. */
  readonly prefix?: string;
  /** Told about stored values that are not in our format, which reads skip; logged when left out. */
  readonly onUndecodable?: OnUndecodable;
  readonly log: Logger;
  /** Shared by a store and its {@link EtcdStore.fenced} view. */
  readonly leases?: LeasePool;
  /** When given, every commit depends on it; without a fence to give, commits fail with `ServiceUnavailable`. */
  readonly fence?: () => Fence | undefined;
}

/** How often a list begins anew because the revision it was reading was compacted away beneath it. */
const LIST_ATTEMPTS = 3;

const RECONNECT_MIN_MS = 50;
const RECONNECT_MAX_MS = 2_000;

/** The Store port over etcd. See `../README.md` for what it promises and how. */
export class EtcdStore implements Store {
  readonly #options: EtcdStoreOptions;
  readonly #client: EtcdClient;
  readonly #keys: KeySpace;
  readonly #leases: LeasePool;
  readonly #committer: GroupCommitter<WriteResult>;
  readonly #onUndecodable: OnUndecodable;
  readonly #readVersion: () => Promise<ResourceVersion>;
  readonly #writeSync: () => Promise<ResourceVersion>;

  constructor(options: EtcdStoreOptions) {
    this.#options = options;
    this.#client = options.client;
    this.#keys = new KeySpace(options.prefix ?? DEFAULT_PREFIX);
    this.#leases = options.leases ?? new LeasePool(options.client);
    this.#onUndecodable =
      options.onUndecodable ?? ((key, err) => options.log.error({ key, err }, 'stored value is unreadable, skipped'));
    this.#committer = new GroupCommitter((writes) => this.#tryCommit(writes), overtaken);
    const syncKey = Buffer.from(this.#keys.reserved('sync'));
    this.#readVersion = coalesce(async () => {
      const response = await this.#client.range({ key: syncKey, count_only: true }, 'read the current version');
      return versionOf(Number(response.header.revision), LAST_INDEX);
    });
    this.#writeSync = coalesce(async () => {
      const put = { request_put: { key: syncKey, value: Buffer.alloc(0) } };
      const response = await this.#client.txn({ success: [put] }, 'write the sync key');
      return versionOf(Number(response.header.revision), LAST_INDEX);
    });
  }

  /** The same store, but with every commit depending on `fence`: for what only the leader may write. */
  fenced(fence: () => Fence | undefined): Store {
    return new EtcdStore({ ...this.#options, leases: this.#leases, fence });
  }

  async get(key: string, signal?: AbortSignal): Promise<StoreEntry | undefined> {
    const response = await this.#client.range({ key: this.#keys.toEtcd(key) }, `read ${key}`, signal);
    return toEntry(key, response.kvs[0]);
  }

  async list(prefix: string, options: ListOptions = {}, signal?: AbortSignal): Promise<StorePage> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#listOnce(prefix, options, signal);
      } catch (err) {
        if (options.at !== undefined || attempt === LIST_ATTEMPTS || !hasReason(err, 'Expired')) throw err;
      }
    }
  }

  async #listOnce(prefix: string, options: ListOptions, signal?: AbortSignal): Promise<StorePage> {
    const sizer = new PageSizer(options.limit);
    const entries: StoreEntry[] = [];
    let revision = options.at === undefined ? 0 : revisionOf(options.at);
    let { after } = options;
    for (;;) {
      const response = await this.#client.range(
        { ...this.#keys.objects(prefix, after), limit: sizer.limit, revision },
        `list ${prefix}`,
        signal,
      );
      if (revision === 0) revision = Number(response.header.revision);
      for (const kv of response.kvs) {
        const key = this.#keys.toKey(kv.key);
        if (key === undefined) continue;
        after = key;
        const entry = this.#entryOrReport(key, kv);
        if (entry !== undefined) entries.push(entry);
      }
      sizer.read(response.kvs);
      const remaining = Number(response.count) - response.kvs.length;
      if (remaining <= 0 || sizer.limit === 0) {
        const next = remaining > 0 ? after : undefined;
        return { entries, version: versionOf(revision, LAST_INDEX), next, remaining: Math.max(remaining, 0) };
      }
    }
  }

  async commit(writes: readonly StoreWrite[], signal?: AbortSignal): Promise<readonly WriteResult[]> {
    checkWrites(writes);
    if (writes.length === 0) return [];
    const { prepared, outcome } = await this.#transact(writes, signal);
    if (outcome.ok) return committed(prepared, outcome.revision);
    return prepared.map(({ write }, i) => ({ ok: false, current: toEntry(write.key, outcome.current[i]) }));
  }

  commitEach(write: StoreWrite, signal?: AbortSignal): Promise<WriteResult> {
    return this.#committer.commit(write, signal);
  }

  async #tryCommit(writes: readonly StoreWrite[]): Promise<Attempt<WriteResult>> {
    const { prepared, outcome } = await this.#transact(writes);
    if (outcome.ok) return { ok: true, results: committed(prepared, outcome.revision) };
    const conflicts = prepared.map(({ write }, i): WriteResult | undefined => {
      const current = outcome.current[i];
      return isExpected(write.ifVersion, current) ? undefined : { ok: false, current: toEntry(write.key, current) };
    });
    return { ok: false, conflicts };
  }

  async #transact(writes: readonly StoreWrite[], signal?: AbortSignal) {
    const fence = this.#options.fence?.();
    if (this.#options.fence !== undefined && fence === undefined) {
      throw new ApiError('ServiceUnavailable', 'Cannot commit: this server does not lead');
    }
    const doing = writes.length === 1 ? `write ${writes[0]?.key}` : `write ${writes.length} objects`;
    for (let attempt = 1; ; attempt++) {
      const prepared = await Promise.all(writes.map((write) => this.#prepare(write)));
      try {
        const response = await this.#client.txn(buildTxn(prepared, fence), doing, signal);
        return { prepared, outcome: readOutcome(response, fence) };
      } catch (err) {
        if (attempt > 1 || !isLeaseGone(err)) throw err;
        this.#leases.forget();
      }
    }
  }

  async #prepare(write: StoreWrite): Promise<PreparedWrite> {
    const ttlSeconds = write.type === 'put' ? write.ttlSeconds : undefined;
    const lease = ttlSeconds === undefined ? undefined : await this.#leases.leaseFor(ttlSeconds);
    return { write, key: this.#keys.toEtcd(write.key), lease };
  }

  currentVersion(signal?: AbortSignal): Promise<ResourceVersion> {
    return abortable(this.#readVersion(), signal);
  }

  sync(signal?: AbortSignal): Promise<ResourceVersion> {
    return abortable(this.#writeSync(), signal);
  }

  async *watch(
    prefix: string,
    from: ResourceVersion,
    signal: AbortSignal,
    options: WatchOptions = {},
  ): AsyncGenerator<StoreWatchBatch> {
    const session = {
      client: this.#client,
      keys: this.#keys,
      previous: options.previous ?? true,
      onUndecodable: this.#onUndecodable,
      assertKept: (revision: number, within: AbortSignal) => this.#assertKept(revision, within),
    };
    const { log } = this.#options;
    let position = from;
    let failures = 0;
    while (!signal.aborted) {
      try {
        for await (const batch of watchSession(session, position, signal)) {
          if (failures > 0) log.info({ rev: batch.version, failures }, 'watch on etcd goes on');
          failures = 0;
          // Moved before the batch is handed over: a consumer that has it must not get it again.
          position = batch.version;
          const events = prefix === '' ? batch.events : batch.events.filter((event) => event.key.startsWith(prefix));
          yield { events, version: position };
        }
      } catch (err) {
        if (hasReason(err, 'Expired')) throw err;
        failures += 1;
        // Once for a person; while etcd is away the attempts go on every two seconds, for hours if need be.
        log[failures === 1 ? 'warn' : 'debug'](
          { err, rev: position, failures },
          'watch on etcd ended, starting it again',
        );
        const waitMs = Math.min(RECONNECT_MAX_MS, RECONNECT_MIN_MS * 2 ** Math.min(failures - 1, 10));
        await delay(waitMs * (0.5 + Math.random() / 2), undefined, { signal }).catch(() => undefined);
      }
    }
  }

  async close(): Promise<void> {
    if (this.#options.fence === undefined) this.#client.close();
  }

  async #assertKept(revision: number, signal: AbortSignal): Promise<void> {
    const key = Buffer.from(this.#keys.reserved('sync'));
    await this.#client.range({ key, count_only: true, revision }, `read revision ${revision}`, signal);
  }

  #entryOrReport(key: string, kv: IKeyValue): StoreEntry | undefined {
    try {
      return toEntry(key, kv);
    } catch (err) {
      this.#onUndecodable(key, err);
      return undefined;
    }
  }
}

function toEntry(key: string, kv: IKeyValue | undefined): StoreEntry | undefined {
  if (kv === undefined) return undefined;
  const { index, value } = open(key, kv.value);
  return { key, value, version: versionOf(Number(kv.mod_revision), index) };
}

/** A write upon an older entry than the one just stored, or just found in the way, has lost. */
function overtaken(waiting: StoreWrite, done: StoreWrite, result: WriteResult): WriteResult | undefined {
  if (!result.ok) {
    const { current } = result;
    return current !== undefined && revisionOf(waiting.ifVersion) < revisionOf(current.version) ? result : undefined;
  }
  if (revisionOf(waiting.ifVersion) >= revisionOf(result.version)) return undefined;
  if (done.type === 'put') return { ok: false, current: { key: done.key, value: done.value, version: result.version } };
  return waiting.ifVersion === 0 ? undefined : { ok: false, current: undefined };
}

function committed(writes: readonly PreparedWrite[], revision: number): WriteResult[] {
  return writes.map((_, index) => ({ ok: true, version: versionOf(revision, index) }));
}
