/** Endpoints over the real API and etcd: what the simulated cluster may have got wrong shows here. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { LocalResourceClient } from '../../control-plane/api/local-client.ts';
import { LEADER_TASKS } from '../../control-plane/leader-tasks.ts';
import type { ResourceClient } from '../../lib/client/resource-client.ts';
import { Informer } from '../../lib/informer.ts';
import { type corev1, type discoveryv1, KINDS } from '../../proto/index.ts';
import { apiUnavailable, ServerUnderTest } from './api-server-under-test.ts';

const LIMIT_MS = 20_000;
const SERVICE = 'kubernetes.io/service-name';

describe.skipIf(apiUnavailable() !== undefined)('endpoints over the real API', () => {
  let under: ServerUnderTest;
  let client: ResourceClient;
  const stop = new AbortController();
  let slices: Informer<discoveryv1.EndpointSlice>;
  let services: Informer<corev1.Service>;
  let running: Promise<unknown>;

  beforeAll(async () => {
    under = await ServerUnderTest.start({ leaderTasks: LEADER_TASKS }, [
      '--advertise-address',
      '192.0.2.1',
      '--load-balancer-pool',
      '192.0.2.240-192.0.2.241',
    ]);
    client = new LocalResourceClient(under.server.services, 'system:test');
    slices = new Informer({ client, type: KINDS.EndpointSlice });
    services = new Informer({ client, type: KINDS.Service });
    running = Promise.all([slices.run(stop.signal), services.run(stop.signal)]);
  });
  afterAll(async () => {
    stop.abort();
    await running;
    await under?.stop();
  });

  const limit = (): AbortSignal => AbortSignal.timeout(LIMIT_MS);
  const slicesOf = (name: string): discoveryv1.EndpointSlice[] =>
    slices.list().filter(({ metadata }) => metadata?.labels?.[SERVICE] === name);
  const addresses = (name: string): string =>
    slicesOf(name)
      .flatMap(({ endpoints = [] }) => endpoints)
      .map(({ addresses: [address] = [], conditions }) => `${address}${conditions?.ready === true ? '' : '!'}`)
      .sort()
      .join(' ');
  const until = (name: string, expected: string): Promise<void> =>
    slices.waitUntil(() => addresses(name) === expected, limit());

  test('the services every cluster has get their addresses, and come back', async () => {
    const there = (): Promise<void> =>
      services.waitUntil(
        (informer) =>
          informer.get('default/kubernetes')?.spec?.clusterIP === '10.43.0.1' &&
          informer.get('kube-system/kube-dns')?.spec?.clusterIP === '10.43.0.10',
        limit(),
      );
    await there();
    // A server that listens on loopback alone is named by the address it is told.
    await until('kubernetes', '192.0.2.1');
    expect(slicesOf('kubernetes').flatMap(({ ports = [] }) => ports.map(({ port }) => port))).toEqual([
      under.server.port,
    ]);
    await client.delete(KINDS.Service, { namespace: 'default', name: 'kubernetes' });
    await there();
  });

  test('a service has slices of its pods, in all its forms', async () => {
    const namespace = 'default';
    const pod = await client.create(KINDS.Pod, {
      metadata: { name: 'p1', namespace, labels: { app: 'web' } },
      spec: { nodeName: 'n1', containers: [{ name: 'a', image: 'a', ports: [{ name: 'http', containerPort: 8080 }] }] },
    });
    const status = {
      ...pod.status,
      phase: 'Running',
      podIP: '10.42.0.7',
      conditions: [{ type: 'Ready', status: 'True' }],
    };
    await client.update(KINDS.Pod, { ...pod, status }, { subresource: 'status' });
    const spec = { selector: { app: 'web' }, ports: [{ port: 80, targetPort: 'http' }] };
    await client.create(KINDS.Service, { metadata: { name: 'web', namespace }, spec });
    await until('web', '10.42.0.7');
    const [slice] = slicesOf('web');
    expect(slice?.metadata?.name).toMatch(/^web-[a-z0-9]{5}$/);
    expect(slice?.ports).toEqual([{ name: '', port: 8080, protocol: 'TCP' }]);
    expect(slice?.metadata?.ownerReferences).toMatchObject([
      { kind: 'Service', name: 'web', blockOwnerDeletion: true },
    ]);

    const before = await client.get(KINDS.Service, { namespace, name: 'web' });
    const { clusterIP: _, clusterIPs: __, ...rest } = before.spec ?? {};
    const named = { ...rest, type: 'ExternalName', externalName: 'example.org' };
    await client.update(KINDS.Service, { ...before, spec: named });
    await slices.waitUntil(() => slicesOf('web').length === 0, limit());
    // Its address is free for another one now.
    const other = { clusterIP: before.spec?.clusterIP, ports: [{ port: 80 }] };
    await client.create(KINDS.Service, { metadata: { name: 'other', namespace }, spec: other as corev1.ServiceSpec });
    const now = await client.get(KINDS.Service, { namespace, name: 'web' });
    const { externalName: ___, ...kept } = now.spec ?? {};
    const ported = await client.update(KINDS.Service, { ...now, spec: { ...kept, type: 'NodePort' } });
    expect(ported.spec?.ports?.[0]?.nodePort).toBeGreaterThan(0);
    expect(ported.spec?.clusterIP).toMatch(/^10\.43\./);
    await until('web', '10.42.0.7');

    await client.delete(KINDS.Pod, { namespace, name: 'p1' });
    await until('web', '10.42.0.7!');
    await client.delete(KINDS.Service, { namespace, name: 'web' });
    await slices.waitUntil(() => slicesOf('web').length === 0, limit());
  });

  test('a load balancer has an address and an announcer, and loses both with its type', async () => {
    const namespace = 'default';
    const conditions = [{ type: 'Ready', status: 'True' }];
    await client.create(KINDS.Node, { metadata: { name: 'n1' }, status: { conditions } });
    const spec = { type: 'LoadBalancer', ports: [{ port: 80 }] };
    for (const name of ['a', 'b', 'c']) await client.create(KINDS.Service, { metadata: { name, namespace }, spec });
    const given = (): string[] =>
      ['a', 'b', 'c'].map((name) => services.get(`${namespace}/${name}`)?.status?.loadBalancer?.ingress?.[0]?.ip ?? '');
    await services.waitUntil(() => given().sort().join() === ',192.0.2.240,192.0.2.241', limit());
    const reasons = (): (string | undefined)[] =>
      services
        .list()
        .flatMap(({ status }) => status?.conditions ?? [])
        .map(({ reason }) => reason);
    await services.waitUntil(() => reasons().join() === 'NoAddressLeft', limit());
    const holder = services.list().find(({ status }) => status?.loadBalancer?.ingress?.[0]?.ip === '192.0.2.240');
    await services.waitUntil(
      (informer) =>
        informer.get(`${namespace}/${holder?.metadata?.name}`)?.metadata?.annotations?.['skiff.dev/announced-by'] ===
        'n1',
      limit(),
    );
    const fresh = await client.get(KINDS.Service, { namespace, name: holder?.metadata?.name ?? '' });
    await client.update(KINDS.Service, { ...fresh, spec: { ...fresh.spec, type: 'ClusterIP' } });
    // Who waited has it now.
    await services.waitUntil(
      () => given().filter((one) => one === '192.0.2.240').length === 1 && reasons().length === 0,
      limit(),
    );
    const left = await client.get(KINDS.Service, { namespace, name: holder?.metadata?.name ?? '' });
    expect(left.status?.loadBalancer?.ingress ?? []).toEqual([]);
    expect(left.metadata?.annotations ?? {}).not.toHaveProperty('skiff.dev/announced-by');
    expect(left.spec?.ports?.[0]?.nodePort ?? 0).toBe(0);
  });
});
