/** The services every cluster has, over the simulated cluster: servers that come, stop and fall silent. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { apiEndpointsController } from '../../control-plane/controllers/api-endpoints/api-endpoints.ts';
import { keepServerLease } from '../../control-plane/controllers/api-endpoints/server-lease.ts';
import type { ResourceClient } from '../../lib/client/resource-client.ts';
import { KINDS } from '../../proto/index.ts';
import { SimulatedCluster } from './controllers-harness.ts';

const log = { debug: () => undefined, warn: () => undefined };

describe('the services every cluster has', () => {
  let cluster: SimulatedCluster;
  const stops: (() => Promise<void>)[] = [];

  beforeEach(async () => {
    cluster = new SimulatedCluster({ controllers: [apiEndpointsController] });
    await cluster.start({ kubelet: false });
  });
  afterEach(async () => {
    for (const stop of stops.splice(0)) await stop();
    await cluster.stop();
  });

  /** A server; returns how it stops, and how it dies. */
  function server(identity: string, address: string): { stop: () => Promise<void>; die: () => void } {
    const abort = new AbortController();
    let dead = false;
    const never = (): Promise<never> => Promise.reject(new Error('this server is dead'));
    const client: ResourceClient = {
      get: (...args) => cluster.client.get(...args),
      list: (...args) => cluster.client.list(...args),
      watch: (...args) => cluster.client.watch(...args),
      create: (...args) => (dead ? never() : cluster.client.create(...args)),
      update: (...args) => (dead ? never() : cluster.client.update(...args)),
      delete: (...args) => (dead ? never() : cluster.client.delete(...args)),
      patch: never,
      apply: never,
      bind: never,
    };
    const kept = keepServerLease({ client, identity, address: () => address, clock: cluster.clock, log }, abort.signal);
    const stop = async (): Promise<void> => {
      abort.abort();
      await kept;
    };
    stops.push(stop);
    const die = (): void => {
      dead = true;
    };
    return { stop, die };
  }
  const served = (): string =>
    cluster.client
      .peek(KINDS.EndpointSlice)
      .flatMap(({ endpoints = [], ports = [] }) => endpoints.map((one) => `${one.addresses?.[0]}:${ports[0]?.port}`))
      .sort()
      .join(' ');
  const endpoints = (): string =>
    cluster.client
      .peek(KINDS.Endpoints)
      .flatMap(({ subsets = [] }) =>
        subsets.flatMap(({ addresses = [], ports = [] }) => addresses.map(({ ip }) => `${ip}:${ports[0]?.port}`)),
      )
      .sort()
      .join(' ');
  const until = (expected: string, limitMs = 2_000): Promise<void> =>
    cluster.until(() => served() === expected && endpoints() === expected, `${expected}, but ${served()}`, limitMs);
  const leases = () => cluster.client.peek(KINDS.Lease);

  test('are made, and made again', async () => {
    const services = (): string[] =>
      cluster.client
        .peek(KINDS.Service)
        .map(({ metadata, spec }) => `${metadata?.name} ${spec?.clusterIP}`)
        .sort();
    const both = ['kube-dns 10.43.0.10', 'kubernetes 10.43.0.1'];
    await cluster.until(() => services().length === 2, 'two services', 2_000);
    expect(services()).toEqual(both);
    await cluster.client.delete(KINDS.Service, { namespace: 'default', name: 'kubernetes' });
    await cluster.client.delete(KINDS.Service, { namespace: 'kube-system', name: 'kube-dns' });
    await cluster.until(() => services().length === 2, 'two services', 2_000);
    expect(services()).toEqual(both);
  });

  test('one server is there, and nothing is renewed', async () => {
    server('a', '192.0.2.1:7443');
    await until('192.0.2.1:7443');
    const version = leases()[0]?.metadata?.resourceVersion;
    await cluster.clock.advance(300_000);
    expect(leases()[0]?.metadata?.resourceVersion).toBe(version);
    await until('192.0.2.1:7443');
    const slice = { namespace: 'default', name: 'kubernetes' };
    await cluster.client.delete(KINDS.EndpointSlice, slice);
    await until('192.0.2.1:7443');
    const now = await cluster.client.get(KINDS.EndpointSlice, slice);
    await cluster.client.update(KINDS.EndpointSlice, { ...now, endpoints: [] });
    await until('192.0.2.1:7443');
  });

  test('a second one comes and stops: it leaves at once', async () => {
    server('a', '192.0.2.1:7443');
    const second = server('b', '192.0.2.2:7443');
    await until('192.0.2.1:7443 192.0.2.2:7443');
    expect(cluster.client.peek(KINDS.EndpointSlice)).toHaveLength(1);
    await cluster.clock.advance(120_000);
    await until('192.0.2.1:7443 192.0.2.2:7443');
    await second.stop();
    await until('192.0.2.1:7443');
  });

  test('a second one dies: it leaves within thirty seconds, and the first renews no longer', async () => {
    server('a', '192.0.2.1:7443');
    const second = server('b', '192.0.2.2:8443');
    await until('192.0.2.1:7443 192.0.2.2:8443');
    second.die();
    await until('192.0.2.1:7443', 30_000);
    expect(leases()).toHaveLength(1);
    await cluster.clock.advance(11_000);
    const version = leases()[0]?.metadata?.resourceVersion;
    await cluster.clock.advance(60_000);
    expect(leases()[0]?.metadata?.resourceVersion).toBe(version);
  });

  test('a server that nobody else can reach is not named', async () => {
    server('a', '127.0.0.1:7443');
    await cluster.until(() => leases().length === 1, 'its lease', 2_000);
    await cluster.clock.advance(1_000);
    expect(served()).toBe('');
  });
});
