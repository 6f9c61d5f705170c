/** Addresses of load balancers on a wire: two machines as network namespaces, and a neighbour that watches. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { aborted } from '../../lib/aborted.ts';
import { MemoryResourceClient } from '../../lib/client/memory-resource-client.ts';
import type { ResourceClient } from '../../lib/client/resource-client.ts';
import { systemClock } from '../../lib/clock.ts';
import { ApiError } from '../../lib/errors.ts';
import { type ClusterView, clusterView } from '../../node-agent/features/cluster-view.ts';
import type { NodeFeature, NodePlace } from '../../node-agent/features/node-feature.ts';
import { createLoadBalancer } from '../../node-agent/load-balancer/announcer.ts';
import { KINDS } from '../../proto/index.ts';
import { forgetRun, newRun, type TestRun } from '../harness/run.ts';
import { netnsName } from '../harness/traces.ts';
import { waitFor } from '../harness/wait.ts';

const machines = ['n1', 'n2', 'nb'];
const VIP = '192.0.2.240';
const NEIGHBOUR = '192.0.2.9';
const log = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

function unavailable(): string | undefined {
  if (process.getuid?.() !== 0) return 'needs root';
  for (const tool of ['ip', 'arping', 'nsenter']) {
    try {
      execFileSync('which', [tool], { stdio: 'ignore' });
    } catch {
      return `needs ${tool}`;
    }
  }
  return undefined;
}

const why = unavailable();

interface TestAgent {
  readonly stop: () => Promise<void>;
  readonly feature: NodeFeature;
}

describe.skipIf(why !== undefined)(`the announcer of load balancers${why === undefined ? '' : ` (${why})`}`, () => {
  let run: TestRun;
  let client: MemoryResourceClient;
  let events: string[];
  const agents: TestAgent[] = [];

  const netns = (name: string): string => netnsName(run, machines.indexOf(name));
  const ip = (name: string, ...args: string[]): string =>
    execFileSync('ip', ['-n', netns(name), ...args], { encoding: 'utf8' });

  beforeEach(async () => {
    run = newRun();
    client = new MemoryResourceClient();
    events = [];
    // The wire is a bridge in the neighbour's namespace.
    for (const name of machines) execFileSync('ip', ['netns', 'add', netns(name)]);
    ip('nb', 'link', 'add', 'wire', 'type', 'bridge');
    ip('nb', 'address', 'add', `${NEIGHBOUR}/24`, 'dev', 'wire');
    ip('nb', 'link', 'set', 'wire', 'up');
    for (const [i, name] of ['n1', 'n2'].entries()) {
      ip('nb', 'link', 'add', name, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', netns(name));
      ip('nb', 'link', 'set', name, 'master', 'wire', 'up');
      ip(name, 'link', 'set', 'lo', 'up');
      ip(name, 'address', 'add', `192.0.2.${i + 1}/24`, 'dev', 'eth0');
      ip(name, 'link', 'set', 'eth0', 'up');
      const node = await client.create(KINDS.Node, { metadata: { name } });
      const status = { addresses: [{ type: 'InternalIP', address: `192.0.2.${i + 1}` }] };
      await client.update(KINDS.Node, { ...node, status }, { subresource: 'status' });
    }
    ip('nb', 'link', 'set', 'lo', 'up');
  });
  afterEach(async () => {
    for (const { stop } of agents.splice(0)) await stop();
    for (const name of machines) execFileSync('ip', ['netns', 'delete', netns(name)]);
    forgetRun(run);
  });

  async function agent(name: string, clientOf: ResourceClient = client): Promise<TestAgent> {
    const abort = new AbortController();
    const view: ClusterView = clusterView({ client: clientOf, clock: systemClock, log });
    const place = { name, ips: [`192.0.2.${name.slice(1)}`], runDir: join(run.dir, name) } as unknown as NodePlace;
    const feature = createLoadBalancer({
      place,
      view,
      client: clientOf,
      events: { record: (_object, _type, reason, message) => void events.push(`${reason} ${message}`) },
      clock: systemClock,
      log,
      changed: () => undefined,
      lookEveryMs: 1_000,
      prefix: ['nsenter', `--net=/run/netns/${netns(name)}`],
    });
    const running = Promise.all([view.run(abort.signal), feature.run(abort.signal)]);
    let stopped: Promise<unknown> | undefined;
    const stop = async (): Promise<void> => {
      abort.abort();
      stopped ??= running;
      await stopped;
    };
    const started: TestAgent = { stop, feature };
    agents.push(started);
    return started;
  }
  const makeService = async (by: string): Promise<void> => {
    const made = await client.create(KINDS.Service, {
      metadata: { name: 'web', namespace: 'default', annotations: { 'skiff.dev/announced-by': by } },
      spec: { type: 'LoadBalancer', ports: [{ port: 80 }] },
    });
    const status = { loadBalancer: { ingress: [{ ip: VIP }] } };
    await client.update(KINDS.Service, { ...made, status }, { subresource: 'status' });
  };
  const moveTo = async (by: string): Promise<void> => {
    const service = await client.get(KINDS.Service, { namespace: 'default', name: 'web' });
    const metadata = { ...service.metadata, annotations: { 'skiff.dev/announced-by': by } };
    await client.update(KINDS.Service, { ...service, metadata });
  };
  const has = (name: string): boolean => ip(name, '-4', 'address', 'show', 'dev', 'eth0').includes(`${VIP}/32`);
  const hardware = (name: string): string => /link\/ether (\S+)/.exec(ip(name, 'link', 'show', 'eth0'))?.[1] ?? '?';
  const known = (): string => /lladdr (\S+)/.exec(ip('nb', 'neigh', 'show', VIP))?.[1] ?? '';
  const until = (holds: () => boolean, what: string): Promise<boolean> => waitFor(what, holds, { timeoutMs: 12_000 });
  /** What the neighbour believes, before anybody says otherwise. */
  const believe = (mac: string): string =>
    ip('nb', 'neigh', 'replace', VIP, 'lladdr', mac, 'dev', 'wire', 'nud', 'stale');

  test('an address comes, is told to neighbours, moves, and goes', async () => {
    believe('02:00:00:00:00:99');
    await makeService('n1');
    const first = await agent('n1');
    await agent('n2');
    await until(() => known() === hardware('n1'), 'the neighbour to know n1');
    expect([has('n1'), has('n2')]).toEqual([true, false]);
    expect(first.feature.conditions?.()).toMatchObject([
      { status: 'True', reason: 'Announced', message: `on eth0: ${VIP}` },
    ]);
    await moveTo('n2');
    await until(() => known() === hardware('n2'), 'the neighbour to know n2');
    expect([has('n1'), has('n2')]).toEqual([false, true]);
    await client.delete(KINDS.Service, { namespace: 'default', name: 'web' });
    await until(() => !has('n2'), 'the address to go');
    expect(existsSync(join(run.dir, 'n2', 'load-balancer.json'))).toBe(false);
    expect(ip('n2', '-4', 'address', 'show', 'dev', 'eth0')).toContain('192.0.2.2/24');
  });

  test('it stays when the agent stops, is taken over from a node that is cut off, and goes with the node', async () => {
    await makeService('n1');
    const first = await agent('n1');
    await until(() => has('n1'), 'the address on n1');
    await first.stop();
    expect(has('n1')).toBe(true);
    // The first node does not hear of this: it still answers, and is no stranger.
    await moveTo('n2');
    believe(hardware('n1'));
    const second = await agent('n2');
    await until(() => known() === hardware('n2'), 'the neighbour to know n2');
    expect(events).toEqual([]);
    // An agent that starts again drops what is no longer its own.
    await agent('n1');
    await until(() => !has('n1'), 'the address to leave n1');
    await second.stop();
    await second.feature.teardown?.();
    expect(has('n2')).toBe(false);
  });

  test('a node that no server answers gives way to the one that took over', async () => {
    const link = { cut: false };
    const cutClient = new Proxy(client, {
      get: (target, name) => {
        const method: unknown = Reflect.get(target, name);
        if (typeof method !== 'function') return method;
        if (name === 'watch') {
          return async function* (...args: Parameters<ResourceClient['watch']>) {
            for await (const batch of target.watch(...args)) {
              if (link.cut) await aborted(args[2]?.signal ?? new AbortController().signal);
              yield batch;
            }
          };
        }
        return (...args: unknown[]): unknown => {
          if (link.cut) throw new ApiError('ServiceUnavailable', 'Cannot connect');
          return method.apply(target, args);
        };
      },
    });
    await makeService('n1');
    await agent('n1', cutClient);
    await until(() => has('n1'), 'the address on n1');
    link.cut = true;
    await moveTo('n2');
    await agent('n2');
    await until(() => has('n2'), 'the address on n2');
    await until(() => !has('n1'), 'n1 to give way');
    expect(has('n2')).toBe(true);
  });

  test('an address that a stranger has is left to him, and said', async () => {
    ip('nb', 'address', 'add', `${VIP}/24`, 'dev', 'wire');
    await makeService('n1');
    const { feature } = await agent('n1');
    await until(() => events.length > 0, 'the event');
    expect(events[0]).toMatch(
      new RegExp(`^AddressConflict Cannot announce ${VIP}: on eth0 [0-9a-f:]{17} answers for it$`),
    );
    expect(has('n1')).toBe(false);
    expect(feature.conditions?.()).toMatchObject([{ status: 'False', reason: 'AddressConflict' }]);
  });

  test('while no server can be reached nothing is taken down, not even by an agent that starts', async () => {
    await makeService('n1');
    const first = await agent('n1');
    await until(() => has('n1'), 'the address on n1');
    await first.stop();
    const away = new MemoryResourceClient();
    const lists: string[] = [];
    away.list = async (type) => {
      lists.push(type.kind);
      throw new ApiError('ServiceUnavailable', 'Cannot connect');
    };
    await agent('n1', away);
    await until(() => lists.filter((kind) => kind === 'Service').length > 1, 'the agent to ask in vain');
    expect(has('n1')).toBe(true);
  });
});
