import { describe, expect, test } from 'vitest';
import type { corev1 } from '../../../proto/index.ts';
import { changesTo, type KernelNetwork } from './changes.ts';
import { type LocalLink, type LocalRoute, linksOf } from './links.ts';
import { planNetwork, type RoutingNode, type WantedNetwork } from './plan.ts';

const self: RoutingNode = {
  name: 'n1',
  ips: ['192.0.2.1'],
  podCidr: '10.42.1.0/24',
  clusterCidr: '10.42.0.0/16',
  serviceCidr: '10.43.0.0/16',
  bridge: 'skiff0',
  vxlan: 'skiffvx',
};

const link = (name: string, ...addresses: string[]): LocalLink => ({
  name,
  mtu: 1500,
  loopback: name === 'lo',
  isSegment: !name.startsWith('wg') && name !== 'lo',
  addresses: addresses.map((text) => {
    const [address = '', prefix] = text.split('/');
    return { address, prefix: Number(prefix) };
  }),
});
const LINKS = [link('lo', '127.0.0.1/8'), link('eth0', '192.0.2.1/24'), link('skiff0', '10.42.1.1/24')];

const node = (name: string, podCIDR: string, ...ips: string[]): corev1.Node => ({
  metadata: { name },
  spec: podCIDR === '' ? {} : { podCIDR },
  status: {
    addresses: [...ips.map((address) => ({ type: 'InternalIP', address })), { type: 'Hostname', address: name }],
  },
});

/** `n2 by route via 192.0.2.2 on eth0`, …, or why not. */
function ways(nodes: readonly corev1.Node[], links: readonly LocalLink[] = LINKS): string[] {
  const { paths, routes, left } = planNetwork(self, nodes, links);
  return [
    ...paths.map(({ node: name, by, address, gateway }) => {
      const route = routes.find(({ dst }) => dst.startsWith(gateway.replace(/\.1$/, '.')));
      return `${name} by ${by} to ${address} on ${route?.dev}`;
    }),
    ...left.map(({ node: name, why }) => `${name}: ${why}`),
  ];
}

