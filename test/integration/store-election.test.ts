import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { Election, type ElectionOptions, type Term } from '../../control-plane/store/etcd/election.ts';
import { EtcdClient } from '../../control-plane/store/etcd/etcd-client.ts';
import { CuttingProxy } from '../../control-plane/store/testing/cutting-proxy.ts';
import { etcdMissing, quietLog, startTestEtcd, type TestEtcd } from '../../control-plane/store/testing/test-etcd.ts';

/** A client that counts how often it asks and how often it settles down to watch. */
class CountingClient extends EtcdClient {
  reads = 0;
  watches = 0;

  override range(...request: Parameters<EtcdClient['range']>): ReturnType<EtcdClient['range']> {
    this.reads += 1;
    return super.range(...request);
  }

  override openWatch(): ReturnType<EtcdClient['openWatch']> {
    this.watches += 1;
    return super.openWatch();
  }
}

describe.skipIf(etcdMissing() !== undefined)(`an election${etcdMissing() ?? ''}`, () => {
  let etcd: TestEtcd;
  let prefixes = 0;
  let prefix = '';
  let closers: (() => unknown)[] = [];

  beforeAll(async () => {
    etcd = await startTestEtcd();
    prefixes += 1;
  });
  afterEach(async () => {
    for (const close of closers.reverse()) await close();
    closers = [];
    prefixes += 1;
  });
  afterAll(() => etcd.stop());

  function countingClient(): CountingClient {
    const client = new CountingClient(etcd.server.connection);
    closers.push(() => client.close());
    return client;
  }

  /** Waits until that client watches, and then for fifty writes: in that time a loop would have gone round. */
  async function untilItWaits(client: CountingClient): Promise<void> {
    await expect.poll(() => client.watches, { timeout: 2_000, interval: 5 }).toBeGreaterThan(0);
    const store = etcd.makeStore();
    for (let i = 0; i < 50; i++) await store.sync();
  }

  /** A candidate that leads as soon as it can, and says when. */
  function candidate(identity: string, options: Partial<ElectionOptions> = {}) {
    prefix = `/election-${prefixes}/`;
    const election = new Election({ client: etcd.client, prefix, identity, log: quietLog, ...options });
    const stop = new AbortController();
    const terms: Term[] = [];
    const running = election.run(async (term) => {
      terms.push(term);
      await new Promise<void>((resolve) => term.signal.addEventListener('abort', () => resolve(), { once: true }));
    }, stop.signal);
    const resign = async (): Promise<void> => {
      stop.abort();
      await running;
    };
    closers.push(resign);
    return { election, terms, resign };
  }

  test('a server alone leads at once', async () => {
    const startedMs = performance.now();
    const only = candidate('a');
    await expect.poll(() => only.election.leading, { timeout: 2_000, interval: 5 }).toBe(true);
    expect(performance.now() - startedMs).toBeLessThan(2_000);
  });

  test('of two servers one leads, and the other as soon as the first resigns', async () => {
    const first = candidate('a');
    await expect.poll(() => first.election.leading, { timeout: 2_000, interval: 5 }).toBe(true);
    const client = countingClient();
    const second = candidate('b', { client });
    await untilItWaits(client);
    expect(second.election.leading).toBe(false);
    await first.resign();
    expect(first.terms[0]?.signal.aborted).toBe(true);
    await expect.poll(() => second.election.leading, { timeout: 2_000, interval: 5 }).toBe(true);
  });

  test('a server waits for its turn without asking, however old the leadership is', async () => {
    prefix = `/election-${prefixes}/`;
    const put = { key: Buffer.from(`${prefix}!leader`), value: Buffer.from('a') };
    await etcd.client.txn({ success: [{ request_put: put }] }, 'write a leader');
    const store = etcd.makeStore();
    for (let i = 0; i < 5; i++) await store.sync();
    await etcd.compact(await store.currentVersion());
    const client = countingClient();
    const waiting = candidate('b', { client, retryMs: 50 });
    await untilItWaits(client);
    expect([client.reads, client.watches]).toEqual([1, 1]);
    const vacate = { request_delete_range: { key: put.key } };
    await etcd.client.txn({ success: [vacate] }, 'end the leadership');
    await expect.poll(() => waiting.election.leading, { timeout: 2_000, interval: 5 }).toBe(true);
  });

  test('of two servers given the same identity by mistake the later one leads, and they do not take turns', async () => {
    const client = countingClient();
    const first = candidate('same', { client, retryMs: 50, leaseMs: 1_000 });
    await expect.poll(() => first.election.leading, { timeout: 2_000, interval: 5 }).toBe(true);
    const second = candidate('same', { retryMs: 50, leaseMs: 1_000 });
    await expect.poll(() => second.election.leading, { timeout: 2_000, interval: 5 }).toBe(true);
    await expect.poll(() => first.election.leading, { timeout: 5_000, interval: 5 }).toBe(false);
    await untilItWaits(client);
    expect([first.terms.length, second.terms.length]).toEqual([1, 1]);
  });

  test('a server killed without a word is followed by another when its lease has run out', async () => {
    prefix = `/election-${prefixes}/`;
    const lease = await etcd.client.grantLease(2);
    const put = { key: Buffer.from(`${prefix}!leader`), value: Buffer.from('dead'), lease };
    await etcd.client.txn({ success: [{ request_put: put }] }, 'write a leader');
    const next = candidate('b');
    await expect.poll(() => next.election.leading, { timeout: 10_000, interval: 20 }).toBe(true);
  });

  test('a server restarted after SIGKILL takes its own place back at once', async () => {
    prefix = `/election-${prefixes}/`;
    const lease = await etcd.client.grantLease(600);
    const put = { key: Buffer.from(`${prefix}!leader`), value: Buffer.from('a'), lease };
    await etcd.client.txn({ success: [{ request_put: put }] }, 'write a leader');
    const again = candidate('a');
    await expect.poll(() => again.election.leading, { timeout: 2_000, interval: 5 }).toBe(true);
    // The old lease is gone, so a predecessor that lives after all finds out.
    expect(await etcd.client.keepLeaseAlive(lease, 2_000)).toBe(0);
  });

  test('what a leader commits fails once somebody else leads', async () => {
    const leader = candidate('a');
    await expect.poll(() => leader.election.leading, { timeout: 2_000, interval: 5 }).toBe(true);
    const store = etcd.makeStore({ prefix });
    const fence = leader.election.fence();
    const fenced = store.fenced(() => fence);
    const put = (key: string) => ({ type: 'put', key, value: Buffer.from('x'), ifVersion: 0 }) as const;
    expect((await fenced.commitEach(put('g/r/n/1'))).ok).toBe(true);
    expect((await fenced.commitEach(put('g/r/n/1'))).ok).toBe(false);
    const usurper = { key: Buffer.from(`${prefix}!leader`), value: Buffer.from('b') };
    await etcd.client.txn({ success: [{ request_put: usurper }] }, 'write a leader');
    await expect(fenced.commitEach(put('g/r/n/2'))).rejects.toThrow('no longer leads');
    await expect(fenced.commit([put('g/r/n/1'), put('g/r/n/2')])).rejects.toThrow('no longer leads');
    await expect(store.fenced(() => undefined).commitEach(put('g/r/n/2'))).rejects.toThrow('does not lead');
    expect((await store.list('')).entries.map((entry) => entry.key)).toEqual(['g/r/n/1']);
  });

  test('a leader cut off from etcd stops leading before another can start', async () => {
    const proxy = new CuttingProxy(Number(new URL(etcd.endpoint).port));
    const client = new EtcdClient({ endpoints: [`http://127.0.0.1:${await proxy.start()}`] });
    closers.push(
      () => proxy.stop(),
      () => client.close(),
    );
    const times = { leaseMs: 3_000, renewDeadlineMs: 2_000, retryMs: 200 };
    const first = candidate('a', { client, ...times });
    await expect.poll(() => first.election.leading, { timeout: 2_000, interval: 5 }).toBe(true);
    const second = candidate('b', times);
    let endedMs = 0;
    let followedMs = 0;
    first.terms[0]?.signal.addEventListener('abort', () => {
      endedMs = performance.now();
    });
    proxy.refuse(true);
    proxy.cut();
    await expect
      .poll(() => (followedMs = second.election.leading ? performance.now() : 0), { timeout: 10_000, interval: 5 })
      .toBeGreaterThan(0);
    expect(endedMs, 'the first had stopped').toBeGreaterThan(0);
    expect(endedMs).toBeLessThan(followedMs);
  });
});
