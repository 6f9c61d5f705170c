import { describe, expect, it } from 'vitest';
import { parseCniConfig } from './cni-config.ts';
import { changeElements, fullTable, hostPortElements } from './host-rules.ts';
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
    ['no address', tcp(8080), { map: 'hostports', key: 'tcp . 8080', data: '10.0.0.2 . 80' }],
    ['all addresses', tcp(8080, '0.0.0.0'), { map: 'hostports', key: 'tcp . 8080', data: '10.0.0.2 . 80' }],
    [
      'one address',
      tcp(8080, '192.0.2.1'),
      { map: 'hostports_ip', key: '192.0.2.1 . tcp . 8080', data: '10.0.0.2 . 80' },
    ],
  ])('puts a port with %s into the right map', (_what, port, expected) => {
    expect(hostPortElements([pod('a', '10.0.0.2', [port])])).toEqual([expected]);
  });

  it('gives a port that two pods ask for to one of them, whatever their order', () => {
    const [one, two] = [pod('a', '10.0.0.2', [tcp(1)]), pod('b', '10.0.0.3', [tcp(1)])];
    expect(hostPortElements([one, two])).toEqual(hostPortElements([two, one]));
    expect(hostPortElements([one, two])).toHaveLength(1);
  });

  it('changes only what differs', () => {
    const before = hostPortElements([pod('a', '10.0.0.2', [tcp(1), tcp(2)])]);
    const after = hostPortElements([pod('a', '10.0.0.9', [tcp(1)]), pod('b', '10.0.0.3', [tcp(3)])]);
    expect(changeElements('t', before, after)).toBe(
      [
        'delete element ip t hostports { tcp . 1 }',
        'delete element ip t hostports { tcp . 2 }',
        'add element ip t hostports { tcp . 1 : 10.0.0.9 . 80 }',
        'add element ip t hostports { tcp . 3 : 10.0.0.3 . 80 }',
        '',
      ].join('\n'),
    );
    expect(changeElements('t', after, after)).toBe('');
  });

  it('writes a whole table that replaces the old one', () => {
    const options = { table: 't', bridge: 'b0', podCidr: '10.0.0.0/24', clusterCidr: '10.0.0.0/16' };
    const text = fullTable(options, hostPortElements([pod('a', '10.0.0.2', [tcp(1)])]));
    expect(text).toContain('add table ip t\ndelete table ip t\ntable ip t {');
    expect(text).toContain('elements = { tcp . 1 : 10.0.0.2 . 80 }');
    expect(text).toContain('ip saddr 10.0.0.0/24 ip daddr != 10.0.0.0/16 masquerade');
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