describe('the way to another node', () => {
  test.each<[string, corev1.Node, readonly LocalLink[], string]>([
    ['on our segment', node('n2', '10.42.2.0/24', '192.0.2.2'), LINKS, 'n2 by route to 192.0.2.2 on eth0'],
    ['beyond a router', node('n2', '10.42.2.0/24', '198.51.100.2'), LINKS, 'n2 by VXLAN to 198.51.100.2 on skiffvx'],
    [
      'with one of its addresses on our segment',
      node('n2', '10.42.2.0/24', '198.51.100.2', '192.0.2.2'),
      LINKS,
      'n2 by route to 192.0.2.2 on eth0',
    ],
    [
      'on a second link of ours',
      node('n2', '10.42.2.0/24', '198.51.100.2'),
      [...LINKS, link('eth1', '198.51.100.9/24')],
      'n2 by route to 198.51.100.2 on eth1',
    ],
    [
      'on two nested segments: the narrower, as the kernel would',
      node('n2', '10.42.2.0/24', '192.0.2.130'),
      [...LINKS, link('eth1', '192.0.2.129/25')],
      'n2 by route to 192.0.2.130 on eth1',
    ],
    [
      'in a private network of wires, which carries only what it knows',
      node('n2', '10.42.2.0/24', '100.64.0.2'),
      [...LINKS, link('wg0', '100.64.0.1/24')],
      'n2 by VXLAN to 100.64.0.2 on skiffvx',
    ],
    [
      'with a machine of /32',
      node('n2', '10.42.2.0/24', '203.0.113.1'),
      [link('eth0', '203.0.113.1/32')],
      'n2 by VXLAN to 203.0.113.1 on skiffvx',
    ],
    ['without a range', node('n2', '', '192.0.2.2'), LINKS, 'n2: it has no pod range yet'],
    ['without an address', node('n2', '10.42.2.0/24', 'fd00::2'), LINKS, 'n2: it has no InternalIP of IPv4 yet'],
    [
      'with our range',
      node('n2', '10.42.0.0/23', '192.0.2.2'),
      LINKS,
      'n2: its pod range 10.42.0.0/23 overlaps 10.42.1.0/24',
    ],
    [
      'with a range from elsewhere',
      node('n2', '10.0.0.0/24', '192.0.2.2'),
      LINKS,
      'n2: its pod range 10.0.0.0/24 is not inside 10.42.0.0/16',
    ],
    [
      'with our address',
      node('n2', '10.42.2.0/24', '192.0.2.1'),
      LINKS,
      'n2: it says it has our own address 192.0.2.1',
    ],
  ])('%s', (_, other, links, way) => {
    expect(ways([node('n1', '10.42.1.0/24', '192.0.2.1'), other], links)).toEqual([way]);
  });

  test('is as long as the link below allows, less what the tunnel adds', () => {
    const links = [{ ...link('eth0', '192.0.2.1/24'), mtu: 9000 }, link('skiff0', '10.42.1.1/24')];
    const { vxlan } = planNetwork(self, [node('n2', '10.42.2.0/24', '198.51.100.2')], links);
    expect(vxlan).toEqual({
      name: 'skiffvx',
      mac: '0a:53:0a:2a:01:01',
      mtu: 8950,
      local: '192.0.2.1',
      peers: [{ address: '198.51.100.2', gateway: '10.42.2.1', mac: '0a:53:0a:2a:02:01' }],
    });
  });

  test('has no source before the bridge has its address, and services none before there is a bridge', () => {
    const nodes = [node('n2', '10.42.2.0/24', '192.0.2.2')];
    const { routes } = planNetwork(self, nodes, [link('eth0', '192.0.2.1/24')]);
    expect(routes).toEqual([{ dst: '10.42.2.0/24', dev: 'eth0', gateway: '192.0.2.2', onlink: false, src: undefined }]);
  });

  test('goes to the first by name of two with the same range', () => {
    const twins = [node('n3', '10.42.2.0/24', '192.0.2.3'), node('n2', '10.42.2.0/24', '192.0.2.2')];
    expect(ways(twins)).toEqual([
      'n2 by route to 192.0.2.2 on eth0',
      'n3: its pod range 10.42.2.0/24 overlaps 10.42.2.0/24',
    ]);
  });
});

