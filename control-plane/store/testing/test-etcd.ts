import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { isAlive } from '../../../lib/process.ts';
import { EmbeddedEtcd } from '../etcd/embedded-etcd.ts';
import { EtcdClient } from '../etcd/etcd-client.ts';
import { EtcdStore, type EtcdStoreOptions } from '../etcd/etcd-store.ts';
import { LeasePool } from '../etcd/lease-pool.ts';
import { revisionOf } from '../store.ts';

/** A log that goes nowhere. */
export const quietLog = pino({ level: 'silent' });

/** Why tests that need a real etcd cannot run here; undefined when they can. */
export function etcdMissing(): string | undefined {
  return spawnSync('etcd', ['--version']).error === undefined ? undefined : ' (skipped: no etcd; package etcd-server)';
}

/** A real etcd of a test's own. */
export interface TestEtcd {
  readonly endpoint: string;
  readonly client: EtcdClient;
  readonly server: EmbeddedEtcd;
  /** A store under a prefix of its own; closed by `stop`. */
  makeStore(options?: Partial<EtcdStoreOptions>): EtcdStore;
  compact(version: number): Promise<void>;
  /** Ends every lease granted through the stores made here, as if its time had come. */
  expireLeases(): Promise<void>;
  /** Ends etcd, checks that it is gone, and removes its folder. */
  stop(): Promise<void>;
}

/** A port nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

/** Starts an etcd on free loopback ports with its data in a temporary folder. */
export async function startTestEtcd(): Promise<TestEtcd> {
  const dir = await mkdtemp(join(tmpdir(), 'skiff-etcd-'));
  const server = new EmbeddedEtcd({
    name: 'test',
    dataDir: join(dir, 'data'),
    stateDir: dir,
    clientPort: await freePort(),
    peerPort: await freePort(),
    heartbeatMs: 100,
    log: quietLog,
  });
  await server.start(AbortSignal.timeout(30_000));
  const client = new EtcdClient(server.connection);
  const leaseIds: string[] = [];
  const leases = new LeasePool({
    grantLease: async (ttlSeconds, signal) => {
      const id = await client.grantLease(ttlSeconds, signal);
      leaseIds.push(id);
      return id;
    },
  });
  let stores = 0;
  return {
    endpoint: server.connection.endpoints[0] ?? '',
    client,
    server,
    makeStore: (options = {}) => {
      stores += 1;
      return new EtcdStore({ client, prefix: `/test-${stores}/`, log: quietLog, leases, ...options });
    },
    compact: (version) => client.compact(revisionOf(version)),
    expireLeases: async () => {
      for (const id of leaseIds.splice(0)) await client.revokeLease(id);
      leases.forget();
    },
    stop: async () => {
      const identity = await server.process();
      client.close();
      await server.stop();
      if (identity !== undefined && isAlive(identity)) throw new Error(`etcd ${identity.pid} still runs`);
      await rm(dir, { recursive: true, force: true });
    },
  };
}
