/** Watchers that never read: the server's memory stays bounded, they are ended so that they can resume, and nobody else notices. */
import { rmSync } from 'node:fs';
import type { ServiceError } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { etcdMissing, startTestEtcd, type TestEtcd } from '../../control-plane/store/testing/test-etcd.ts';
import type { GrpcConnection } from '../../lib/client/grpc-connection.ts';
import { GrpcResourceClient } from '../../lib/client/grpc-resource-client.ts';
import { statusToApiError } from '../../lib/client/grpc-status.ts';
import type { ApiError } from '../../lib/errors.ts';
import { apiv1, KINDS } from '../../proto/index.ts';
import { ServerProcess, type SharedPki, serverUnavailable, sharedPki } from '../harness/server-process.ts';
import { waitFor } from '../harness/wait.ts';

const { ResourcesService } = apiv1;
const SLOW = 1_000;
const CONNECTIONS = 50;
const FAST = 5;
const OBJECTS = 100;
const EVENTS = 2_000;
const MIB = 1024 ** 2;
/** What the first thousand may cost: their windows of 64 KiB, filled while they still took something, and as much again. */
const MAX_FIRST_MIB = 200;
/** What the next thousand may add: nothing may be left of the first. */
const MAX_NEXT_MIB = 100;

const missing = etcdMissing() ?? serverUnavailable();

describe.skipIf(missing !== undefined)(
  `${SLOW} watchers that never read${missing ? ` (skipped: ${missing})` : ''}`,
  () => {
    let etcd: TestEtcd;
    let pki: SharedPki;
    let server: ServerProcess;
    const connections: GrpcConnection[] = [];
    beforeAll(async () => {
      etcd = await startTestEtcd();
      pki = await sharedPki();
      server = await ServerProcess.start(pki, etcd.endpoint);
    }, 60_000);
    afterAll(async () => {
      for (const connection of connections) connection.close();
      await server?.stop();
      await etcd?.stop();
      if (pki !== undefined) rmSync(pki.dir, { recursive: true, force: true });
    });

    const connect = (): GrpcConnection => {
      const connection = server.connect();
      connections.push(connection);
      return connection;
    };
    const at = (index: number) => ({ namespace: 'default', name: `o-${index % OBJECTS}` });

    test('cost little, are ended with an error to resume from, and disturb nobody', async () => {
      const client = new GrpcResourceClient(connect());
      const text = 'x'.repeat(2_000);
      for (let i = 0; i < OBJECTS; i++) await client.create(KINDS.ConfigMap, { metadata: at(i), data: { text } });

      const write = async (count: number, label: string): Promise<void> => {
        let next = 0;
        const writer = async (): Promise<void> => {
          for (let n = next++; n < count; n = next++) {
            const body = { data: { n: `${label}-${n}` } };
            await client.patch(KINDS.ConfigMap, at(n), { type: 'merge', body });
          }
        };
        await Promise.all(Array.from({ length: 48 }, writer));
      };

      const { resourceVersion: start } = await client.list(KINDS.ConfigMap, { namespace: 'default' });
      const stop = new AbortController();
      const seen = Array.from({ length: FAST }, () => 0);
      const fast = seen.map(async (_, i) => {
        const options = { namespace: 'default', signal: stop.signal };
        for await (const batch of new GrpcResourceClient(connect()).watch(KINDS.ConfigMap, start, options)) {
          seen[i] = (seen[i] ?? 0) + batch.filter(({ type }) => type === 'MODIFIED').length;
        }
      });
      // Fills the window of recent events, so that what it may hold is in the first figure.
      await write(EVENTS, 'before');
      await waitFor('fast watchers to have seen the first writes', () => seen.every((count) => count === EVENTS));

      const openSlow = async (
        connection: GrpcConnection,
        index: number,
        resourceVersion: string,
        onEnd: (error: ApiError | undefined) => void,
      ): Promise<void> => {
        const { client: raw, endpoint } = await connection.client();
        const { path, requestSerialize, responseDeserialize } = ResourcesService.watch;
        // Every tenth watches through a selector, so that its replies are its own.
        const request: apiv1.WatchRequest = {
          target: { apiVersion: 'v1', kind: 'ConfigMap', namespace: 'default' },
          resourceVersion,
          ...(index % 10 === 0 ? { fieldSelector: `metadata.name!=o-${index}` } : {}),
        };
        const call = raw.makeServerStreamRequest(path, requestSerialize, responseDeserialize, request);
        call.on('error', (err) => onEnd(statusToApiError(err as ServiceError, endpoint)));
        call.on('end', () => onEnd(undefined));
        // Starts the reading, or grpc-js would take everything in: it stops once some messages wait for us.
        call.read(0);
      };
      /** A thousand slow watchers for as long as they last. Gives the server's memory: at the begin, and most, in bytes. */
      const round = async (number: number): Promise<{ before: number; peak: number; from: string }> => {
        const { resourceVersion } = await client.list(KINDS.ConfigMap, { namespace: 'default' });
        const ended: (ApiError | undefined)[] = [];
        const slow = Array.from({ length: CONNECTIONS }, connect);
        await Promise.all(
          Array.from({ length: SLOW }, (_, i) =>
            openSlow(slow[i % CONNECTIONS] ?? connect(), i, resourceVersion, (error) => ended.push(error)),
          ),
        );
        await client.get(KINDS.ConfigMap, at(0));
        const before = server.rssBytes();
        let peak = before;
        const sampling = setInterval(() => {
          peak = Math.max(peak, server.rssBytes());
        }, 100);
        try {
          await write(EVENTS, `round-${number}`);
          const writtenMs = performance.now();
          await waitFor('fast watchers to have seen all', () => seen.every((count) => count === (number + 1) * EVENTS));
          const behindMs = Math.round(performance.now() - writtenMs);
          await waitFor('every slow watcher to be ended', () => ended.length === SLOW, { timeoutMs: 40_000 });
          process.stdout.write(
            `${SLOW} slow watchers, round ${number}: server RSS ${Math.round(before / MIB)} MiB before, at most ` +
              `${Math.round(peak / MIB)} MiB during ${EVENTS} events of 2 KB; fast watchers ${behindMs} ms behind the last write\n`,
          );
          expect(new Set(ended.map((error) => error?.reason))).toEqual(new Set(['ServiceUnavailable']));
          expect(behindMs).toBeLessThan(3_000);
        } finally {
          clearInterval(sampling);
        }
        for (const connection of slow) connection.close();
        return { before, peak, from: resourceVersion };
      };
      const first = await round(1);
      const second = await round(2);
      expect((first.peak - first.before) / MIB).toBeLessThan(MAX_FIRST_MIB);
      expect((second.peak - first.peak) / MIB).toBeLessThan(MAX_NEXT_MIB);

      // Who was ended goes on from the version it had, and misses nothing.
      let caughtUp = 0;
      const again = client.watch(KINDS.ConfigMap, second.from, { namespace: 'default', signal: stop.signal });
      for await (const batch of again) {
        caughtUp += batch.length;
        if (caughtUp >= EVENTS) break;
      }
      expect(caughtUp).toBe(EVENTS);
      stop.abort();
      await Promise.all(fast);
    }, 120_000);
  },
);