describe('the change it takes', () => {
  const nothing: KernelNetwork = { routes: [], vxlans: [], neighbours: [], forwarding: [] };
  const near = node('n2', '10.42.2.0/24', '192.0.2.2');
  const far = node('n3', '10.42.3.0/24', '198.51.100.3');
  const change = (nodes: readonly corev1.Node[], kernel: KernelNetwork) =>
    changesTo(planNetwork(self, nodes, LINKS), kernel, self);

  /** The kernel once a plan has been carried out. */
  const kernelOf = ({ routes, vxlan }: WantedNetwork): KernelNetwork => ({
    routes: routes.map((route) => ({ ...route, type: 'unicast', protocol: '83', scope: 'global', metric: 0 })),
    vxlans: vxlan === undefined ? [] : [{ ...vxlan, id: 83, port: 4789, up: true, learning: false }],
    neighbours: vxlan?.peers.map(({ gateway, mac }) => ({ dst: gateway, dev: vxlan.name, mac })) ?? [],
    forwarding: vxlan?.peers.map(({ address, mac }) => ({ mac, dst: address })) ?? [],
  });

  test('from nothing', () => {
    expect(change([near, far], nothing)).toEqual({
      links: [
        'link add skiffvx address 0a:53:0a:2a:01:01 mtu 1450 type vxlan id 83 dstport 4789 local 192.0.2.1 nolearning',
        'link set skiffvx addrgenmode none',
        'link set skiffvx up',
      ],
      forwarding: ['fdb append 0a:53:0a:2a:03:01 dev skiffvx dst 198.51.100.3 self permanent'],
      routes: [
        'neigh replace 10.42.3.1 lladdr 0a:53:0a:2a:03:01 dev skiffvx nud permanent',
        'route add 10.43.0.0/16 dev skiff0 proto 83 src 10.42.1.1',
        'route add 10.42.2.0/24 via 192.0.2.2 dev eth0 proto 83 src 10.42.1.1',
        'route add 10.42.3.0/24 via 10.42.3.1 dev skiffvx onlink proto 83 src 10.42.1.1',
      ],
      last: [],
    });
  });

  test('is none once it is made, whatever else there is', () => {
    const kernel = kernelOf(planNetwork(self, [near, far], LINKS));
    const foreign: LocalRoute = {
      type: 'unicast',
      dst: '10.42.9.0/24',
      dev: 'eth0',
      gateway: '192.0.2.9',
      protocol: 'static',
      scope: 'global',
      src: undefined,
      onlink: false,
      metric: 0,
    };
    const elsewhere = { ...foreign, dst: '172.16.0.0/12', protocol: '83' };
    const busy = { ...kernel, routes: [...kernel.routes, foreign, elsewhere] };
    expect(Object.values(change([near, far], busy)).flat()).toEqual([]);
  });

  test('of a node that moved to our segment: the tunnel goes last', () => {
    const kernel = kernelOf(planNetwork(self, [far], LINKS));
    expect(change([node('n3', '10.42.3.0/24', '192.0.2.3')], kernel)).toEqual({
      links: [],
      forwarding: [],
      routes: ['route replace 10.42.3.0/24 via 192.0.2.3 dev eth0 proto 83 src 10.42.1.1'],
      last: ['link del skiffvx'],
    });
  });

  test('of a node beyond the router with another address, and one that left', () => {
    const gone = node('n4', '10.42.4.0/24', '198.51.100.4');
    const kernel = kernelOf(planNetwork(self, [far, gone], LINKS));
    expect(change([node('n3', '10.42.3.0/24', '198.51.100.33')], kernel)).toEqual({
      links: [],
      forwarding: [
        'fdb del 0a:53:0a:2a:03:01 dev skiffvx dst 198.51.100.3 self',
        'fdb del 0a:53:0a:2a:04:01 dev skiffvx dst 198.51.100.4 self',
        'fdb append 0a:53:0a:2a:03:01 dev skiffvx dst 198.51.100.33 self permanent',
      ],
      routes: ['neigh del 10.42.4.1 dev skiffvx', 'route del 10.42.4.0/24 dev skiffvx proto 83'],
      last: [],
    });
  });

  test('of our own address: the tunnel is made anew, with all that hung on it', () => {
    const kernel = kernelOf(planNetwork(self, [far], LINKS));
    const moved = { ...self, ips: ['192.0.2.7'] };
    const links = [link('eth0', '192.0.2.7/24'), link('skiff0', '10.42.1.1/24')];
    const { links: lines, forwarding, routes } = changesTo(planNetwork(moved, [far], links), kernel, moved);
    expect(lines[0]).toBe('link del skiffvx');
    expect(lines[1]).toContain('local 192.0.2.7');
    expect([forwarding.length, routes.length]).toEqual([1, 2]);
  });
});

test('links that are down, or carry no frames to all, are no segments', () => {
  const entry = (ifname: string, ...flags: string[]) => ({
    ifname,
    flags,
    mtu: 1500,
    addr_info: [{ family: 'inet', local: '192.0.2.1', prefixlen: 24 }],
  });
  const links = linksOf([
    entry('eth0', 'BROADCAST', 'MULTICAST', 'UP', 'LOWER_UP'),
    entry('eth1', 'BROADCAST', 'MULTICAST'),
    entry('wg0', 'POINTOPOINT', 'NOARP', 'UP'),
    { ifname: 'veth', flags: ['BROADCAST', 'UP'], mtu: 1500, addr_info: [] },
  ]);
  expect(links.map(({ name, isSegment }) => `${name} ${isSegment}`)).toEqual(['eth0 true', 'eth1 false', 'wg0 false']);
});
