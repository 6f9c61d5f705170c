import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { EtcdClient } from '../../control-plane/store/etcd/etcd-client.ts';
import { EtcdStore } from '../../control-plane/store/etcd/etcd-store.ts';
import type { ResourceVersion, Store, StoreEvent, StoreWrite } from '../../control-plane/store/store.ts';
import { CuttingProxy } from '../../control-plane/store/testing/cutting-proxy.ts';
import { seededRandom } from '../../control-plane/store/testing/random.ts';
import { etcdMissing, quietLog, startTestEtcd, type TestEtcd } from '../../control-plane/store/testing/test-etcd.ts';
import { type CachedEvent, WatchCache } from '../../control-plane/store/watch-cache.ts';
import { hasReason } from '../../lib/errors.ts';

const SEEDS = process.env.STORE_SEED ? [Number(process.env.STORE_SEED)] : [1, Math.floor(Math.random() * 2 ** 31)];

const shown = (event: StoreEvent): string => `${event.version} ${event.type} ${event.key} ${event.value?.byteLength}`;

/** Writes at random until `count` transactions were tried: single objects, many at once, large ones, deletions. */
async function writeAtRandom(store: Store, random: () => number, count: number): Promise<Map<string, string>> {
  const acknowledged = new Map<string, string>();
  const pick = (below: number): number => Math.floor(random() * below);
  for (let n = 0; n < count; n++) {
    const size = random() < 0.5 ? 1 : 1 + pick(20);
    const bytesEach = random() < 0.05 ? 150_000 : pick(2_000);
    const keys = new Set(Array.from({ length: size }, () => `g/r/ns/${pick(60)}`));
    try {
      const writes: StoreWrite[] = [];
      for (const key of keys) {
        const current = await store.get(key);
        const ifVersion = current?.version ?? 0;
        if (current !== undefined && random() < 0.4) writes.push({ type: 'delete', key, ifVersion });
        else writes.push({ type: 'put', key, value: Buffer.alloc(bytesEach, `${n}`), ifVersion });
      }
      const results =
        writes.length === 1 && writes[0] ? [await store.commitEach(writes[0])] : await store.commit(writes);
      for (const [i, write] of writes.entries()) {
        const result = results[i];
        if (result?.ok) acknowledged.set(`${result.version}`, `${write.type} ${write.key}`);
      }
    } catch (err) {
      if (!hasReason(err, 'ServiceUnavailable', 'Timeout')) throw err;
    }
  }
  return acknowledged;
}

/** Reads a watch until it has reached `until()`. */
async function readUntil(
  store: Store,
  from: ResourceVersion,
  options: { until: () => ResourceVersion; onBatch?: () => void },
): Promise<StoreEvent[]> {
  const events: StoreEvent[] = [];
  for await (const batch of store.watch('g/', from, AbortSignal.timeout(60_000))) {
    events.push(...batch.events);
    options.onBatch?.();
    if (batch.version >= options.until()) return events;
  }
  throw new Error(`the watch did not reach its end; it gave ${events.length} events`);
}

