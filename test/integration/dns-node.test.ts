/** The DNS feature on a machine of its own (a network namespace): the address on the bridge, a taken port, a restart without a server. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { build } from 'esbuild';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { FeatureCondition } from '../../node-agent/features/node-feature.ts';
import { forgetRun, newRun, type TestRun } from '../harness/run.ts';
import { whyNoContainers } from './runtime-host.ts';

const skip = whyNoContainers();
const BRIDGE = 'dnsbr0';
const TEST_MS = 20_000;

/** A driver (see dns-driver.ts) and its calls. */
class Driver {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, { resolve: (value: unknown) => void; reject: (err: unknown) => void }>();
  #nextId = 1;

  constructor(child: ChildProcess) {
    this.#child = child;
    if (child.stdout === null) throw new Error('the driver has no output');
    createInterface({ input: child.stdout }).on('line', (line) => {
      const { id, result, error } = JSON.parse(line) as { id: number; result?: unknown; error?: string };
      if (error === undefined) this.#waiting.get(id)?.resolve(result);
      else this.#waiting.get(id)?.reject(new Error(error));
      this.#waiting.delete(id);
    });
    child.once('exit', () => {
      for (const { reject } of this.#waiting.values()) reject(new Error('the driver ended'));
    });
  }

  call<T>(call: string, ...args: readonly unknown[]): Promise<T> {
    if (this.#child.exitCode !== null) throw new Error('the driver has ended');
    const id = this.#nextId++;
    const answer = new Promise<unknown>((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
    this.#child.stdin?.write(`${JSON.stringify({ id, call, args })}\n`);
    return answer as Promise<T>;
  }

  async end(): Promise<void> {
    if (this.#child.exitCode !== null) return;
    this.#child.stdin?.end();
    await once(this.#child, 'exit');
  }
}

let run: TestRun;
let netns: string;
let driver: Driver | undefined;
const inside = (...argv: readonly string[]): string =>
  execFileSync('nsenter', [`--net=/run/netns/${netns}`, ...argv], { encoding: 'utf8' });

function start(offline: boolean, loopbackAfterMs = 60_000): Driver {
  const config = JSON.stringify({ bridge: BRIDGE, dataDir: join(run.dir, 'data'), offline, loopbackAfterMs });
  const argv = [`--net=/run/netns/${netns}`, process.execPath, join(run.dir, 'driver.cjs'), config];
  return new Driver(spawn('nsenter', argv, { stdio: ['pipe', 'pipe', 'inherit'] }));
}

const reason = async (): Promise<string | undefined> => (await driver?.call<FeatureCondition>('condition'))?.reason;
const makeBridge = (): void => {
  inside('ip', 'link', 'add', 'name', BRIDGE, 'type', 'bridge');
  inside('ip', 'addr', 'add', '10.42.0.1/24', 'dev', BRIDGE);
  inside('ip', 'link', 'set', BRIDGE, 'up');
};

beforeAll(async () => {
  if (skip !== null) return;
  run = newRun();
  netns = `dns${run.id}`;
  execFileSync('ip', ['netns', 'add', netns]);
  inside('ip', 'link', 'set', 'lo', 'up');
  const entryPoints = [join(import.meta.dirname, 'dns-driver.ts')];
  const outfile = join(run.dir, 'driver.cjs');
  await build({ entryPoints, bundle: true, platform: 'node', format: 'cjs', outfile, logLevel: 'silent' });
});

afterAll(async () => {
  if (skip !== null) return;
  await driver?.end();
  execFileSync('ip', ['netns', 'del', netns]);
  rmSync(run.dir, { recursive: true, force: true });
  forgetRun(run);
});

test.skipIf(skip !== null)(
  `the address comes with the bridge and again with a new one; who has the port is told${skip === null ? '' : ` (${skip})`}`,
  async () => {
    await driver?.end();
    if (inside('ip', '-br', 'link').includes(BRIDGE)) inside('ip', 'link', 'del', BRIDGE);
    driver = start(false);
    await driver.call('create', 'Namespace', { metadata: { name: 'shop' } });
    await driver.call('create', 'Service', {
      metadata: { namespace: 'shop', name: 'web' },
      spec: { clusterIP: '10.43.0.7' },
    });
    await expect.poll(reason, { timeout: 5000 }).toBe('NoAddress');
    const holder = spawn('nsenter', [`--net=/run/netns/${netns}`, 'socat', '-u', 'UDP-RECV:53', 'STDOUT'], {
      stdio: 'ignore',
    });
    try {
      await expect.poll(() => inside('ss', '-H', '-l', '-n', '-u'), { timeout: 5000 }).toContain(':53');
      makeBridge();
      await expect.poll(reason, { timeout: 5000 }).toBe('PortTaken');
      expect(await driver.call('condition')).toMatchObject({
        type: 'ClusterDNSReady',
        status: 'False',
        message: `Cannot answer names at 10.43.0.10: port 53 is taken by socat (process ${holder.pid})`,
      });
    } finally {
      holder.kill('SIGKILL');
    }
    await expect.poll(reason, { timeout: 5000 }).toBe('Serving');
    expect(await driver.call('resolve', 'web.shop.svc.cluster.local', '10.43.0.10')).toEqual(['10.43.0.7']);
    expect(await driver.call('resolve', 'web.shop.svc.cluster.local', '10.42.0.1')).toEqual(['10.43.0.7']);
    expect(await driver.call('resolve', 'nobody.shop.svc.cluster.local', '10.43.0.10')).toBe('ENOTFOUND');
    inside('ip', 'link', 'del', BRIDGE);
    makeBridge();
    await expect
      .poll(() => inside('ip', '-4', 'addr', 'show', 'dev', BRIDGE), { timeout: 5000 })
      .toContain('10.43.0.10/32');
    await expect
      .poll(() => driver?.call('resolve', 'web.shop.svc.cluster.local', '10.43.0.10'), { timeout: 5000 })
      .toEqual(['10.43.0.7']);
  },
  TEST_MS,
);

test.skipIf(skip !== null)(
  'a restarted agent without a server answers from what it saved; then nothing is left',
  async () => {
    await driver?.call('stop');
    await driver?.end();
    driver = start(true);
    await expect.poll(reason, { timeout: 5000 }).toBe('Serving');
    const resolve = (name: string): Promise<unknown> | undefined =>
      driver?.call('resolve', `${name}.cluster.local`, '10.43.0.10');
    expect(await resolve('web.shop.svc')).toEqual(['10.43.0.7']);
    expect(await resolve('nobody.shop.svc')).toBe('ENOTFOUND');
    expect(await resolve('10-42-0-9.shop.pod')).toBe('ESERVFAIL');
    await driver.call('stop');
    await driver.call('teardown');
    await driver.call('teardown');
    expect(inside('ip', '-4', 'addr', 'show', 'dev', BRIDGE)).not.toContain('10.43.0.10');
    await driver.end();
    inside('ip', 'link', 'del', BRIDGE);
    // Pods wired by a chain of the user's own: no bridge of ours.
    driver = start(true, 0);
    await expect.poll(reason, { timeout: 5000 }).toBe('Serving');
    expect(inside('ip', '-4', 'addr', 'show', 'dev', 'lo')).toContain('10.43.0.10/32');
    expect(await resolve('web.shop.svc')).toBe('ESERVFAIL');
    await driver.call('stop');
    await driver.call('teardown');
    expect(inside('ip', '-4', 'addr', 'show', 'dev', 'lo')).not.toContain('10.43.0.10');
  },
  TEST_MS,
);
