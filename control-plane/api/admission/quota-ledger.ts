import { ApiError, hasReason } from '../../../lib/errors.ts';
import { type corev1, KINDS, type KubeObject } from '../../../proto/index.ts';
import { readAmounts } from '../../quota/amounts.ts';
import { type Change, charge, countUsed, differenceOf, statusOf } from '../../quota/quota-book.ts';
import { concernsKind, isCountedKind } from '../../quota/usage.ts';
import {
  MAX_COMMIT_OBJECTS,
  revisionOf,
  type Store,
  type StoreEntry,
  type StoreWrite,
  type WriteResult,
} from '../../store/store.ts';
import { forbidden } from '../api-errors.ts';
import { collectionPrefix } from '../keys.ts';
import type { AnyDefinition, ApiServices } from '../services.ts';
import { copyOf, encodeForStore } from '../stored-object.ts';
import { type Book, KnownQuotas } from './known-quotas.ts';

/** One write of one object, as the ledger books it. */
export interface CountedWrite {
  readonly definition: AnyDefinition;
  readonly namespace: string;
  readonly name: string;
  readonly write: StoreWrite;
  /** Further keys that must be written in the same transaction. */
  readonly alongside?: readonly StoreWrite[];
  /** The object as it will be; undefined when it goes. */
  readonly after: KubeObject | undefined;
  /** What is stored now. */
  readonly entry: StoreEntry | undefined;
}

interface Pending {
  readonly counted: CountedWrite;
  readonly change: Change;
  readonly resolve: (result: WriteResult) => void;
  readonly reject: (err: unknown) => void;
}

/** One namespace: its quotas as far as we know, and the writes that wait. */
interface Lane {
  readonly known: KnownQuotas;
  pending: Pending[];
  running: boolean;
  /** Writes that go alone, because a group they were in was refused as a whole. */
  alone: number;
}

/** Bytes of values in one transaction. */
const MAX_GROUP_BYTES = 1024 * 1024;

/** How long a count waits for the cache, which is milliseconds behind unless its watch is cut. */
const LONGEST_WAIT_MS = 10_000;

const ledgers = new WeakMap<Store, QuotaLedger>();

/** The ledger of whoever writes to that store. */
export function quotaLedgerOf(services: ApiServices): QuotaLedger {
  const known = ledgers.get(services.store);
  if (known !== undefined) return known;
  const ledger = new QuotaLedger(services);
  ledgers.set(services.store, ledger);
  return ledger;
}

/**
 * Commits writes in namespaces with quotas: each object and what it changes of `status.used` in one transaction, so that the
 * books are right at every revision, whoever writes and wherever a server dies. Writes of one namespace that come together
 * share a transaction; another server that was faster makes it fail, and it is booked again on what is there then.
 * Writes elsewhere never come here: see {@link quotaLedgerOf} and `commitCounted`.
 */
export class QuotaLedger {
  readonly #services: ApiServices;
  readonly #lanes = new Map<string, Lane>();

  constructor(services: ApiServices) {
    this.#services = services;
  }

