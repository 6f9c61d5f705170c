import { describe, expect, it } from 'vitest';
import { parseCniConfig } from './cni-config.ts';
import { hostChains, hostPortElements } from './host-rules.ts';
import { gatewayOf } from './pod-cidr.ts';
import type { HostPort, PodAttachment } from './pod-network.ts';

const pod = (podUid: string, ip: string, hostPorts: readonly HostPort[]): PodAttachment => ({
  podUid,
  podName: podUid,
  podNamespace: 'default',
  ips: [ip],
  netnsPath: '/net',
  hostPorts,
});
const tcp = (hostPort: number, hostIP?: string): HostPort => ({
  hostPort,
  containerPort: 80,
  protocol: 'TCP',
  ...(hostIP === undefined ? {} : { hostIP }),
});

describe('host port rules', () => {
  it.each([
    ['no address', tcp(8080), { map: 'node_hostports', key: 'tcp . 8080', data: '10.0.0.2 . 80' }],
    ['all addresses', tcp(8080, '0.0.0.0'), { map: 'node_hostports', key: 'tcp . 8080', data: '10.0.0.2 . 80' }],
    [
      'one address',
      tcp(8080, '192.0.2.1'),
      { map: 'node_hostports_ip', key: '192.0.2.1 . tcp . 8080', data: '10.0.0.2 . 80' },
    ],
  ])('puts a port with %s into the right map', (_what, port, expected) => {
    expect(hostPortElements([pod('a', '10.0.0.2', [port])])).toEqual([expected]);
  });

  it('gives a port that two pods ask for to one of them, whatever their order', () => {
    const [one, two] = [pod('a', '10.0.0.2', [tcp(1)]), pod('b', '10.0.0.3', [tcp(1)])];
    expect(hostPortElements([one, two])).toEqual(hostPortElements([two, one]));
    expect(hostPortElements([one, two])).toHaveLength(1);
  });

  it.each([
    [true, 'oifname "b0" ct status dnat ip saddr . ip daddr @node_hairpin masquerade'],
    [false, 'oifname "b0" ip saddr 10.0.0.0/24 ct status dnat masquerade'],
  ])('sends back through the node what would not come by itself; bridge filtered: %s', (bridgeFiltered, rule) => {
    const options = { bridge: 'b0', podCidr: '10.0.0.0/24', clusterCidr: '10.0.0.0/16', bridgeFiltered };
    expect(hostChains(options).node_postrouting).toEqual([
      'oifname "b0" ip saddr 127.0.0.0/8 masquerade',
      rule,
      'oifname != "b0" ip saddr 10.0.0.0/24 ip daddr != 10.0.0.0/16 masquerade',
    ]);
  });
});

describe('addresses and chains', () => {
  it.each([
    ['10.42.0.0/24', '10.42.0.1', 24],
    ['10.42.3.128/25', '10.42.3.129', 25],
    ['192.168.77.5/16', '192.168.0.1', 16],
  ])('the gateway of %s is %s', (cidr, gateway, prefix) => {
    expect(gatewayOf(cidr)).toEqual({ gateway, prefix });
  });

  it.each(['10.42.0.0', '10.42.0.0/31', '10.42.0.300/24', 'fd00::/64'])('refuses %s as a pod range', (cidr) => {
    expect(() => gatewayOf(cidr)).toThrow(/Cannot use .* as a pod range/);
  });

  it.each([
    ['no JSON', '{', /Cannot read the CNI configuration x\.conflist/],
    ['no name', '{"plugins":[{"type":"bridge"}]}', /it has no name/],
    ['no plugins', '{"name":"n","plugins":[]}', /it names no plugins/],
    ['a plugin without a type', '{"name":"n","plugins":[{}]}', /it names no plugins/],
  ])('refuses a chain with %s', (_what, text, message) => {
    expect(() => parseCniConfig(text, 'x.conflist')).toThrow(message);
  });

  it('reads a single plugin as a chain', () => {
    expect(parseCniConfig('{"name":"n","type":"ptp","mtu":9}', 'x')).toMatchObject({
      name: 'n',
      plugins: [{ type: 'ptp', mtu: 9 }],
    });
  });
});
