import { createServer, type Server } from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { Server as GrpcServer, ServerCredentials } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { corev1 } from '../../proto/index.ts';
import type { ExecResult } from '../runtime/runtime.ts';
import { runProbe } from './run-probe.ts';

describe('one look at a container', () => {
  let server: Server;
  let port: number;
  let closedPort: number;
  let grpc: GrpcServer;
  let grpcPort: number;
  let lastHeaders: Record<string, unknown> = {};
  let execResult: ExecResult = { exitCode: 0, timedOut: false, stdout: '', stderr: '' };

  beforeAll(async () => {
    server = createServer((request, response) => {
      lastHeaders = request.headers;
      if (request.url === '/hang') return;
      response.statusCode = Number(request.url?.slice(1)) || 200;
      response.end('body');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    port = (server.address() as AddressInfo).port;
    const unused = net.createServer();
    await new Promise<void>((resolve) => unused.listen(0, '127.0.0.1', resolve));
    closedPort = (unused.address() as AddressInfo).port;
    await new Promise((resolve) => unused.close(resolve));
    grpc = new GrpcServer();
    const identity = (bytes: Buffer): Buffer => bytes;
    grpc.addService(
      {
        check: {
          path: '/grpc.health.v1.Health/Check',
          requestStream: false,
          responseStream: false,
          requestSerialize: identity,
          requestDeserialize: identity,
          responseSerialize: identity,
          responseDeserialize: identity,
        },
      },
      // SERVING for the empty name, NOT_SERVING for any other.
      {
        check: (call: { request: Buffer }, reply: (err: null, bytes: Buffer) => void) =>
          reply(null, Buffer.from([8, call.request.length === 0 ? 1 : 2])),
      },
    );
    grpcPort = await new Promise((resolve, reject) => {
      grpc.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (err, bound) =>
        err === null ? resolve(bound) : reject(err),
      );
    });
  });

  afterAll(() => {
    server.closeAllConnections();
    server.close();
    grpc.forceShutdown();
  });

  const look = (probe: corev1.Probe, options: { timeoutMs?: number; signal?: AbortSignal } = {}) =>
    runProbe(
      { execSync: async () => execResult },
      { containerId: 'x', host: '127.0.0.1', container: { ports: [{ name: 'web', containerPort: port }] } },
      probe,
      { timeoutMs: options.timeoutMs ?? 2000, signal: options.signal ?? new AbortController().signal },
    );

  test.each([
    [200, true],
    [204, true],
    [302, true],
    [399, true],
    [400, false],
    [404, false],
    [500, false],
  ])('HTTP %d is ok: %s', async (code, ok) => {
    expect(await look({ httpGet: { path: `/${code}`, port: 'web' } })).toEqual({
      ok,
      message: ok ? '' : `HTTP probe failed with statuscode: ${code}`,
    });
  });

  test('HTTP sends the headers asked for, and names itself', async () => {
    await look({ httpGet: { port: 'web', httpHeaders: [{ name: 'X-Custom', value: 'a' }] } });
    expect(lastHeaders).toMatchObject({ 'x-custom': 'a', 'user-agent': 'kube-probe/1.37' });
  });

  test('HTTP that does not answer in time, or at all, says so', async () => {
    expect((await look({ httpGet: { path: '/hang', port: 'web' } }, { timeoutMs: 50 })).message).toMatch(
      /^Get "http:.*\/hang": context deadline exceeded/,
    );
    expect((await look({ httpGet: { port: String(closedPort) } })).message).toBe(
      `Get "http://127.0.0.1:${closedPort}/": dial tcp 127.0.0.1:${closedPort}: connect: connection refused`,
    );
  });

  test('a port that the container does not have is named', async () => {
    expect(await look({ httpGet: { port: 'nope' } })).toEqual({
      ok: false,
      message: 'the container has no port "nope"',
    });
  });

  test('TCP is ok when somebody listens', async () => {
    expect((await look({ tcpSocket: { port: 'web' } })).ok).toBe(true);
    expect(await look({ tcpSocket: { port: String(closedPort) } })).toEqual({
      ok: false,
      message: `dial tcp 127.0.0.1:${closedPort}: connect: connection refused`,
    });
  });

  test('exec is ok with code 0; its output explains a failure; a timeout is named', async () => {
    expect((await look({ exec: { command: ['x'] } })).ok).toBe(true);
    execResult = { exitCode: 1, timedOut: false, stdout: 'out', stderr: 'err' };
    expect(await look({ exec: { command: ['x'] } })).toEqual({ ok: false, message: 'outerr' });
    execResult = { ...execResult, timedOut: true };
    expect(await look({ exec: { command: ['x', 'y'] } }, { timeoutMs: 1000 })).toEqual({
      ok: false,
      message: 'command "x y" timed out after 1s',
    });
  });

  test('gRPC asks the health service', async () => {
    expect((await look({ grpc: { port: grpcPort } })).ok).toBe(true);
    expect(await look({ grpc: { port: grpcPort, service: 'other' } })).toEqual({
      ok: false,
      message: 'service unhealthy (responded with "NOT_SERVING")',
    });
    expect((await look({ grpc: { port: closedPort } })).ok).toBe(false);
  });

  test('an abort ends a look at once', async () => {
    const stop = new AbortController();
    const result = look({ httpGet: { path: '/hang', port: 'web' } }, { signal: stop.signal });
    stop.abort();
    expect((await result).ok).toBe(false);
  });
});
