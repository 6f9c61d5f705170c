import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { KINDS } from '../../proto/index.ts';
import { ensureClusterPki } from '../pki.ts';
import { GrpcConnection } from './grpc-connection.ts';
import { GrpcResourceClient } from './grpc-resource-client.ts';

const ends: (() => void)[] = [];
afterEach(() => {
  for (const end of ends.splice(0)) end();
});

/** Takes connections and never says a word; gives its endpoint and what it was sent. */
async function silentServer(): Promise<{ readonly endpoint: string; readonly taken: readonly Socket[] }> {
  const taken: Socket[] = [];
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    taken.push(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  ends.push(() => {
    server.close();
    for (const socket of taken) socket.destroy();
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return { endpoint: `127.0.0.1:${address.port}`, taken };
}

test('a server that does not answer in time is tried on another connection next time', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'skiff-grpc-'));
  ends.push(() => rmSync(folder, { recursive: true }));
  const { ca, admin } = await ensureClusterPki(folder, { names: [] });
  const { endpoint, taken } = await silentServer();
  const connection = new GrpcConnection({ endpoints: [endpoint], ca, ...admin, connectTimeoutMs: 200 });
  ends.push(() => connection.close());
  const client = new GrpcResourceClient(connection);
  for (const tries of [1, 2]) {
    await expect(client.get(KINDS.Node, { name: 'n' })).rejects.toThrow(
      `Cannot connect to ${endpoint}: no answer in time`,
    );
    expect(taken).toHaveLength(tries);
  }
});
