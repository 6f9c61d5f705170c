/** The ingress proxy as it is: a real HAProxy on free ports of the loopback, with servers of this process behind it. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { Agent, createServer, get, type Server } from 'node:http';
import { get as getTls } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freePort } from '../../control-plane/store/testing/test-etcd.ts';
import { systemClock } from '../../lib/clock.ts';
import { makeCa, signCertificate } from '../../lib/x509.ts';
import { Haproxy, ProxyError } from '../../node-agent/ingress/haproxy.ts';
import type { IngressPlan, Route } from '../../node-agent/ingress/plan.ts';

const missing = ((): string | undefined => {
  try {
    execFileSync('haproxy', ['-v'], { stdio: 'ignore' });
    return undefined;
  } catch {
    return 'needs haproxy';
  }
})();

const signal = new AbortController().signal;
const dirs: string[] = [];
const servers: Server[] = [];
const proxies: Haproxy[] = [];

/** A server that says its name and the path it was asked for; its address. */
async function serve(name: string, delayMs = 0): Promise<string> {
  const server = createServer((request, response) => {
    setTimeout(() => response.end(`${name} ${request.url} ${String(request.headers['x-forwarded-proto'])}`), delayMs);
  });
  server.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  servers.push(server);
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function newProxy() {
  const dir = mkdtempSync(join(tmpdir(), 'skiff-ingress-'));
  dirs.push(dir);
  const ports = { http: await freePort(), https: await freePort() };
  const options = { dir: join(dir, 'ingress'), ports, clock: systemClock };
  const proxy = new Haproxy(options);
  proxies.push(proxy);
  return { proxy, ports, options };
}

function plan(parts: Partial<IngressPlan>): IngressPlan {
  return { routes: [], fallback: undefined, backends: [], certificates: [], problems: [], ...parts };
}

function route(host: string, path: string, backend: string, match: Route['match'] = 'Prefix'): Route {
  return { host, path, match, backend };
}

/** Status and body of a request. */
function ask(port: number, host: string, path = '/', agent?: Agent): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = get({ host: '127.0.0.1', port, path, headers: { host }, agent: agent ?? false }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => {
        body += text;
      });
      response.on('end', () => resolve(`${response.statusCode} ${body.trim()}`));
    });
    request.on('error', reject);
  });
}

