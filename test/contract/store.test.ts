import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { MemoryStore } from '../../control-plane/store/memory/memory-store.ts';
import { INDEX_SPAN, LAST_INDEX, revisionOf, type Store, type StoreEvent } from '../../control-plane/store/store.ts';
import { etcdMissing, startTestEtcd, type TestEtcd } from '../../control-plane/store/testing/test-etcd.ts';

/** One implementation of the port, and the two things a test does to it from outside. */
interface Subject {
  /** A store nobody else uses, empty. */
  makeStore(): Promise<Store>;
  /** Forgets history up to the revision of `version`. */
  compact(store: Store, version: number): Promise<void>;
  /** Makes `seconds` pass, as far as expiry is concerned. */
  passTime(store: Store, seconds: number): Promise<void>;
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (value: Uint8Array | undefined): string | undefined =>
  value === undefined ? undefined : new TextDecoder().decode(value);

async function create(store: Store, key: string, value = key): Promise<number> {
  const [result] = await store.commit([{ type: 'put', key, value: bytes(value), ifVersion: 0 }]);
  if (!result?.ok) throw new Error(`${key} exists`);
  return result.version;
}

/** Reads `count` events, or fails after five seconds. */
async function take(store: Store, prefix: string, from: number, count: number): Promise<StoreEvent[]> {
  const events: StoreEvent[] = [];
  for await (const batch of store.watch(prefix, from, AbortSignal.timeout(5_000))) {
    events.push(...batch.events);
    if (events.length >= count) return events;
  }
  throw new Error(`only ${events.length} of ${count} events came: ${events.map((event) => event.key).join(' ')}`);
}

const shown = (events: readonly StoreEvent[]): string[] =>
  events.map(({ type, key, value, previous }) => `${type} ${key} ${text(value)} was ${text(previous)}`);

function contract(subject: Subject): void {
  test('an entry reads back byte for byte, with the version its write returned', async () => {
    const store = await subject.makeStore();
    const value = Uint8Array.from([0, 1, 2, 255, 254, 0]);
    const result = await store.commitEach({ type: 'put', key: 'g/r/n/a', value, ifVersion: 0 });
    const entry = await store.get('g/r/n/a');
    expect(result).toEqual({ ok: true, version: entry?.version });
    expect([...(entry?.value ?? [])]).toEqual([...value]);
    expect(await store.get('g/r/n/b')).toBeUndefined();
  });

  test('an empty value is a value', async () => {
    const store = await subject.makeStore();
    await create(store, 'g/r/n/a', '');
    expect((await store.get('g/r/n/a'))?.value.byteLength).toBe(0);
  });

  test('creating what exists is a conflict that shows what is there', async () => {
    const store = await subject.makeStore();
    const version = await create(store, 'g/r/n/a', 'first');
    for (const write of ['commit', 'commitEach'] as const) {
      const put = { type: 'put', key: 'g/r/n/a', value: bytes('second'), ifVersion: 0 } as const;
      const result = write === 'commit' ? (await store.commit([put]))[0] : await store.commitEach(put);
      expect(result).toMatchObject({ ok: false, current: { key: 'g/r/n/a', version } });
      expect(result?.ok === false && text(result.current?.value)).toBe('first');
    }
  });

  test('an update needs the version it replaces, and a delete too', async () => {
    const store = await subject.makeStore();
    const first = await create(store, 'g/r/n/a');
    const put = { type: 'put', key: 'g/r/n/a', value: bytes('2') } as const;
    const second = await store.commitEach({ ...put, ifVersion: first });
    expect(second.ok).toBe(true);
    expect((await store.commitEach({ ...put, ifVersion: first })).ok).toBe(false);
    expect((await store.commitEach({ type: 'delete', key: 'g/r/n/a', ifVersion: first })).ok).toBe(false);
    const version = second.ok ? second.version : 0;
    expect((await store.commitEach({ type: 'delete', key: 'g/r/n/a', ifVersion: version })).ok).toBe(true);
    expect(await store.get('g/r/n/a')).toBeUndefined();
    const gone = await store.commitEach({ type: 'delete', key: 'g/r/n/a', ifVersion: version });
    expect(gone).toEqual({ ok: false, current: undefined });
  });

  test('a commit makes all of its writes or none', async () => {
    const store = await subject.makeStore();
    await create(store, 'g/r/n/b');
    const put = (key: string) => ({ type: 'put', key, value: bytes('x'), ifVersion: 0 }) as const;
    const results = await store.commit([put('g/r/n/a'), put('g/r/n/b'), put('g/r/n/c')]);
    expect(results.map((result) => result.ok)).toEqual([false, false, false]);
    expect(results.map((result) => !result.ok && result.current?.key)).toEqual([undefined, 'g/r/n/b', undefined]);
    expect(await store.get('g/r/n/a')).toBeUndefined();
    expect(await store.get('g/r/n/c')).toBeUndefined();
  });

  test('127 writes fit one commit and share its revision; 128, or one key twice, are refused', async () => {
    const store = await subject.makeStore();
    const puts = Array.from(
      { length: 128 },
      (_, i) => ({ type: 'put', key: `g/r/n/${i}`, value: bytes(`${i}`), ifVersion: 0 }) as const,
    );
    const results = await store.commit(puts.slice(0, 127));
    const versions = results.map((result) => (result.ok ? result.version : 0));
    expect(versions).toEqual(versions.map((_, i) => revisionOf(versions[0] ?? 0) * INDEX_SPAN + i));
    expect((await store.get('g/r/n/126'))?.version).toBe(versions[126]);
    await expect(store.commit(puts)).rejects.toMatchObject({ reason: 'InternalError' });
    await expect(store.commit([...puts.slice(0, 1), ...puts.slice(0, 1)])).rejects.toMatchObject({
      reason: 'InternalError',
    });
  });

  test('of many concurrent writes only those that conflict fail', async () => {
    const store = await subject.makeStore();
    for (let i = 0; i < 300; i += 3) await create(store, `g/r/n/${i}`, 'before');
    const results = await Promise.all(
      Array.from({ length: 300 }, (_, i) =>
        store.commitEach({ type: 'put', key: `g/r/n/${i}`, value: bytes('after'), ifVersion: 0 }),
      ),
    );
    expect(results.map((result) => result.ok)).toEqual(results.map((_, i) => i % 3 !== 0));
    expect(text((await store.get('g/r/n/3'))?.value)).toBe('before');
    expect(text((await store.get('g/r/n/4'))?.value)).toBe('after');
  });

  test('of many concurrent writes of one key exactly one wins', async () => {
    const store = await subject.makeStore();
    const results = await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        store.commitEach({ type: 'put', key: 'g/r/n/a', value: bytes(`${i}`), ifVersion: 0 }),
      ),
    );
    const winners = results.flatMap((result, i) => (result.ok ? [i] : []));
    expect(winners).toHaveLength(1);
    expect(text((await store.get('g/r/n/a'))?.value)).toBe(`${winners[0]}`);
  });

  test('a list is in key order, under its prefix only', async () => {
    const store = await subject.makeStore();
    for (const key of ['g/r/n/c', 'g/r/n/a', 'g/rr/n/x', 'g/r/n/b', 'g/q/n/y']) await create(store, key);
    const page = await store.list('g/r/');
    expect(page.entries.map((entry) => entry.key)).toEqual(['g/r/n/a', 'g/r/n/b', 'g/r/n/c']);
    expect(page).toMatchObject({ next: undefined, remaining: 0, version: await store.currentVersion() });
    expect((await store.list('')).entries).toHaveLength(5);
    expect((await store.list('none/')).entries).toEqual([]);
  });

  test('pages of a list are all of one revision, whatever changes between them', async () => {
    const store = await subject.makeStore();
    for (let i = 0; i < 7; i++) await create(store, `g/r/n/${i}`);
    const first = await store.list('g/r/', { limit: 3 });
    expect(first).toMatchObject({ next: 'g/r/n/2', remaining: 4 });
    await create(store, 'g/r/n/25');
    const changed = await store.get('g/r/n/3');
    await store.commitEach({ type: 'delete', key: 'g/r/n/3', ifVersion: changed?.version ?? 0 });
    const second = await store.list('g/r/', { limit: 3, after: first.next ?? '', at: first.version });
    expect(second.entries.map((entry) => entry.key)).toEqual(['g/r/n/3', 'g/r/n/4', 'g/r/n/5']);
    const third = await store.list('g/r/', { limit: 3, after: second.next ?? '', at: first.version });
    expect(third.entries.map((entry) => entry.key)).toEqual(['g/r/n/6']);
    expect(third).toMatchObject({ next: undefined, remaining: 0, version: first.version });
  });

  test('a list without a limit gives everything, however large', async () => {
    const store = await subject.makeStore();
    const value = new Uint8Array(64 * 1024);
    const puts = Array.from(
      { length: 150 },
      (_, i) => ({ type: 'put', key: `g/r/n/${1000 + i}`, value, ifVersion: 0 }) as const,
    );
    await Promise.all(puts.map((put) => store.commitEach(put)));
    const page = await store.list('g/r/');
    expect(page.entries.map((entry) => entry.key)).toEqual(puts.map((put) => put.key));
  });

  test('a list at a compacted version is Expired', async () => {
    const store = await subject.makeStore();
    const version = await create(store, 'g/r/n/a');
    await create(store, 'g/r/n/b');
    await subject.compact(store, await store.currentVersion());
    await expect(store.list('g/r/', { at: version })).rejects.toMatchObject({ reason: 'Expired' });
    expect((await store.list('g/r/')).entries).toHaveLength(2);
  });

  test('a watch gives every change after its version, with values before and after', async () => {
    const store = await subject.makeStore();
    const first = await create(store, 'g/r/n/a', '1');
    const second = await store.commitEach({ type: 'put', key: 'g/r/n/a', value: bytes('2'), ifVersion: first });
    await store.commitEach({ type: 'delete', key: 'g/r/n/a', ifVersion: second.ok ? second.version : 0 });
    await create(store, 'g/r/n/a', '3');
    expect(shown(await take(store, 'g/r/', first, 3))).toEqual([
      'put g/r/n/a 2 was 1',
      'delete g/r/n/a 2 was 2',
      'put g/r/n/a 3 was undefined',
    ]);
  });

  test('a watch that asks for no previous values gets none', async () => {
    const store = await subject.makeStore();
    const from = await store.currentVersion();
    const version = await create(store, 'g/r/n/a', '1');
    await store.commitEach({ type: 'delete', key: 'g/r/n/a', ifVersion: version });
    const end = AbortSignal.timeout(5_000);
    const events: StoreEvent[] = [];
    for await (const batch of store.watch('', from, end, { previous: false })) {
      events.push(...batch.events);
      if (events.length === 2) break;
    }
    expect(shown(events)).toEqual(['put g/r/n/a 1 was undefined', 'delete g/r/n/a undefined was undefined']);
  });

  test('a watch follows changes as they come, under its prefix only', async () => {
    const store = await subject.makeStore();
    const coming = take(store, 'g/r/', await store.currentVersion(), 2);
    await create(store, 'g/q/n/other');
    await create(store, 'g/r/n/a');
    await create(store, 'g/r/n/b');
    expect((await coming).map((event) => event.key)).toEqual(['g/r/n/a', 'g/r/n/b']);
  });

  test('a watch resumes exactly inside a transaction, deletions included', async () => {
    const store = await subject.makeStore();
    const b = await create(store, 'g/r/n/b');
    const results = await store.commit([
      { type: 'put', key: 'g/r/n/a', value: bytes('a'), ifVersion: 0 },
      { type: 'delete', key: 'g/r/n/b', ifVersion: b },
      { type: 'put', key: 'g/q/n/c', value: bytes('c'), ifVersion: 0 },
      { type: 'put', key: 'g/r/n/d', value: bytes('d'), ifVersion: 0 },
    ]);
    const versions = results.map((result) => (result.ok ? result.version : 0));
    const keys = ['g/r/n/a', 'g/r/n/b', 'g/q/n/c', 'g/r/n/d'];
    for (const [i, version] of versions.slice(0, 3).entries()) {
      const events = await take(store, '', version, 3 - i);
      expect(events.map((event) => event.key)).toEqual(keys.slice(i + 1));
      expect(events.map((event) => event.version)).toEqual(versions.slice(i + 1));
    }
    // A narrower watch numbers the same events the same way.
    const narrow = await take(store, 'g/r/', versions[0] ?? 0, 2);
    expect(narrow.map((event) => event.version)).toEqual([versions[1], versions[3]]);
  });

  test('a watch from a compacted version is Expired, at the edge too', async () => {
    const store = await subject.makeStore();
    const a = await create(store, 'g/r/n/a');
    const deleted = await store.commitEach({ type: 'delete', key: 'g/r/n/a', ifVersion: a });
    const edge = deleted.ok ? deleted.version : 0;
    await create(store, 'g/r/n/c');
    await subject.compact(store, edge);
    const begun = (from: number) => store.watch('', from, AbortSignal.timeout(5_000))[Symbol.asyncIterator]().next();
    await expect(begun(a)).rejects.toMatchObject({ reason: 'Expired' });
    // All of the revision before the compacted one has been seen, and yet the deletion is missing from history.
    await expect(begun(revisionOf(edge) * INDEX_SPAN - 1)).rejects.toMatchObject({ reason: 'Expired' });
    const rest = await take(store, '', revisionOf(edge) * INDEX_SPAN + LAST_INDEX, 1);
    expect(rest.map((event) => event.key)).toEqual(['g/r/n/c']);
  });

  test('a watch ends when its signal aborts, also before anything comes', async () => {
    const store = await subject.makeStore();
    const abort = new AbortController();
    const iterator = store.watch('', await store.currentVersion(), abort.signal)[Symbol.asyncIterator]();
    const next = iterator.next();
    abort.abort();
    expect((await next).done).toBe(true);
    const already = store.watch('', 0, AbortSignal.abort())[Symbol.asyncIterator]();
    expect((await already.next()).done).toBe(true);
  });

  test('sync lets a watch catch up with the current version although nothing of ours changes', async () => {
    const store = await subject.makeStore();
    const from = await store.currentVersion();
    const versions = await Promise.all([store.sync(), store.sync(), store.sync()]);
    for await (const batch of store.watch('g/', from, AbortSignal.timeout(5_000))) {
      expect(batch.events).toEqual([]);
      if (batch.version >= Math.max(...versions)) break;
    }
    expect(await store.currentVersion()).toBeGreaterThanOrEqual(Math.max(...versions));
    expect((await store.list('')).entries).toEqual([]);
  });

  test('a short-lived object goes by itself, as one deletion, and not before its time', async () => {
    const store = await subject.makeStore();
    const from = await store.currentVersion();
    const put = { type: 'put', value: bytes('x'), ifVersion: 0, ttlSeconds: 1 } as const;
    await Promise.all(['g/r/n/a', 'g/r/n/b'].map((key) => store.commitEach({ ...put, key })));
    await create(store, 'g/r/n/stays');
    expect((await store.list('g/')).entries).toHaveLength(3);
    await subject.passTime(store, 1);
    const events = await take(store, '', from, 5);
    const deletions = events.filter((event) => event.type === 'delete');
    expect(deletions.map((event) => event.key).sort()).toEqual(['g/r/n/a', 'g/r/n/b']);
    expect(new Set(deletions.map((event) => event.version)).size).toBe(2);
    expect((await store.list('g/')).entries.map((entry) => entry.key)).toEqual(['g/r/n/stays']);
  });

  test('an aborted call is rejected with the reason of its signal', async () => {
    const store = await subject.makeStore();
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(store.get('g/r/n/a', signal)).rejects.toThrow('enough');
    await expect(store.currentVersion(signal)).rejects.toThrow('enough');
    const put = { type: 'put', key: 'g/r/n/a', value: bytes('x'), ifVersion: 0 } as const;
    await expect(store.commitEach(put, signal)).rejects.toThrow('enough');
  });
}

describe('MemoryStore', () => {
  let nowMs = 0;
  contract({
    makeStore: async () => new MemoryStore({ now: () => nowMs }),
    compact: async (store, version) => (store as MemoryStore).compact(version),
    passTime: async (store, seconds) => {
      nowMs += seconds * 1000;
      (store as MemoryStore).expireDue();
    },
  });
});

describe.skipIf(etcdMissing() !== undefined)(`EtcdStore${etcdMissing() ?? ''}`, () => {
  let etcd: TestEtcd;
  beforeAll(async () => {
    etcd = await startTestEtcd();
  });
  afterAll(() => etcd.stop());
  contract({
    makeStore: async () => etcd.makeStore(),
    compact: (_store, version) => etcd.compact(version),
    passTime: async () => etcd.expireLeases(),
  });
});
