/** Addresses and node ports of services over a real etcd: each has one owner, through however many servers, and none is lost. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CLUSTER_IPS, NODE_PORTS_CLAIMED } from '../../control-plane/api/allocation/service-claims.ts';
import type { ResourceClient } from '../../lib/client/resource-client.ts';
import { type corev1, KINDS } from '../../proto/index.ts';
import { type SecondServer, startTwoServers, type TwoServers } from './api-second-server.ts';
import { apiUnavailable, type ServerUnderTest } from './api-server-under-test.ts';

const MANY = 64;

describe.skipIf(apiUnavailable() !== undefined)('addresses of services', () => {
  let servers: TwoServers;
  let under: ServerUnderTest;
  let second: SecondServer;
  let clients: TwoServers['clients'];
  beforeAll(async () => {
    servers = await startTwoServers();
    ({ first: under, second, clients } = servers);
  });
  afterAll(() => servers?.stop());

  const pick = (i: number): ResourceClient => clients[i % 2 === 0 ? 0 : 1];
  const service = (name: string, spec: corev1.ServiceSpec = {}, namespace = 'default'): corev1.Service => ({
    metadata: { name, namespace },
    spec: { selector: { app: name }, ports: [{ name: 'http', port: 80 }], ...spec },
  });
  const claimed = async (prefix: string): Promise<string[]> => {
    const { entries } = await under.server.services.store.list(prefix);
    return entries.map(({ key }) => key.slice(prefix.length)).sort();
  };
  const addresses = (): Promise<string[]> => claimed(CLUSTER_IPS);
  const nodePorts = (): Promise<string[]> => claimed(NODE_PORTS_CLAIMED);
  const at = (name: string, namespace = 'default') => ({ name, namespace });
  const remove = (name: string, namespace = 'default'): Promise<unknown> =>
    clients[1].delete(KINDS.Service, at(name, namespace));

  test('are given once each, and come back', async () => {
    const before = await addresses();
    const made = await Promise.all(
      Array.from({ length: MANY }, (_, i) => pick(i).create(KINDS.Service, service(`many-${i}`, { type: 'NodePort' }))),
    );
    const given = made.map(({ spec }) => spec?.clusterIP ?? '');
    for (const address of given) expect(address).toMatch(/^10\.43\.\d+\.\d+$/);
    expect(new Set(given).size).toBe(MANY);
    const ports = made.map(({ spec }) => spec?.ports?.[0]?.nodePort ?? 0);
    for (const port of ports) expect(port >= 30_000 && port <= 32_767).toBe(true);
    expect(new Set(ports).size).toBe(MANY);
    expect(await addresses()).toEqual([...before, ...given].sort());
    expect(await nodePorts()).toEqual(ports.map(String).sort());
    for (const { spec } of made) expect(spec?.clusterIPs).toEqual([spec?.clusterIP]);
    await Promise.all(made.map((_, i) => remove(`many-${i}`)));
    expect(await addresses()).toEqual(before);
    expect(await nodePorts()).toEqual([]);
  });

  test('asked for by name have one winner', async () => {
    const spec = { clusterIP: '10.43.0.77', type: 'NodePort', ports: [{ name: 'http', port: 80, nodePort: 30_077 }] };
    const results = await Promise.allSettled(
      Array.from({ length: 16 }, (_, i) => pick(i).create(KINDS.Service, service(`named-${i}`, spec))),
    );
    const won = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
    expect(won).toHaveLength(1);
    const lost = results.flatMap((result) => (result.status === 'rejected' ? [String(result.reason)] : []));
    // Between its two looks the winner may have come: then only the second is refused.
    for (const line of lost) {
      expect(line).toMatch(
        /spec\.clusterIPs: Invalid value: \["10\.43\.0\.77"\]: failed to allocate IP 10\.43\.0\.77: provided IP is already allocated|spec\.ports\[0\]\.nodePort: Invalid value: 30077: provided port is already allocated/,
      );
    }
    await remove(won[0]?.metadata?.name ?? '');
    const again = await clients[0].create(KINDS.Service, service('named-again', spec));
    expect(again.spec?.clusterIP).toBe('10.43.0.77');
    await remove('named-again');
  });

  test('are refused outside the range', async () => {
    await expect(clients[0].create(KINDS.Service, service('far', { clusterIP: '10.96.0.1' }))).rejects.toThrow(
      'spec.clusterIPs: Invalid value: ["10.96.0.1"]: failed to allocate IP 10.96.0.1: the provided IP (10.96.0.1) is not in the valid range. The range of valid IPs is 10.43.0.0/16',
    );
    await expect(clients[0].create(KINDS.Service, service('net', { clusterIP: '10.43.0.0' }))).rejects.toThrow(
      'is not in the valid range',
    );
  });

  test('follow the type of the service', async () => {
    const before = await addresses();
    const created = await clients[0].create(KINDS.Service, service('moody', { type: 'LoadBalancer' }));
    expect(await nodePorts()).toEqual([String(created.spec?.ports?.[0]?.nodePort)]);
    const inside = await clients[1].patch(KINDS.Service, at('moody'), {
      type: 'merge',
      body: { spec: { type: 'ClusterIP' } },
    });
    expect(inside.spec?.ports?.[0]).not.toHaveProperty('nodePort');
    expect(inside.spec?.clusterIP).toBe(created.spec?.clusterIP);
    expect(await nodePorts()).toEqual([]);
    const alias = await clients[0].patch(KINDS.Service, at('moody'), {
      type: 'merge',
      body: { spec: { type: 'ExternalName', externalName: 'db.example.com' } },
    });
    expect(alias.spec).not.toHaveProperty('clusterIP');
    expect(await addresses()).toEqual(before);
    const back = await clients[1].patch(KINDS.Service, at('moody'), {
      type: 'merge',
      body: { spec: { type: 'NodePort', externalName: null } },
    });
    expect(await addresses()).toEqual([...before, back.spec?.clusterIP ?? ''].sort());
    await remove('moody');
    expect(await addresses()).toEqual(before);
    expect(await nodePorts()).toEqual([]);
  });

  test('are kept when an update does not name them, and when nothing changes', async () => {
    const created = await clients[0].create(KINDS.Service, service('kept', { type: 'NodePort' }));
    const updated = await clients[1].update(
      KINDS.Service,
      service('kept', { type: 'NodePort', selector: { app: 'x' } }),
    );
    expect(updated.spec?.clusterIP).toBe(created.spec?.clusterIP);
    expect(updated.spec?.ports).toEqual(created.spec?.ports);
    const same = await clients[0].update(KINDS.Service, service('kept', { type: 'NodePort', selector: { app: 'x' } }));
    expect(same.metadata?.resourceVersion).toBe(updated.metadata?.resourceVersion);
    await remove('kept');
  });

  test('of TCP and UDP on one number share the node port; a headless service has none', async () => {
    const both = await clients[0].create(
      KINDS.Service,
      service('dns', {
        type: 'NodePort',
        ports: [
          { name: 'tcp', port: 53, protocol: 'TCP' },
          { name: 'udp', port: 53, protocol: 'UDP' },
        ],
      }),
    );
    const [tcp, udp] = both.spec?.ports ?? [];
    expect(tcp?.nodePort).toBe(udp?.nodePort);
    expect(await nodePorts()).toEqual([String(tcp?.nodePort)]);
    const before = await addresses();
    const headless = await clients[0].create(KINDS.Service, service('headless', { clusterIP: 'None' }));
    expect(headless.spec?.clusterIPs).toEqual(['None']);
    expect(await addresses()).toEqual(before);
    await Promise.all([remove('dns'), remove('headless')]);
  });

  test('are not taken by a service that a quota refuses, nor by a dry run', async () => {
    const namespace = 'tight';
    await clients[0].create(KINDS.Namespace, { metadata: { name: namespace } });
    await clients[0].create(KINDS.ResourceQuota, {
      metadata: { name: 'q', namespace },
      spec: { hard: { services: '5', 'services.nodeports': '5' } },
    });
    await Promise.all([under.server, second.server].map(({ services }) => services.cache.catchUp()));
    const before = await addresses();
    const results = await Promise.allSettled(
      Array.from({ length: 20 }, (_, i) =>
        pick(i).create(KINDS.Service, service(`s${i}`, { type: 'NodePort' }, namespace)),
      ),
    );
    const made = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
    expect(made).toHaveLength(5);
    expect(await addresses()).toEqual([...before, ...made.map(({ spec }) => spec?.clusterIP ?? '')].sort());
    expect(await nodePorts()).toHaveLength(5);
    await Promise.all(made.map(({ metadata }) => remove(metadata?.name ?? '', namespace)));
    expect(await addresses()).toEqual(before);
    const tried = await clients[0].create(KINDS.Service, service('dry'), { dryRun: true });
    expect(tried.spec?.clusterIP).toMatch(/^10\.43\./);
    expect(await addresses()).toEqual(before);
  });
});
