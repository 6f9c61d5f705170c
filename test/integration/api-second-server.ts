/** A second server on the etcd of another one, for tests of what several servers do together. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { LocalResourceClient } from '../../control-plane/api/local-client.ts';
import { readServerConfig } from '../../control-plane/config.ts';
import { type RunningServer, startServer } from '../../control-plane/server.ts';
import { openEtcdBackend } from '../../control-plane/store/etcd/etcd-backend.ts';
import type { ResourceClient } from '../../lib/client/resource-client.ts';
import { ServerUnderTest } from './api-server-under-test.ts';

/** Two servers on one etcd, and a client of each that writes as a part of it. */
export interface TwoServers {
  readonly first: ServerUnderTest;
  readonly second: SecondServer;
  readonly clients: readonly [ResourceClient, ResourceClient];
  readonly stop: () => Promise<void>;
}

/** Starts both; the first one with the etcd. */
export async function startTwoServers(): Promise<TwoServers> {
  const first = await ServerUnderTest.start();
  try {
    const second = await startSecondServer(first);
    const client = ({ services }: RunningServer): ResourceClient => new LocalResourceClient(services, 'system:test');
    return {
      first,
      second,
      clients: [client(first.server), client(second.server)],
      stop: async () => {
        await second.stop();
        await first.stop();
      },
    };
  } catch (err) {
    await first.stop();
    throw err;
  }
}

/** A running second server; `stop` leaves nothing behind. */
export interface SecondServer {
  readonly server: RunningServer;
  readonly stop: () => Promise<void>;
}

/** Starts a server that leads nothing on the etcd of `first`. */
export async function startSecondServer(first: ServerUnderTest): Promise<SecondServer> {
  const root = mkdtempSync(join(tmpdir(), 'skiff-api2-'));
  const { caFile } = first.server.pki.etcd;
  const folder = join(caFile, '..');
  const port = first.etcdPort;
  const files = ['--etcd-ca-file', caFile, '--etcd-cert-file', join(folder, 'client.crt')];
  const config = readServerConfig([
    ...['--root', root, '--listen', '127.0.0.1:0', '--etcd-endpoints', `https://127.0.0.1:${port}`],
    ...files,
    ...['--etcd-key-file', join(folder, 'client.key')],
  ]);
  const stop = new AbortController();
  const log = pino({ level: process.env.SKIFF_TEST_LOG ?? 'silent' });
  const parts = {
    openBackend: openEtcdBackend,
    leaderTasks: [],
    version: 'test',
    gitCommit: 'none',
    descriptorsFile: undefined,
    log,
  };
  try {
    const server = await startServer(config, parts, stop.signal);
    return {
      server,
      stop: async () => {
        stop.abort();
        await server.stopped;
        rmSync(root, { recursive: true, force: true });
      },
    };
  } catch (err) {
    rmSync(root, { recursive: true, force: true });
    throw err;
  }
}
