import { mkdtemp, readlink, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { EmbeddedEtcd, type EmbeddedEtcdOptions } from '../../control-plane/store/etcd/embedded-etcd.ts';
import { EtcdClient } from '../../control-plane/store/etcd/etcd-client.ts';
import { EtcdStore } from '../../control-plane/store/etcd/etcd-store.ts';
import { etcdMissing, freePort, quietLog } from '../../control-plane/store/testing/test-etcd.ts';
import { errorMessage, hasReason } from '../../lib/errors.ts';
import { ensureClusterPki } from '../../lib/pki.ts';
import { isAlive, type ProcessRef, readProcessStat } from '../../lib/process.ts';

describe.skipIf(etcdMissing() !== undefined)(`our own etcd${etcdMissing() ?? ''}`, () => {
  let dir: string;
  let options: EmbeddedEtcdOptions;
  const started: ProcessRef[] = [];
  const within = (): AbortSignal => AbortSignal.timeout(30_000);

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'skiff-embedded-'));
    options = {
      name: 'one',
      dataDir: join(dir, 'data'),
      stateDir: join(dir, 'state'),
      clientPort: await freePort(),
      peerPort: await freePort(),
      heartbeatMs: 100,
      log: quietLog,
    };
  });
  afterEach(async () => {
    await new EmbeddedEtcd(options).stop();
    for (const identity of started.splice(0)) expect(isAlive(identity), `pid ${identity.pid}`).toBe(false);
    await rm(dir, { recursive: true, force: true });
  });

  async function start(changes: Partial<EmbeddedEtcdOptions> = {}) {
    const etcd = new EmbeddedEtcd({ ...options, ...changes });
    const version = await etcd.start(within());
    const identity = await etcd.process();
    if (identity === undefined) throw new Error('etcd is not recorded');
    started.push(identity);
    return { etcd, version, identity };
  }

  test('starts, answers, says its version, and stops', async () => {
    const { etcd, version, identity } = await start();
    expect(version).toMatch(/^3\.\d+\.\d+/);
    await etcd.stop();
    expect(isAlive(identity)).toBe(false);
    expect(await etcd.process()).toBeUndefined();
    await etcd.stop();
  });

  test('a second supervisor adopts the running one, and starts another only after changed settings', async () => {
    const first = await start();
    const second = await start();
    expect(second.identity).toEqual(first.identity);
    const third = await start({ heartbeatMs: 200 });
    expect(third.identity.pid).not.toBe(first.identity.pid);
    expect(isAlive(first.identity)).toBe(false);
  });

  test.each(['its own', 'an adopted'])('starts %s etcd again after SIGKILL, with its data', async (whose) => {
    const { etcd, identity } = await start();
    const supervisor = whose === 'its own' ? etcd : new EmbeddedEtcd(options);
    const client = new EtcdClient(etcd.connection);
    const store = new EtcdStore({ client, log: quietLog });
    await store.commitEach({ type: 'put', key: 'g/r/n/a', value: Buffer.from('kept'), ifVersion: 0 });
    const stop = new AbortController();
    const running = supervisor.run(stop.signal);
    process.kill(identity.pid, 'SIGKILL');
    const pid = async () => (await supervisor.process())?.pid ?? identity.pid;
    await expect.poll(pid, { timeout: 20_000, interval: 20 }).not.toBe(identity.pid);
    const read = () =>
      store.get('g/r/n/a').then(
        (entry) => Buffer.from(entry?.value ?? []).toString(),
        () => 'unavailable',
      );
    await expect.poll(read, { timeout: 20_000, interval: 20 }).toBe('kept');
    stop.abort();
    await running;
    const again = await supervisor.process();
    if (again !== undefined) started.push(again);
    expect(again, 'it outlives its supervisor').toBeDefined();
    await store.close();
  });

  test('a watch over an etcd whose data was replaced by older data is Expired', async () => {
    const { etcd } = await start();
    const client = new EtcdClient(etcd.connection);
    const store = new EtcdStore({ client, log: quietLog });
    for (let i = 0; i < 5; i++) await store.sync();
    const watch = store.watch('', await store.currentVersion(), within())[Symbol.asyncIterator]();
    const next = watch.next();
    // Handled at once, or it would count as unhandled while etcd is away.
    const outcome = next.then(
      () => 'went on',
      (err: unknown) => (hasReason(err, 'Expired') ? 'Expired' : errorMessage(err)),
    );
    await etcd.stop();
    await rm(options.dataDir, { recursive: true });
    await start();
    expect(await outcome).toBe('Expired');
    await store.close();
  });

  test('is in a session of its own, with its log in a file and not in a pipe', async () => {
    const { identity, etcd } = await start();
    expect(readProcessStat(identity.pid)?.sessionId).toBe(identity.pid);
    for (const fd of [1, 2]) expect(await readlink(`/proc/${identity.pid}/fd/${fd}`)).toBe(etcd.logFile);
  });

  test('a missing program is named with its package', async () => {
    const etcd = new EmbeddedEtcd({ ...options, program: '/nowhere/etcd' });
    await expect(etcd.start(within())).rejects.toThrow(
      'Cannot start /nowhere/etcd: the program is not installed; on Debian it is in the package etcd-server',
    );
  });

  test('an etcd that does not come up is reported with the end of its log', async () => {
    await start();
    const rival = new EmbeddedEtcd({ ...options, stateDir: join(dir, 'rival'), dataDir: join(dir, 'rival-data') });
    await expect(rival.start(within())).rejects.toThrow(/Cannot start etcd: it ended[\s\S]*address already in use/);
    await rival.stop();
  });

  test('with certificates it serves only clients that show one of its own CA', async () => {
    const { etcd: pki } = await ensureClusterPki(join(dir, 'pki'), { names: [] });
    const { etcd: foreign } = await ensureClusterPki(join(dir, 'foreign'), { names: [] });
    const tls = { ca: pki.ca, cert: pki.client.cert, key: pki.client.key };
    const { etcd } = await start({
      tls,
      clientTls: { caFile: pki.caFile, certFile: pki.serverCertFile, keyFile: pki.serverKeyFile },
      peerTls: { caFile: pki.caFile, certFile: pki.peerCertFile, keyFile: pki.peerKeyFile },
    });
    expect(etcd.connection.endpoints[0]).toMatch(/^https:/);
    const reach = async (credentials: typeof tls): Promise<string> => {
      const client = new EtcdClient({ ...etcd.connection, tls: credentials, callTimeoutMs: 2_000 });
      try {
        return (await client.status()).version;
      } catch (err) {
        return hasReason(err, 'ServiceUnavailable') ? 'refused' : errorMessage(err);
      } finally {
        client.close();
      }
    };
    expect(await reach(tls)).toMatch(/^3/);
    expect(await reach({ ...tls, cert: foreign.client.cert, key: foreign.client.key })).toBe('refused');
    expect(await reach({ ...tls, ca: foreign.ca })).toBe('refused');
  });
});