describe.skipIf(etcdMissing() !== undefined)(`a store whose connection is cut${etcdMissing() ?? ''}`, () => {
  let etcd: TestEtcd;
  let closers: (() => Promise<unknown>)[] = [];

  beforeAll(async () => {
    etcd = await startTestEtcd();
  });
  afterEach(async () => {
    for (const close of closers.reverse()) await close();
    closers = [];
  });
  afterAll(() => etcd.stop());

  async function throughProxy(prefix: string): Promise<{ proxy: CuttingProxy; store: EtcdStore }> {
    const proxy = new CuttingProxy(Number(new URL(etcd.endpoint).port));
    const port = await proxy.start();
    const client = new EtcdClient({ endpoints: [`http://127.0.0.1:${port}`] });
    const store = new EtcdStore({ client, prefix, log: quietLog });
    closers.push(
      () => proxy.stop(),
      () => store.close(),
    );
    return { proxy, store };
  }

  test.each(SEEDS)(
    'its watch gives each event once and in order, none missing (seed %i)',
    async (seed) => {
      const random = seededRandom(seed);
      const prefix = `/cut-${seed}/`;
      const direct = etcd.makeStore({ prefix });
      const { proxy, store } = await throughProxy(prefix);
      const from = await direct.currentVersion();
      let end = Number.POSITIVE_INFINITY;
      let batches = 0;
      const cutSoon = (): void => {
        batches += 1;
        if (proxy.cuts < 40 && batches % 2 === 0) proxy.cutAfter(1 + Math.floor(random() ** 3 * 60_000));
      };
      const watching = readUntil(store, from, { until: () => end, onBatch: cutSoon });
      proxy.cutAfter(Math.floor(random() * 2_000));
      const acknowledged = await Promise.all([
        writeAtRandom(direct, seededRandom(seed + 1), 150),
        writeAtRandom(direct, seededRandom(seed + 2), 150),
        writeAtRandom(store, seededRandom(seed + 3), 50),
      ]);
      end = await direct.sync();
      // The watch may have been given that change before its writer was answered: one more brings it past the end.
      await direct.sync();
      const seen = (await watching).map(shown);
      const truth = (await readUntil(direct, from, { until: () => end })).map(shown);
      expect(proxy.cuts, 'cuts made').toBeGreaterThanOrEqual(3);
      expect(seen).toEqual(truth);
      const versions = new Map(truth.map((line) => [line.split(' ')[0], line.split(' ').slice(1, 3).join(' ')]));
      for (const [version, write] of acknowledged.flatMap((writes) => [...writes])) {
        expect(versions.get(version), `acknowledged at ${version}`).toBe(write);
      }
    },
    180_000,
  );

  test('compacted away during a cut, its watch is Expired', async () => {
    const prefix = '/cut-compaction/';
    const direct = etcd.makeStore({ prefix });
    const { proxy, store } = await throughProxy(prefix);
    const watch = store.watch('', await direct.currentVersion(), AbortSignal.timeout(20_000))[Symbol.asyncIterator]();
    const put = (key: string) => direct.commitEach({ type: 'put', key, value: Buffer.from(key), ifVersion: 0 });
    await put('g/r/n/1');
    expect((await watch.next()).value?.events).toHaveLength(1);
    proxy.refuse(true);
    proxy.cut();
    for (const i of [2, 3, 4]) await put(`g/r/n/${i}`);
    await etcd.compact(await direct.currentVersion());
    const next = watch.next();
    proxy.refuse(false);
    await expect(next).rejects.toMatchObject({ reason: 'Expired' });
  });

  test.each(SEEDS)('a cache over it relists and stays right, for its watchers too (seed %i)', async (seed) => {
    const prefix = `/cut-cache-${seed}/`;
    const direct = etcd.makeStore({ prefix });
    const { proxy, store } = await throughProxy(prefix);
    await writeAtRandom(direct, seededRandom(seed), 60);
    const stop = new AbortController();
    const cache = new WatchCache({ store, decode: (_key, value) => value, log: quietLog });
    const running = cache.run(stop.signal);
    closers.push(async () => {
      stop.abort();
      await running;
    });
    await cache.ready(AbortSignal.timeout(10_000));
    const { entries, version } = cache.list('g/r/');
    const followed = new Map(entries.map((entry) => [entry.key, entry.version]));
    const follow = (event: CachedEvent<Uint8Array>): void => {
      if (event.type === 'put') followed.set(event.entry.key, event.version);
      else followed.delete(event.entry.key);
    };
    const watched: ResourceVersion[] = [];
    const watching = (async () => {
      for await (const batch of cache.watch('g/r/', version, stop.signal)) {
        for (const event of batch.events) {
          follow(event);
          watched.push(event.version);
        }
      }
    })();
    for (let round = 0; round < 4; round++) {
      proxy.refuse(true);
      proxy.cut();
      await writeAtRandom(direct, seededRandom(seed + round), 40);
      if (round % 2 === 1) await etcd.compact(await direct.currentVersion());
      proxy.refuse(false);
      await cache.waitFor(await direct.sync(), AbortSignal.timeout(20_000));
      const fresh = (await direct.list('g/r/')).entries.map((entry) => [entry.key, entry.version] as const);
      expect(cache.list('g/r/').entries.map((entry) => [entry.key, entry.version])).toEqual(fresh);
      // Two turns of the event loop: the watcher has been woken and reads what is there.
      await new Promise(setImmediate);
      await new Promise(setImmediate);
      expect(Object.fromEntries(followed)).toEqual(Object.fromEntries(fresh));
    }
    expect(watched).toEqual([...new Set(watched)].sort((a, b) => a - b));
    stop.abort();
    await watching.catch(() => undefined);
  });
});

describe.skipIf(etcdMissing() !== undefined)(`a store whose etcd is killed${etcdMissing() ?? ''}`, () => {
  test('loses no acknowledged write', async () => {
    const etcd = await startTestEtcd();
    const stop = new AbortController();
    const supervising = etcd.server.run(stop.signal);
    try {
      const store = etcd.makeStore();
      const from = await store.currentVersion();
      const acknowledged = new Map<string, ResourceVersion>();
      let failures = 0;
      let done = false;
      const write = async (writer: number): Promise<void> => {
        for (let n = 0; !done; n++) {
          const key = `g/r/n/${writer}-${n}`;
          try {
            const result = await store.commitEach({ type: 'put', key, value: Buffer.from(key), ifVersion: 0 });
            if (result.ok) acknowledged.set(key, result.version);
          } catch (err) {
            if (!hasReason(err, 'ServiceUnavailable', 'Timeout')) throw err;
            failures += 1;
            await new Promise((resolve) => setTimeout(resolve, 20));
          }
        }
      };
      const writing = Promise.all(Array.from({ length: 16 }, (_, writer) => write(writer)));
      for (let kills = 0; kills < 3; kills++) {
        const enough = acknowledged.size + 200;
        await expect.poll(() => acknowledged.size, { timeout: 30_000, interval: 10 }).toBeGreaterThan(enough);
        const identity = await etcd.server.process();
        if (identity === undefined) throw new Error('no etcd runs');
        process.kill(identity.pid, 'SIGKILL');
        const failed = failures;
        await expect.poll(() => failures, { timeout: 30_000, interval: 10 }).toBeGreaterThan(failed);
      }
      const enough = acknowledged.size + 200;
      await expect.poll(() => acknowledged.size, { timeout: 30_000, interval: 10 }).toBeGreaterThan(enough);
      done = true;
      await writing;
      const stored = new Map((await store.list('')).entries.map((entry) => [entry.key, entry.version]));
      for (const [key, version] of acknowledged) expect(stored.get(key), key).toBe(version);
      const end = await store.sync();
      const events = await readUntil(store, from, { until: () => end });
      expect(events.map((event) => event.key).sort()).toEqual([...stored.keys()].sort());
    } finally {
      stop.abort();
      await supervising;
      await etcd.stop();
    }
  });
});