  /** Whether the write changes what some quota of its namespace counts. Asks nobody. */
  concerns(counted: CountedWrite): boolean {
    const { definition, namespace } = counted;
    if (!isCountedKind(definition.type) || namespace === '') return false;
    const lane = this.#lanes.get(namespace);
    const prefix = collectionPrefix(KINDS.ResourceQuota, namespace);
    if (lane === undefined && this.#services.cache.list(prefix).entries.length === 0) return false;
    const books = (lane?.known ?? new KnownQuotas(this.#services, namespace)).books();
    const concerned = books.filter(({ quota }) => concernsKind(Object.keys(quota.spec?.hard ?? {}), definition.type));
    if (concerned.length === 0) return false;
    const change = this.#changeOf(counted);
    // A new object may leave out what a quota demands, even where it uses nothing of it.
    return change.before === undefined || concerned.some(({ quota }) => differenceOf(quota, change).size > 0);
  }

  /** Commits the write and its charges. Throws `Forbidden` when a quota has no room for it. */
  commit(counted: CountedWrite): Promise<WriteResult> {
    return new Promise((resolve, reject) => {
      const lane = this.#lane(counted.namespace);
      lane.pending.push({ counted, change: this.#changeOf(counted), resolve, reject });
      if (!lane.running) void this.#drain(counted.namespace, lane);
    });
  }

  /** Throws `Forbidden` when a quota has no room for the write now. Commits nothing. */
  async check(counted: CountedWrite): Promise<void> {
    const known = new KnownQuotas(this.#services, counted.namespace);
    await known.refresh();
    const change = this.#changeOf(counted);
    for (const { quota, key } of known.books()) {
      if (key === counted.write.key) continue;
      const used = readAmounts(quota.status?.used);
      let outcome = charge(quota, used, change);
      if (outcome.result === 'unknown') outcome = charge(quota, this.#count(counted.namespace, quota), change);
      if (outcome.result === 'refused') throw refusal(counted, outcome.because);
    }
  }

  #changeOf({ definition, after, entry }: CountedWrite): Change {
    const before = entry === undefined ? undefined : copyOf(definition, entry.value);
    return { kind: definition.type, before, after, nowMs: this.#services.now() };
  }

  #lane(namespace: string): Lane {
    let lane = this.#lanes.get(namespace);
    if (lane === undefined) {
      lane = { known: new KnownQuotas(this.#services, namespace), pending: [], running: false, alone: 0 };
      this.#lanes.set(namespace, lane);
    }
    return lane;
  }

  async #drain(namespace: string, lane: Lane): Promise<void> {
    lane.running = true;
    // Leaves this turn of the event loop to others who have something to write.
    await new Promise((resolve) => setImmediate(resolve));
    while (lane.pending.length > 0) {
      let group: readonly Pending[] = [];
      try {
        group = takeGroup(lane);
        await this.#commitGroup(namespace, lane, group);
      } catch (err) {
        this.#settleFailure(lane, group, err);
      }
    }
    lane.running = false;
    if (lane.known.isCaughtUp()) this.#lanes.delete(namespace);
  }

  /** Books the group in order, and commits it; what neither succeeded nor failed is put back to be booked again. */
  async #commitGroup(namespace: string, lane: Lane, group: readonly Pending[]): Promise<void> {
    let booked = this.#bookAll(lane, group);
    // A refusal, or the news that nothing is known, may come from books that another server has changed since.
    if (booked.refused.size > 0 || booked.unknown.size > 0) {
      await lane.known.refresh();
      booked = this.#bookAll(lane, group);
    }
    if (booked.unknown.size > 0) {
      for (const key of booked.unknown) await this.#settle(namespace, lane.known, key);
      lane.pending.unshift(...group);
      return;
    }
    for (const [pending, because] of booked.refused) pending.reject(refusal(pending.counted, because));
    const accepted = group.filter((pending) => !booked.refused.has(pending));
    if (accepted.length === 0) return;
    const changed = booked.books.filter((book) => book.changed);
    const alongside = accepted.map(({ counted }) => counted.alongside ?? []);
    const writes = [
      ...accepted.map(({ counted }) => counted.write),
      ...changed.map((book) => this.#writeOf(book)),
      ...alongside.flat(),
    ];
    let results: readonly WriteResult[];
    try {
      results = await this.#services.store.commit(writes);
    } catch (err) {
      this.#settleFailure(lane, accepted, err);
      return;
    }
    for (const [i, book] of changed.entries()) {
      const result = results[accepted.length + i];
      const write = writes[accepted.length + i];
      if (result?.ok === true && write?.type === 'put') {
        lane.known.learn(book.key, { key: book.key, value: write.value, version: result.version });
      } else if (result?.ok === false) lane.known.learn(book.key, result.current);
    }
    const again: Pending[] = [];
    let next = accepted.length + changed.length;
    for (const [i, pending] of accepted.entries()) {
      const result = results[i];
      const others = alongside[i] ?? [];
      const stopped = others.some((write, j) => isStopped(write, results[next + j]));
      next += others.length;
      if (result === undefined) pending.reject(new Error(`no result of the write of ${pending.counted.write.key}`));
      else if (result.ok || isInTheWay(pending.counted.write, result.current)) pending.resolve(result);
      // What it needs besides is taken: the caller decides anew, on the same object.
      else if (stopped) pending.resolve({ ok: false, current: pending.counted.entry });
      else again.push(pending);
    }
    lane.pending.unshift(...again);
  }

  #bookAll(lane: Lane, group: readonly Pending[]) {
    const own = new Set(group.map(({ counted }) => counted.write.key));
    const books = lane.known
      .books()
      // A quota that is itself written is not charged for that.
      .filter(({ key }) => !own.has(key))
      .map((book) => ({ ...book, used: readAmounts(book.quota.status?.used), changed: false }));
    const refused = new Map<Pending, string>();
    const unknown = new Set<string>();
    for (const pending of group) {
      const outcomes = books.map((book) => [book, charge(book.quota, book.used, pending.change)] as const);
      const refusedBy = outcomes.map(([, outcome]) => outcome).find((outcome) => outcome.result === 'refused');
      for (const [{ key }, outcome] of outcomes) if (outcome.result === 'unknown') unknown.add(key);
      if (refusedBy !== undefined) {
        refused.set(pending, refusedBy.because);
        continue;
      }
      for (const [book, outcome] of outcomes) {
        if (outcome.result !== 'charged') continue;
        book.used = new Map(outcome.used);
        book.changed ||= outcome.changed;
      }
    }
    return { books, refused, unknown };
  }

  #writeOf({ key, quota, entry, used }: Book & { readonly used: ReturnType<typeof readAmounts> }): StoreWrite {
    const definition = this.#definition();
    const next: corev1.ResourceQuota = { ...quota, status: statusOf(quota, used) };
    return { type: 'put', key, value: encodeForStore(definition, next), ifVersion: entry.version };
  }

  /**
   * Counts what a quota counts and writes it down, once. The cache is a picture of one moment, with the quota and all
   * objects in it: if the quota has not changed since, nothing was charged since, and the count is right.
   */
  async #settle(namespace: string, known: KnownQuotas, key: string): Promise<void> {
    const { cache, store } = this.#services;
    const version = known.books().find((book) => book.key === key)?.entry.version;
    if (version === undefined) return;
    await cache.waitFor(version, AbortSignal.timeout(LONGEST_WAIT_MS)).catch((err: unknown) => {
      const because = 'this server does not hear of changes at the moment';
      throw new ApiError('ServiceUnavailable', `Cannot count what quota ${key} counts: ${because}`, { cause: err });
    });
    const entry = cache.get(key);
    if (entry === undefined) {
      known.learn(key, await store.get(key));
      return;
    }
    const quota = copyOf(this.#definition(), entry.value) as corev1.ResourceQuota;
    const used = this.#count(namespace, quota);
    const write = this.#writeOf({ key, quota, entry, used });
    if (write.type !== 'put') return;
    const [result] = await store.commit([write]);
    if (result?.ok === true) known.learn(key, { key, value: write.value, version: result.version });
    else known.learn(key, result?.current);
  }

  #count(namespace: string, quota: corev1.ResourceQuota) {
    const { cache, registry, now } = this.#services;
    const names = Object.keys(quota.spec?.hard ?? {});
    const objects = registry.definitions
      // A kind served in several versions is stored in one.
      .filter(({ type, storedAs }) => storedAs === undefined && concernsKind(names, type))
      .flatMap(({ type }) =>
        cache
          .list(collectionPrefix(type, namespace))
          .entries.flatMap(({ object }) => (object === undefined ? [] : [{ kind: type, object }])),
      );
    return countUsed(quota, objects, now());
  }

  #definition(): AnyDefinition {
    const { apiVersion, kind } = KINDS.ResourceQuota;
    const definition = this.#services.registry.findDefinition(apiVersion, kind);
    if (definition === undefined) throw new Error('the registry has no quotas');
    return definition;
  }

  /** A store that is away fails all; a refusal of the request itself may be one write's fault, so each goes alone. */
  #settleFailure(lane: Lane, group: readonly Pending[], err: unknown): void {
    if (group.length === 0) {
      for (const pending of lane.pending.splice(0)) pending.reject(err);
      return;
    }
    if (group.length === 1 || hasReason(err, 'ServiceUnavailable', 'Timeout', 'TooManyRequests')) {
      for (const pending of group) pending.reject(err);
      return;
    }
    lane.alone = group.length;
    lane.pending.unshift(...group);
  }
}

/** The longest-waiting writes that fit one transaction together with the quotas. A write of a quota goes alone. */
function takeGroup(lane: Lane): Pending[] {
  const books = lane.known.books();
  const quotaKeys = new Set(books.map(({ key }) => key));
  const most = lane.alone > 0 ? 1 : Math.max(1, MAX_COMMIT_OBJECTS - books.length);
  lane.alone = Math.max(0, lane.alone - 1);
  const group: Pending[] = [];
  const rest: Pending[] = [];
  const keys = new Set<string>();
  let bytes = 0;
  let count = 0;
  for (const pending of lane.pending) {
    const { write, alongside = [] } = pending.counted;
    const size = write.type === 'put' ? write.value.byteLength : 0;
    const goesAlone = quotaKeys.has(write.key);
    const own = [write.key, ...alongside.map(({ key }) => key)];
    const fits =
      group.length === 0 ||
      (!goesAlone &&
        count + own.length <= most &&
        bytes + size <= MAX_GROUP_BYTES &&
        !own.some((key) => keys.has(key)));
    if (fits && !(group.length > 0 && quotaKeys.has(group[0]?.counted.write.key ?? ''))) {
      group.push(pending);
      bytes += size;
      count += own.length;
    } else rest.push(pending);
    for (const key of own) keys.add(key);
  }
  lane.pending = rest;
  return group;
}

function isStopped(write: StoreWrite, result: WriteResult | undefined): boolean {
  return result?.ok === false && isInTheWay(write, result.current);
}

function isInTheWay(write: StoreWrite, current: StoreEntry | undefined): boolean {
  return revisionOf(write.ifVersion) !== revisionOf(current?.version ?? 0);
}

function refusal({ definition, name }: CountedWrite, because: string): Error {
  return forbidden(definition.type, name, because);
}
