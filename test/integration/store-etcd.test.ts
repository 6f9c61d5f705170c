import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { EtcdClient } from '../../control-plane/store/etcd/etcd-client.ts';
import { EtcdStore } from '../../control-plane/store/etcd/etcd-store.ts';
import { LeasePool } from '../../control-plane/store/etcd/lease-pool.ts';
import { revisionOf, type StoreEvent } from '../../control-plane/store/store.ts';
import {
  etcdMissing,
  freePort,
  quietLog,
  startTestEtcd,
  type TestEtcd,
} from '../../control-plane/store/testing/test-etcd.ts';

describe.skipIf(etcdMissing() !== undefined)(`the store over etcd${etcdMissing() ?? ''}`, () => {
  let etcd: TestEtcd;
  beforeAll(async () => {
    etcd = await startTestEtcd();
  });
  afterAll(() => etcd.stop());

  const put = (key: string, value: Uint8Array = Buffer.from(key)) =>
    ({ type: 'put', key, value, ifVersion: 0 }) as const;

  /** Reads events until `count` have come. */
  async function take(store: EtcdStore, from: number, count: number): Promise<StoreEvent[]> {
    const events: StoreEvent[] = [];
    for await (const batch of store.watch('', from, AbortSignal.timeout(20_000))) {
      events.push(...batch.events);
      if (events.length >= count) return events;
    }
    throw new Error(`only ${events.length} of ${count} events came`);
  }

  test('a value that is not ours is reported by key and skipped; a watch sees it as a deletion', async () => {
    const reported: string[] = [];
    const prefix = '/undecodable/';
    const store = etcd.makeStore({ prefix, onUndecodable: (key) => reported.push(key) });
    const from = await store.currentVersion();
    for (const key of ['g/r/a', 'g/r/b', 'g/r/c']) await store.commitEach(put(key));
    const foreign = { key: Buffer.from(`${prefix}g/r/b`), value: Buffer.from('{}') };
    await etcd.client.txn({ success: [{ request_put: foreign }] }, 'write as somebody else');
    expect((await store.list('g/r/')).entries.map((entry) => entry.key)).toEqual(['g/r/a', 'g/r/c']);
    await expect(store.get('g/r/b')).rejects.toThrow('Cannot read g/r/b: ');
    const events = await take(store, from, 4);
    expect(events.map((event) => `${event.type} ${event.key}`)).toEqual([
      'put g/r/a',
      'put g/r/b',
      'put g/r/c',
      'delete g/r/b',
    ]);
    expect(new Set(reported)).toEqual(new Set(['g/r/b']));
  });

  test('a catch-up of many mebibytes arrives whole, in batches', async () => {
    const store = etcd.makeStore();
    const from = await store.currentVersion();
    const keys = Array.from({ length: 40 }, (_, i) => `g/r/${i}`);
    for (const key of keys) await store.commitEach(put(key, Buffer.alloc(500_000, key)));
    const events = await take(store, from, keys.length);
    expect(events.map((event) => event.key)).toEqual(keys);
    expect(events.every((event) => event.value?.byteLength === 500_000)).toBe(true);
  });

  test('an object larger than etcd takes is refused as too large, alone', async () => {
    const store = etcd.makeStore();
    const results = await Promise.allSettled([
      store.commitEach(put('g/r/small')),
      store.commitEach(put('g/r/huge', Buffer.alloc(5_000_000))),
    ]);
    expect(results[0]).toMatchObject({ status: 'fulfilled', value: { ok: true } });
    expect(results[1]).toMatchObject({ status: 'rejected', reason: { reason: 'RequestEntityTooLarge' } });
  });

  test('without etcd every call fails as unavailable, soon', async () => {
    const client = new EtcdClient({ endpoints: [`http://127.0.0.1:${await freePort()}`] });
    const store = new EtcdStore({ client, log: quietLog });
    for (const call of [store.get('g/r/a'), store.list(''), store.currentVersion(), store.commitEach(put('g/r/a'))]) {
      await expect(call).rejects.toMatchObject({ reason: 'ServiceUnavailable' });
    }
    await store.close();
  });

  test('many short-lived objects share few leases, and a lease that is gone is replaced', async () => {
    const granted: string[] = [];
    const leases = new LeasePool({
      grantLease: async (ttlSeconds) => {
        const id = await etcd.client.grantLease(ttlSeconds);
        granted.push(id);
        return id;
      },
    });
    const store = etcd.makeStore({ leases });
    const write = (i: number) => store.commitEach({ ...put(`g/r/${i}`), ttlSeconds: 3_600 });
    await Promise.all(Array.from({ length: 400 }, (_, i) => write(i)));
    expect(granted).toHaveLength(1);
    const from = await store.currentVersion();
    await etcd.client.revokeLease(granted[0] ?? '');
    const deletions = await take(store, from, 400);
    expect(new Set(deletions.map((event) => revisionOf(event.version))).size).toBe(1);
    expect(new Set(deletions.map((event) => event.version)).size).toBe(400);
    expect(await write(500)).toMatchObject({ ok: true });
    expect(granted).toHaveLength(2);
  });
});
