/** Load balancers over the simulated cluster: addresses given, kept and let go; the announcing node and who takes over. */
import { afterEach, describe, expect, test } from 'vitest';
import { loadBalancerController } from '../../control-plane/controllers/load-balancer/load-balancer.ts';
import { addressPool } from '../../lib/address-pool.ts';
import { type corev1, KINDS } from '../../proto/index.ts';
import { readyNode, SimulatedCluster } from './controllers-harness.ts';

const BY = 'skiff.dev/announced-by';

describe('load balancers', () => {
  let cluster: SimulatedCluster;
  afterEach(() => cluster.stop());

  async function start(pool: string): Promise<void> {
    const settings = { loadBalancerPool: addressPool(pool) };
    cluster = new SimulatedCluster({ controllers: [loadBalancerController], settings });
    for (const [i, name] of ['n1', 'n2', 'n3'].entries()) await addNode(name, `10.0.0.${i + 1}`);
    await cluster.start({ kubelet: false });
  }
  async function addNode(name: string, address: string): Promise<void> {
    const node = readyNode(name, '2026-01-01T00:00:00Z');
    const made = await cluster.client.create(KINDS.Node, node);
    const status = { ...node.status, addresses: [{ type: 'InternalIP', address }] };
    await cluster.client.update(KINDS.Node, { ...made, status }, { subresource: 'status' });
  }
  async function setReady(name: string, status: string): Promise<void> {
    const node = await cluster.client.get(KINDS.Node, { name });
    const next = { ...node.status, conditions: [{ type: 'Ready', status }] };
    await cluster.client.update(KINDS.Node, { ...node, status: next }, { subresource: 'status' });
  }
  const make = (name: string, spec: corev1.ServiceSpec = {}): Promise<corev1.Service> =>
    cluster.client.create(KINDS.Service, {
      metadata: { name, namespace: 'default' },
      spec: { type: 'LoadBalancer', externalTrafficPolicy: 'Cluster', ports: [{ port: 80, protocol: 'TCP' }], ...spec },
    });
  const get = (name: string): corev1.Service | undefined =>
    cluster.client.peek(KINDS.Service).find(({ metadata }) => metadata?.name === name);
  const addresses = (name: string): string =>
    (get(name)?.status?.loadBalancer?.ingress ?? []).map(({ ip }) => ip).join(' ');
  const announcer = (name: string): string => get(name)?.metadata?.annotations?.[BY] ?? '';
  const until = (name: string, expected: string): Promise<void> =>
    cluster.until(() => addresses(name) === expected, `${expected} for ${name}, but ${addresses(name)}`, 3_000);
  const endpointsOn = (service: string, node: string) => ({
    metadata: { name: `${service}-1`, namespace: 'default', labels: { 'kubernetes.io/service-name': service } },
    addressType: 'IPv4',
    endpoints: [{ addresses: ['10.42.0.1'], nodeName: node, conditions: { ready: true } }],
  });

  test('without a pool a service has the addresses of the nodes that serve', async () => {
    await start('');
    await make('a');
    await until('a', '10.0.0.1 10.0.0.2 10.0.0.3');
    await setReady('n2', 'Unknown');
    await until('a', '10.0.0.1 10.0.0.3');
    await make('local', { externalTrafficPolicy: 'Local', ports: [{ port: 81, protocol: 'TCP' }] });
    await cluster.client.create(KINDS.EndpointSlice, endpointsOn('local', 'n3'));
    await until('local', '10.0.0.3');
    const service = get('a');
    await cluster.client.update(KINDS.Service, { ...service, spec: { ...service?.spec, type: 'ClusterIP' } });
    await until('a', '');
  });

  test('without a pool two services do not get the same port, and none gets one of the machines', async () => {
    await start('');
    await make('a');
    await until('a', '10.0.0.1 10.0.0.2 10.0.0.3');
    await make('b');
    await make('ssh', { ports: [{ port: 22, protocol: 'TCP' }] });
    const message = (name: string): string => get(name)?.status?.conditions?.[0]?.message ?? '';
    await cluster.until(() => message('ssh') !== '' && message('b') !== '', 'the conditions', 3_000);
    expect(message('ssh')).toMatch(/^port 22\/TCP of the nodes belongs to the machines themselves/);
    expect(message('b')).toMatch(/^port 80\/TCP of the nodes belongs to the service default\/a/);
    await cluster.client.delete(KINDS.Service, { namespace: 'default', name: 'a' });
    await until('b', '10.0.0.1 10.0.0.2 10.0.0.3');
  });

  test('many at once get different addresses of the pool; what is free again goes to who waits', async () => {
    await start('192.0.2.1-192.0.2.8');
    await Promise.all(Array.from({ length: 9 }, (_, i) => make(`s${i}`)));
    const all = (): string[] =>
      cluster.client.peek(KINDS.Service).map(({ metadata }) => addresses(metadata?.name ?? ''));
    await cluster.until(() => all().filter((one) => one !== '').length === 8, 'eight addresses', 3_000);
    expect(new Set(all()).size).toBe(9);
    const waiting = cluster.client.peek(KINDS.Service).find((one) => addresses(one.metadata?.name ?? '') === '');
    const name = waiting?.metadata?.name ?? '';
    await cluster.until(() => get(name)?.status?.conditions?.[0]?.reason === 'NoAddressLeft', 'the condition', 3_000);
    await cluster.until(() => cluster.eventMessages('NoAddressLeft').length > 0, 'the event', 3_000);
    const other = name === 's0' ? 's1' : 's0';
    const freed = addresses(other);
    await cluster.client.delete(KINDS.Service, { namespace: 'default', name: other });
    await until(name, freed);
    expect(get(name)?.status?.conditions ?? []).toEqual([]);
  });

  test('one node announces; another takes over when it is silent, and keeps it', async () => {
    await start('192.0.2.0/24');
    await make('a');
    await until('a', '192.0.2.1');
    const first = announcer('a');
    expect(['n1', 'n2', 'n3']).toContain(first);
    await setReady(first, 'Unknown');
    await cluster.until(() => announcer('a') !== first && announcer('a') !== '', 'another announcer', 3_000);
    const second = announcer('a');
    await setReady(first, 'True');
    await cluster.clock.advance(1_000);
    expect(announcer('a')).toBe(second);
    expect(addresses('a')).toBe('192.0.2.1');
  });

  test('a service that keeps traffic on nodes is announced where its pods are', async () => {
    await start('192.0.2.0/24');
    await make('a', { externalTrafficPolicy: 'Local' });
    const slice = await cluster.client.create(KINDS.EndpointSlice, endpointsOn('a', 'n2'));
    await cluster.until(() => announcer('a') === 'n2', 'n2', 3_000);
    await cluster.client.update(KINDS.EndpointSlice, { ...slice, endpoints: endpointsOn('a', 'n3').endpoints });
    await cluster.until(() => announcer('a') === 'n3', 'n3', 3_000);
  });

  test('a service of another class is left alone', async () => {
    await start('192.0.2.0/24');
    await make('theirs', { loadBalancerClass: 'example.org/lb' });
    await make('ours', { loadBalancerIP: '192.0.2.77' });
    await until('ours', '192.0.2.77');
    expect([addresses('theirs'), announcer('theirs')]).toEqual(['', '']);
  });
});
