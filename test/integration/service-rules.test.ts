import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { corev1 } from '../../proto/index.ts';
import { waitFor } from '../harness/wait.ts';
import { ADDRESSES, ServiceWorld, whyNoNamespaces } from './service-rules-world.ts';

const reason = whyNoNamespaces();
const tcp = { name: 'http', protocol: 'TCP', port: 80, targetPort: '8080' };
const briefly = { patienceSeconds: 0.5 };
const udp = { name: 'dns', protocol: 'UDP', port: 53, targetPort: '8053' };

describe.skipIf(reason !== null)(`service rules in the kernel${reason === null ? '' : `: skipped, ${reason}`}`, () => {
  let world: ServiceWorld;

  beforeAll(async () => {
    world = new ServiceWorld();
    await world.start();
    for (const at of ['a', 'b', 'c', 'far'] as const) {
      await waitFor(`the server ${at}`, async () => (await world.dial('node', `${ADDRESSES[at]}:8080`)).startsWith(at));
    }
  });
  afterAll(() => world.close());

  it('a cluster IP is reached from pods, which keep their address, from the node, and by a pod from itself', async () => {
    const spec: corev1.ServiceSpec = { clusterIP: '10.43.0.1', type: 'ClusterIP', ports: [tcp] };
    await world.service('web', spec, [{ at: 'a' }, { at: 'far' }]);
    expect(await world.answering('b', '10.43.0.1:80')).toEqual(['a', 'far']);
    expect(await world.answering('node', '10.43.0.1:80')).toEqual(['a', 'far']);
    await world.endpoints('web', [{ at: 'a' }], [tcp]);
    expect(await world.dial('b', '10.43.0.1:80')).toBe(`a ${ADDRESSES.b}`);
    expect(await world.dial('a', '10.43.0.1:80')).toBe('a 10.42.1.1');
    expect(await world.dial('node', '10.43.0.1:80')).toBe('a 10.42.1.1');
  });

  it('without endpoints a connection is refused at once, and so is a service address that nobody has', async () => {
    const spec = { clusterIP: '10.43.0.2', type: 'NodePort', ports: [{ ...tcp, nodePort: 30_002 }, udp] };
    await world.service('empty', spec, [{ at: 'a', ready: false }]);
    for (const from of ['b', 'node'] as const) {
      for (const to of ['10.43.0.2:80', '10.43.0.2:81', '10.43.99.99:80', '192.0.2.1:30002']) {
        expect([from, to, await world.dial(from, to)]).toEqual([from, to, 'refused']);
      }
    }
    expect(await world.dial('outside', '192.0.2.1:30002')).toBe('refused');
    expect(await world.dial('b', '10.43.0.2:53', { udp: true })).toBe('refused');
  });

  it('endpoints that end are used only while no other is ready', async () => {
    const spec = { clusterIP: '10.43.0.3', type: 'ClusterIP', ports: [tcp] };
    await world.service('ending', spec, [{ at: 'a', terminating: true }, { at: 'b' }]);
    expect(await world.answering('c', '10.43.0.3:80')).toEqual(['b']);
    await world.endpoints(
      'ending',
      [
        { at: 'a', terminating: true },
        { at: 'b', ready: false },
      ],
      [tcp],
    );
    expect(await world.answering('c', '10.43.0.3:80')).toEqual(['a']);
  });

  it('a node port is reached from outside, from pods and from the node, on each of its addresses', async () => {
    const spec = { clusterIP: '10.43.0.4', type: 'NodePort', ports: [{ ...tcp, nodePort: 30_004 }] };
    await world.service('door', spec, [{ at: 'a' }, { at: 'far' }]);
    for (const from of ['outside', 'node', 'b'] as const) {
      expect(await world.answering(from, '192.0.2.1:30004')).toEqual(['a', 'far']);
    }
    expect(await world.answering('b', '10.42.1.1:30004')).toEqual(['a', 'far']);
    await world.endpoints('door', [{ at: 'far' }], [tcp]);
    expect(await world.dial('outside', '192.0.2.1:30004')).toBe('far 198.51.100.1');
  });

  it('an outside policy Local keeps the address of the client, drops where no endpoint is, and says so to balancers', async () => {
    const spec = {
      clusterIP: '10.43.0.5',
      type: 'LoadBalancer',
      externalTrafficPolicy: 'Local',
      healthCheckNodePort: 31_905,
      loadBalancerSourceRanges: ['192.0.2.0/25', '192.0.2.0/24'],
      ports: [{ ...tcp, nodePort: 30_005 }],
    };
    const status = { loadBalancer: { ingress: [{ ip: '203.0.113.5' }] } };
    const health = async (): Promise<unknown> => {
      const response = await fetch('http://127.0.0.1:31905/');
      return [response.status, await response.json()];
    };
    await world.service('local', spec, [{ at: 'a' }, { at: 'far' }], status);
    world.at('outside', 'ip route replace 203.0.113.0/24 via 192.0.2.1');
    expect(await world.answering('outside', '192.0.2.1:30005')).toEqual(['a']);
    expect(await world.dial('outside', '192.0.2.1:30005')).toBe(`a ${ADDRESSES.outside}`);
    expect(await world.dial('outside', '203.0.113.5:80')).toBe(`a ${ADDRESSES.outside}`);
    expect(await world.answering('b', '192.0.2.1:30005')).toEqual(['a', 'far']);
    expect(await world.answering('node', '192.0.2.1:30005')).toEqual(['a', 'far']);
    const service = { namespace: 'default', name: 'local' };
    expect(await health()).toEqual([200, { service, localEndpoints: 1, serviceProxyHealthy: true }]);
    // A pod of another node is none of the clients that may.
    expect(await world.dial('far', '203.0.113.5:80', briefly)).toBe('silent');
    await world.endpoints('local', [{ at: 'far' }], [tcp]);
    expect(await world.dial('outside', '192.0.2.1:30005', briefly)).toBe('silent');
    expect(await health()).toEqual([503, { service, localEndpoints: 0, serviceProxyHealthy: true }]);
  });

  it('an inside policy Local sends to this node only, and drops when the endpoints are elsewhere', async () => {
    const spec = { clusterIP: '10.43.0.6', type: 'ClusterIP', internalTrafficPolicy: 'Local', ports: [tcp] };
    await world.service('near', spec, [{ at: 'a' }, { at: 'far' }]);
    expect(await world.answering('b', '10.43.0.6:80')).toEqual(['a']);
    await world.endpoints('near', [{ at: 'far' }], [tcp]);
    expect(await world.dial('b', '10.43.0.6:80', briefly)).toBe('silent');
  });

  it('affinity keeps a client with its endpoint, until that leaves', async () => {
    const spec = {
      clusterIP: '10.43.0.7',
      type: 'NodePort',
      sessionAffinity: 'ClientIP',
      externalIPs: ['203.0.113.7'],
      ports: [{ ...tcp, nodePort: 30_007 }],
    };
    await world.service('sticky', spec, [{ at: 'a' }, { at: 'b' }, { at: 'far' }]);
    for (const [from, to] of [
      ['c', '10.43.0.7:80'],
      ['outside', '192.0.2.1:30007'],
      ['outside', '203.0.113.7:80'],
    ] as const) {
      expect(await world.answering(from, to)).toHaveLength(1);
    }
    const [first] = await world.answering('c', '10.43.0.7:80');
    const rest = (['a', 'b', 'far'] as const).filter((at) => at !== first);
    await world.endpoints(
      'sticky',
      rest.map((at) => ({ at })),
      [tcp],
    );
    const [second] = await world.answering('c', '10.43.0.7:80');
    expect(rest).toContain(second);
    // Back again, the client is where it went.
    await world.endpoints(
      'sticky',
      (['a', 'b', 'far'] as const).map((at) => ({ at })),
      [tcp],
    );
    expect(await world.answering('c', '10.43.0.7:80')).toEqual([second]);
    await world.service('sticky', { ...spec, sessionAffinity: 'None' }, [{ at: 'a' }, { at: 'b' }, { at: 'far' }]);
    expect(await world.answering('c', '10.43.0.7:80', 30)).toEqual(['a', 'b', 'far']);
  });

  it('a UDP client that keeps its port is sent on when its endpoint leaves, and answered once there is one', async () => {
    const spec = { clusterIP: '10.43.0.8', type: 'ClusterIP', ports: [udp] };
    const ask = (): Promise<string> => world.dial('c', '10.43.0.8:53', { udp: true, fromPort: 40_053 });
    await world.service('names', spec, []);
    expect(await ask()).toBe('refused');
    await world.endpoints('names', [{ at: 'a' }], [udp]);
    expect(await ask()).toBe(`a ${ADDRESSES.c}`);
    await world.endpoints('names', [{ at: 'b' }], [udp]);
    expect(await ask()).toBe(`b ${ADDRESSES.c}`);
  });

  it('the DNS address is left to the node', async () => {
    await world.service('dns', { clusterIP: '10.43.0.10', type: 'ClusterIP', ports: [tcp] }, [{ at: 'a' }]);
    world.at('node', 'ip addr add 10.43.0.10/32 dev br0');
    expect(world.at('node', 'nft list ruleset')).not.toContain('10.43.0.10 . tcp');
    expect(await world.dial('b', '10.43.0.10:80')).toBe('refused');
  });

  it('a pod is withdrawn once the rules no longer send to it, and not before', async () => {
    const spec = { clusterIP: '10.43.0.9', type: 'ClusterIP', ports: [tcp] };
    const pod = { namespace: 'default', name: 'c', uid: 'uid-c' };
    const object = { metadata: pod } as corev1.Pod;
    await world.service('rolling', spec, [{ at: 'c' }, { at: 'b' }]);
    expect(world.proxy.isServed(object)).toBe(true);
    expect(await world.proxy.withdrawn(pod, AbortSignal.timeout(100))).toBe(false);
    const withdrawn = world.proxy.withdrawn(pod, AbortSignal.timeout(10_000));
    await world.endpoints('rolling', [{ at: 'c', terminating: true }, { at: 'b' }], [tcp]);
    expect(await withdrawn).toBe(true);
    expect(await world.answering('a', '10.43.0.9:80')).toEqual(['b']);
    // Another node may still have to hear of it.
    expect(world.proxy.isServed(object)).toBe(true);
    await world.endpoints('rolling', [{ at: 'b' }], [tcp]);
    expect(world.proxy.isServed(object)).toBe(false);
  });

  it('all of it is back after somebody flushed the rules, and nothing before was refused by the kernel', async () => {
    // Nothing of all this had to be written twice.
    expect(world.said.filter((line) => line.startsWith('rules not taken'))).toEqual([]);
    await world.service('last', { clusterIP: '10.43.0.11', type: 'ClusterIP', ports: [tcp] }, [{ at: 'a' }]);
    await waitFor('the events to be heard', () => world.said.includes('rule events heard'));
    world.at('node', 'nft flush ruleset');
    await waitFor('the service', async () => (await world.dial('b', '10.43.0.11:80')).startsWith('a'));
  });
});
