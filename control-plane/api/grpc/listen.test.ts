import { once } from 'node:events';
import { connect } from 'node:net';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { expect, test } from 'vitest';
import { closeServer, listenOn } from './listen.ts';

const DRAIN_MS = 50;

test('a connection on which nobody says anything keeps no server from closing', async () => {
  const server = new Server();
  const port = await listenOn(server, { host: '127.0.0.1', port: 0 }, ServerCredentials.createInsecure());
  const silent = connect({ host: '127.0.0.1', port, allowHalfOpen: true });
  // It does not say goodbye, either.
  silent.on('end', () => undefined).on('error', () => undefined);
  await once(silent, 'connect');
  try {
    expect((await closeServer(server, DRAIN_MS))?.message).toBe(`connections did not end within ${DRAIN_MS} ms`);
  } finally {
    silent.destroy();
  }
});

test('a server without connections closes at once', async () => {
  const server = new Server();
  await listenOn(server, { host: '127.0.0.1', port: 0 }, ServerCredentials.createInsecure());
  expect(await closeServer(server, 20_000)).toBeUndefined();
});
