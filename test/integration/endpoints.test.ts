/** The endpoints of services over the simulated cluster: what the controllers make of pods that come, change and go. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { endpointSliceController } from '../../control-plane/controllers/endpoint-slice/endpoint-slice.ts';
import { endpointSliceMirroringController } from '../../control-plane/controllers/endpoint-slice-mirroring/endpoint-slice-mirroring.ts';
import { endpointsController } from '../../control-plane/controllers/endpoints/endpoints.ts';
import { type corev1, type discoveryv1, KINDS } from '../../proto/index.ts';
import { SimulatedCluster } from './controllers-harness.ts';

const SERVICE = 'kubernetes.io/service-name';

describe('endpoints of services', () => {
  let cluster: SimulatedCluster;

  beforeEach(async () => {
    cluster = new SimulatedCluster({
      controllers: [endpointSliceController, endpointsController, endpointSliceMirroringController],
    });
    await cluster.start({ kubelet: false });
  });
  afterEach(() => cluster.stop());

  const makeService = (spec: corev1.ServiceSpec, name = 'web'): Promise<corev1.Service> =>
    cluster.client.create(KINDS.Service, { metadata: { name, namespace: 'default', labels: { tier: 'front' } }, spec });
  const web: corev1.ServiceSpec = {
    clusterIP: '10.43.0.9',
    selector: { app: 'web' },
    ports: [{ name: 'http', port: 80, targetPort: '8080', protocol: 'TCP' }],
  };
  const makePod = async (index: number, { ready = true, app = 'web' } = {}): Promise<corev1.Pod> => {
    const pod = await cluster.client.create(KINDS.Pod, {
      metadata: { name: `p${index}`, namespace: 'default', labels: { app } },
      spec: { nodeName: 'n1', containers: [{ name: 'a' }] },
    });
    const conditions = [{ type: 'Ready', status: ready ? 'True' : 'False' }];
    const status = { phase: 'Running', podIP: `10.42.0.${index}`, conditions };
    return cluster.client.update(KINDS.Pod, { ...pod, status }, { subresource: 'status' });
  };
  const slices = (service = 'web'): discoveryv1.EndpointSlice[] =>
    cluster.client.peek(KINDS.EndpointSlice).filter(({ metadata }) => metadata?.labels?.[SERVICE] === service);
  /** Endpoints of all slices: address, with a mark when it takes no traffic. */
  const endpoints = (service?: string): string =>
    slices(service)
      .flatMap((slice) => slice.endpoints ?? [])
      .map(({ addresses, conditions }) => `${addresses?.[0]}${conditions?.ready === true ? '' : '!'}`)
      .sort()
      .join(' ');
  const until = (expected: string): Promise<void> => cluster.until(() => endpoints() === expected, expected, 2_000);

  test('follow pods: not ready, ready, relabelled, going, gone', async () => {
    await makeService(web);
    await cluster.until(() => slices().length === 1, 'a slice without endpoints');
    expect(slices()[0]).toMatchObject({
      addressType: 'IPv4',
      metadata: {
        labels: { tier: 'front', 'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io' },
        ownerReferences: [{ kind: 'Service', name: 'web', controller: true }],
      },
    });
    const pod = await makePod(1, { ready: false });
    await makePod(2);
    await makePod(3, { app: 'other' });
    await until('10.42.0.1! 10.42.0.2');
    expect(slices()[0]?.ports).toEqual([{ name: 'http', port: 8080, protocol: 'TCP' }]);
    const status = { ...pod.status, conditions: [{ type: 'Ready', status: 'True' }] };
    const now = await cluster.client.update(KINDS.Pod, { ...pod, status }, { subresource: 'status' });
    await until('10.42.0.1 10.42.0.2');
    await cluster.client.update(KINDS.Pod, { ...now, metadata: { ...now.metadata, labels: { app: 'other' } } });
    await until('10.42.0.2');
    await cluster.client.delete(KINDS.Pod, { namespace: 'default', name: 'p2' });
    await until('10.42.0.2!');
    expect(slices()[0]?.endpoints?.[0]?.conditions).toEqual({ ready: false, serving: true, terminating: true });
    await cluster.client.delete(KINDS.Pod, { namespace: 'default', name: 'p2' }, { gracePeriodSeconds: 0 });
    await until('');
    expect(slices()).toHaveLength(1);
  });

  test('are repaired when somebody changes or deletes a slice; those of others are left alone', async () => {
    await makePod(1);
    await makeService(web);
    await until('10.42.0.1');
    const foreign: discoveryv1.EndpointSlice = {
      metadata: { name: 'by-hand', namespace: 'default', labels: { [SERVICE]: 'web' } },
      addressType: 'IPv4',
      endpoints: [{ addresses: ['192.0.2.1'], conditions: { ready: true } }],
    };
    await cluster.client.create(KINDS.EndpointSlice, foreign);
    const [own] = slices().filter(({ metadata }) => metadata?.name !== 'by-hand');
    await cluster.client.update(KINDS.EndpointSlice, { ...own, endpoints: [] });
    await until('10.42.0.1 192.0.2.1');
    await cluster.client.delete(KINDS.EndpointSlice, { namespace: 'default', name: own?.metadata?.name ?? '' });
    await until('10.42.0.1 192.0.2.1');
  });

  test('go when the service becomes a name, and come back with it', async () => {
    await makePod(1);
    const made = await makeService(web);
    await until('10.42.0.1');
    const name = { type: 'ExternalName', externalName: 'example.org', selector: { app: 'web' } };
    const now = await cluster.client.update(KINDS.Service, { ...made, spec: name });
    await cluster.until(() => slices().length === 0, 'no slice');
    await cluster.client.update(KINDS.Service, { ...now, spec: web });
    await until('10.42.0.1');
  });

  const legacy = (name = 'web'): string =>
    cluster.client
      .peek(KINDS.Endpoints)
      .filter(({ metadata }) => metadata?.name === name)
      .flatMap(({ subsets = [] }) => subsets)
      .map(({ addresses = [], notReadyAddresses = [], ports = [] }) => {
        const list = (all: corev1.EndpointAddress[]): string => all.map(({ ip }) => ip).join(',');
        return `${list(addresses)} not ${list(notReadyAddresses)} at ${ports.map(({ port }) => port).join()}`;
      })
      .join('; ');

  test('are in Endpoints, too, which go with the service', async () => {
    await makePod(2);
    await makePod(1, { ready: false });
    await makePod(3);
    await makeService(web);
    await cluster.until(() => legacy() === '10.42.0.2,10.42.0.3 not 10.42.0.1 at 8080', 'the Endpoints', 2_000);
    // One that is going takes no traffic, and is not named.
    await cluster.client.delete(KINDS.Pod, { namespace: 'default', name: 'p3' });
    await cluster.until(() => legacy() === '10.42.0.2 not 10.42.0.1 at 8080', 'the Endpoints without it', 2_000);
    const [object] = cluster.client.peek(KINDS.Endpoints);
    await cluster.client.update(KINDS.Endpoints, { ...object, subsets: [] });
    await cluster.until(() => legacy() === '10.42.0.2 not 10.42.0.1 at 8080', 'repaired Endpoints', 2_000);
    await cluster.client.delete(KINDS.Service, { namespace: 'default', name: 'web' });
    await cluster.until(() => cluster.client.peek(KINDS.Endpoints).length === 0, 'no Endpoints', 2_000);
  });

  test('written by hand as Endpoints are mirrored into slices', async () => {
    await makeService({ ports: [{ port: 80 }] });
    const metadata = { name: 'web', namespace: 'default' };
    const ports = [{ port: 5432, protocol: 'TCP' }];
    const made = await cluster.client.create(KINDS.Endpoints, {
      metadata,
      subsets: [{ addresses: [{ ip: '192.0.2.7' }], notReadyAddresses: [{ ip: '192.0.2.8' }], ports }],
    });
    await until('192.0.2.7 192.0.2.8!');
    expect(slices()[0]).toMatchObject({
      ports: [{ name: '', port: 5432 }],
      metadata: {
        labels: { 'endpointslice.kubernetes.io/managed-by': 'endpointslicemirroring-controller.k8s.io' },
        ownerReferences: [{ kind: 'Endpoints', name: 'web' }],
      },
    });
    const next = await cluster.client.update(KINDS.Endpoints, {
      ...made,
      subsets: [{ addresses: [{ ip: '192.0.2.8' }], ports }],
    });
    await until('192.0.2.8');
    const labels = { 'endpointslice.kubernetes.io/skip-mirror': 'true' };
    await cluster.client.update(KINDS.Endpoints, { ...next, metadata: { ...next.metadata, labels } });
    await cluster.until(() => slices().length === 0, 'no slice', 2_000);
  });

  test('250 pods are three slices, and one pod less is one write', async () => {
    await Promise.all(Array.from({ length: 250 }, (_, i) => makePod(i)));
    await makeService(web);
    await cluster.until(() => slices().length === 3, 'three slices');
    const versions = (): string[] => slices().map(({ metadata }) => metadata?.resourceVersion ?? '');
    const before = versions();
    await cluster.client.delete(KINDS.Pod, { namespace: 'default', name: 'p120' }, { gracePeriodSeconds: 0 });
    await cluster.until(() => endpoints().split(' ').length === 249, '249 endpoints');
    expect(versions().filter((version) => !before.includes(version))).toHaveLength(1);
  });
});