describe.skipIf(missing !== undefined)(`the ingress proxy${missing === undefined ? '' : ` (${missing})`}`, () => {
  let a: string;
  let b: string;
  beforeAll(async () => {
    [a, b] = await Promise.all([serve('a'), serve('b')]);
  });
  afterAll(async () => {
    await Promise.all(proxies.map((proxy) => proxy.stop()));
    for (const server of servers) server.close();
    for (const dir of dirs) rmSync(dir, { recursive: true, force: true });
  });

  test('chooses by host and path, the most particular rule first', async () => {
    const { proxy, ports } = await newProxy();
    await proxy.apply(
      plan({
        routes: [
          route('shop.example.com', '/cart', 'b', 'Exact'),
          route('shop.example.com', '/api', 'b'),
          route('shop.example.com', '/', 'a'),
          route('*.example.com', '/', 'b'),
          route('', '/any', 'a'),
        ],
        backends: [
          { id: 'a', servers: [a] },
          { id: 'b', servers: [b] },
        ],
      }),
      signal,
    );
    const said = async (host: string, path: string): Promise<string> => (await ask(ports.http, host, path)).slice(0, 5);
    expect(await said('shop.example.com', '/')).toBe('200 a');
    expect(await said('SHOP.example.com:80', '/cart')).toBe('200 b');
    expect(await said('shop.example.com', '/cart/1')).toBe('200 a');
    expect(await said('shop.example.com', '/api')).toBe('200 b');
    expect(await said('shop.example.com', '/api/v1?x=1')).toBe('200 b');
    expect(await said('shop.example.com', '/apix')).toBe('200 a');
    expect(await said('other.example.com', '/x')).toBe('200 b');
    expect(await said('a.b.example.com', '/x')).toBe('404 n');
    expect(await said('elsewhere', '/any/thing')).toBe('200 a');
    expect(await ask(ports.http, 'elsewhere', '/')).toBe('404 no Ingress has a rule for this host and path');
  });

  test('drops no request while rules change and servers come and go', async () => {
    const { proxy, ports } = await newProxy();
    const slow = await serve('slow', 30);
    const backends = (...addresses: string[]) => [{ id: 'web', servers: addresses }];
    const of = (path: string, ...addresses: string[]) =>
      plan({ routes: [route('', path, 'web')], fallback: 'web', backends: backends(...addresses) });
    await proxy.apply(of('/', slow), signal);
    const stop = new AbortController();
    const failures: string[] = [];
    let answered = 0;
    const kept = new Agent({ keepAlive: true, maxSockets: 1 });
    const client = async (agent: Agent | undefined): Promise<void> => {
      while (!stop.signal.aborted) {
        const reply = await ask(ports.http, 'x', '/', agent).catch((err: Error) => `failed: ${err.message}`);
        if (reply.startsWith('200 ')) answered += 1;
        else failures.push(reply);
      }
    };
    const clients = [client(undefined), client(undefined), client(kept), client(undefined)];
    for (let i = 0; i < 6; i += 1) {
      await proxy.apply(of(`/${i}`, slow), signal);
      await proxy.apply(of(`/${i}`, a, slow), signal);
      await proxy.apply(of(`/${i}`, b), signal);
      await proxy.apply(of(`/${i}`, b, slow), signal);
    }
    stop.abort();
    await Promise.all(clients);
    kept.destroy();
    expect(failures).toEqual([]);
    expect(answered).toBeGreaterThan(20);
  });

  test('shows the certificate of the host asked for', async () => {
    const { proxy, ports } = await newProxy();
    const validity = { notBefore: new Date(Date.now() - 60_000), notAfter: new Date(Date.now() + 3_600_000) };
    const ca = await makeCa({ commonName: 'test' }, validity);
    const certificate = async (host: string) => {
      const pair = await signCertificate(
        { subject: { commonName: host }, usage: ['server'], names: [host], ...validity },
        ca,
      );
      return { name: host, hosts: [host], pem: `${pair.cert}${pair.key}` };
    };
    const certificates = [await certificate('one.test'), await certificate('two.test')];
    const backends = [{ id: 'a', servers: [a] }];
    await proxy.apply(plan({ fallback: 'a', backends, certificates }), signal);
    for (const host of ['one.test', 'two.test']) {
      const reply = await new Promise<string>((resolve, reject) => {
        const options = { host: '127.0.0.1', port: ports.https, servername: host, ca: ca.cert, agent: false };
        getTls(options, (response) => {
          response.setEncoding('utf8').on('data', resolve);
        }).on('error', reject);
      });
      expect(reply).toBe('a / https');
    }
  });

  test('is adopted by the next agent, and says when its port is taken', async () => {
    const { proxy, ports, options } = await newProxy();
    await proxy.apply(plan({ fallback: 'a', backends: [{ id: 'a', servers: [a] }] }), signal);
    const next = new Haproxy(options);
    expect(next.isRunning).toBe(true);
    await next.apply(plan({ fallback: 'b', backends: [{ id: 'b', servers: [b] }] }), signal);
    expect((await ask(ports.http, 'x')).slice(0, 5)).toBe('200 b');

    const second = await newProxy();
    const rival = new Haproxy({ ...second.options, ports });
    const starting = rival.apply(plan({ fallback: 'a', backends: [{ id: 'a', servers: [a] }] }), signal);
    await expect(starting).rejects.toThrow(ProxyError);
    await expect(starting).rejects.toThrow(
      `Ingress needs port ${ports.http} of this node, which is taken by haproxy (process `,
    );

    await next.stop();
    expect(next.isRunning).toBe(false);
    await expect(ask(ports.http, 'x')).rejects.toThrow('ECONNREFUSED');
  });
});
