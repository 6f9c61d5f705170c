import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { apiv1 } from '../../proto/api.ts';
import { CliUnderTest } from '../../test/harness/cli-under-test.ts';
import { ConnectionError } from '../errors/connection-error.ts';
import { type ConnectionTarget, GrpcConnection } from './grpc-connection.ts';
import { frame, MessageReader } from './grpc-framing.ts';

let cli: CliUnderTest;
/** Passes bytes on, until told to cut. */
let proxy: Server;
const sockets = new Set<Socket>();

beforeAll(async () => {
  cli = await CliUnderTest.start();
  proxy = createServer((near) => {
    const far = connect(cli.server.port, '127.0.0.1');
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        sockets.delete(socket);
        near.destroy();
        far.destroy();
      });
    }
    near.pipe(far).pipe(near);
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
});
afterAll(async () => {
  proxy.close();
  await cli.stop();
});

function target(port: number): ConnectionTarget {
  const { ca, admin } = cli.server.pki;
  return { endpoints: [`127.0.0.1:${port}`], tls: { ca, cert: admin.cert, key: admin.key }, connectTimeoutMs: 5000 };
}

function proxyPort(): number {
  const address = proxy.address();
  return typeof address === 'object' ? (address?.port ?? 0) : 0;
}

const namespaces: apiv1.WatchRequest = {
  target: { resource: 'namespaces' },
  resourceVersion: '0',
  output: apiv1.Output.JSON,
};

describe('a connection', () => {
  test('that is cut fails the calls under way as lost, and connects again for the next', async () => {
    const connection = await GrpcConnection.open(target(proxyPort()));
    try {
      const watching = (async () => {
        let first = true;
        for await (const _ of connection.serverStream(apiv1.ResourcesService.watch, namespaces)) {
          if (first) for (const socket of sockets) socket.destroy();
          first = false;
        }
      })();
      await expect(watching).rejects.toSatisfy((err) => err instanceof ConnectionError && err.problem === 'lost');
      const replies = await Promise.all([1, 2, 3].map(() => connection.unary(apiv1.ClusterService.version, {})));
      expect(replies.map((reply) => reply.version)).toEqual(['1.2.3', '1.2.3', '1.2.3']);
      // Both ends of the one new connection.
      expect(sockets.size).toBe(2);
    } finally {
      connection.close();
    }
  });

  test('ends a call when its loop is left or its signal aborts, with the reason of the signal', async () => {
    const connection = await GrpcConnection.open(target(cli.server.port));
    try {
      for await (const _ of connection.serverStream(apiv1.ResourcesService.watch, namespaces)) break;
      const stop = new AbortController();
      const watching = (async () => {
        for await (const _ of connection.serverStream(apiv1.ResourcesService.watch, namespaces, stop.signal)) {
          stop.abort(new Error('enough'));
        }
      })();
      await expect(watching).rejects.toThrow('enough');
      expect((await connection.unary(apiv1.ClusterService.version, {})).version).toBe('1.2.3');
    } finally {
      connection.close();
    }
  });

  test('carries errors with their reason and causes', async () => {
    const connection = await GrpcConnection.open(target(cli.server.port));
    const json = Buffer.from('{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"},"spec":{"containerz":[]}}');
    const request: apiv1.WriteRequest = { target: { apiVersion: 'v1', kind: 'Pod', namespace: 'default' }, json };
    await expect(connection.unary(apiv1.ResourcesService.create, request)).rejects.toMatchObject({
      reason: 'BadRequest',
      causes: [{ field: 'spec.containerz', reason: 'FieldValueUnknown' }],
    });
    connection.close();
  });

  test('takes replies of several megabytes', async () => {
    const connection = await GrpcConnection.open(target(cli.server.port));
    const data = 'x'.repeat(1_000_000);
    for (const name of ['a', 'b']) {
      const json = Buffer.from(
        JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data: { data } }),
      );
      const at = { apiVersion: 'v1', kind: 'ConfigMap', namespace: 'default' };
      const reply = await connection.unary(apiv1.ResourcesService.create, {
        target: at,
        json,
        output: apiv1.Output.JSON,
      });
      expect(reply.json?.length).toBeGreaterThan(1_000_000);
    }
    connection.close();
  });
});

test('messages are put together from whatever pieces they arrive in', () => {
  const messages = [Buffer.from('one'), Buffer.alloc(0), Buffer.alloc(5000, 7)];
  const bytes = Buffer.concat(messages.map((message) => frame(message)));
  for (const size of [1, 2, 3, 7, 100, bytes.length]) {
    const reader = new MessageReader();
    const found: Buffer[] = [];
    for (let at = 0; at < bytes.length; at += size) found.push(...reader.push(bytes.subarray(at, at + size)));
    expect(found.map((message) => message.toString('latin1'))).toEqual(
      messages.map((message) => message.toString('latin1')),
    );
  }
});
