import { describe, expect, test } from 'vitest';
import { addressPool } from '../../../lib/address-pool.ts';
import type { corev1 } from '../../../proto/index.ts';
import {
  chooseAddress,
  chooseAnnouncer,
  isOurs,
  nodeAddresses,
  SHARING_KEY,
  takesTraffic,
  WANTED_ADDRESS,
} from './plan.ts';

const POOL = addressPool('192.0.2.1-192.0.2.3');

interface Some {
  readonly address?: string;
  readonly wants?: string;
  readonly key?: string;
  readonly port?: number;
  readonly policy?: string;
}
const service = (name: string, { address, wants, key, port = 80, policy = 'Cluster' }: Some = {}): corev1.Service => ({
  metadata: {
    name,
    annotations: {
      ...(wants === undefined ? {} : { [WANTED_ADDRESS]: wants }),
      ...(key === undefined ? {} : { [SHARING_KEY]: key }),
    },
  },
  spec: { type: 'LoadBalancer', externalTrafficPolicy: policy, ports: [{ port, protocol: 'TCP' }] },
  status: { loadBalancer: { ingress: address === undefined ? [] : [{ ip: address }] } },
});
const held = (...addresses: string[]): corev1.Service[] =>
  addresses.map((address) => service(`at-${address}`, { address }));
const FULL = held('192.0.2.1', '192.0.2.2', '192.0.2.3');

describe('the address of a load balancer', () => {
  test.each<[string, corev1.Service, corev1.Service[], string]>([
    ['the first that is free', service('a'), held('192.0.2.1'), '192.0.2.2'],
    ['the one it has', service('a', { address: '192.0.2.3' }), held('192.0.2.1'), '192.0.2.3'],
    ['another when that left the pool', service('a', { address: '192.0.2.9' }), [], '192.0.2.1'],
    ['another when somebody else has the same', service('a', { address: '192.0.2.1' }), held('192.0.2.1'), '192.0.2.2'],
    ['the one it wants', service('a', { address: '192.0.2.1', wants: '192.0.2.2' }), [], '192.0.2.2'],
    ['none outside the pool', service('a', { wants: '192.0.2.9' }), [], 'NotInPool'],
    ['none that another has', service('a', { wants: '192.0.2.2' }), held('192.0.2.2'), 'AddressTaken'],
    ['none when all are taken', service('a'), FULL, 'NoAddressLeft'],
    ['not shared without the key', service('a', { key: 'k', port: 81 }), FULL, 'NoAddressLeft'],
    [
      'shared with the same key and another port',
      service('a', { wants: '192.0.2.1', key: 'k', port: 81 }),
      [service('b', { address: '192.0.2.1', key: 'k' })],
      '192.0.2.1',
    ],
    [
      'not shared with the same port',
      service('a', { wants: '192.0.2.1', key: 'k' }),
      [service('b', { address: '192.0.2.1', key: 'k' })],
      'AddressTaken',
    ],
    [
      'not shared when traffic stays on nodes',
      service('a', { wants: '192.0.2.1', key: 'k', port: 81, policy: 'Local' }),
      [service('b', { address: '192.0.2.1', key: 'k' })],
      'AddressTaken',
    ],
  ])('%s', (_, one, others, expected) => {
    const choice = chooseAddress(one, others, POOL);
    expect('address' in choice ? choice.address : choice.reason).toBe(expected);
  });

  test('what is missing is said', () => {
    expect(chooseAddress(service('a'), FULL, POOL)).toMatchObject({
      message: 'no address left in the pool 192.0.2.1-192.0.2.3: all 3 are taken',
    });
  });
});

describe('the node that announces', () => {
  test.each<[string, string | undefined, string[], string | undefined]>([
    ['stays while it may', 'n2', ['n1', 'n2'], 'n2'],
    ['is another when it may not', 'n3', ['n1'], 'n1'],
    ['stays when nobody may', 'n3', [], 'n3'],
    ['is nobody when there is nobody', undefined, [], undefined],
  ])('%s', (_, current, candidates, expected) => {
    expect(chooseAnnouncer('192.0.2.1', current, candidates)).toBe(expected);
  });

  test('is the same whatever the order, and addresses spread', () => {
    const nodes = ['n1', 'n2', 'n3'];
    const chosen = Array.from({ length: 60 }, (_, i) => {
      const address = `192.0.2.${i}`;
      const one = chooseAnnouncer(address, undefined, nodes);
      expect(chooseAnnouncer(address, undefined, [...nodes].reverse())).toBe(one);
      return one;
    });
    for (const node of nodes) expect(chosen.filter((one) => one === node).length).toBeGreaterThan(8);
  });

  const node = (labels: Record<string, string> = {}, ready = 'True'): corev1.Node => ({
    metadata: { name: 'n1', labels },
    status: {
      conditions: [{ type: 'Ready', status: ready }],
      addresses: [
        { type: 'InternalIP', address: '10.0.0.1' },
        { type: 'Hostname', address: 'n1' },
      ],
    },
  });

  test('is ready and not excluded', () => {
    expect(takesTraffic(node())).toBe(true);
    expect(takesTraffic(node({}, 'Unknown'))).toBe(false);
    expect(takesTraffic(node({ 'node.kubernetes.io/exclude-from-external-load-balancers': '' }))).toBe(false);
    expect(nodeAddresses([node()])).toEqual(['10.0.0.1']);
    const outer = {
      ...node(),
      status: { addresses: [...(node().status?.addresses ?? []), { type: 'ExternalIP', address: '198.51.100.1' }] },
    };
    expect(nodeAddresses([outer])).toEqual(['198.51.100.1']);
  });

  test('serves no class of somebody else', () => {
    expect(isOurs(service('a'))).toBe(true);
    expect(isOurs({ ...service('a'), spec: { ...service('a').spec, loadBalancerClass: 'metallb' } })).toBe(false);
    expect(isOurs({ spec: { type: 'NodePort' } })).toBe(false);
  });
});

describe('a pool of addresses', () => {
  test.each<[string, string[]]>([
    ['', []],
    ['192.0.2.1', ['192.0.2.1']],
    ['192.0.2.1-192.0.2.2, 192.0.2.8/30', ['192.0.2.1', '192.0.2.2', '192.0.2.9', '192.0.2.10']],
  ])('"%s"', (text, expected) => {
    expect([...addressPool(text).addresses()]).toEqual(expected);
  });

  test.each([
    ['192.0.2.9-192.0.2.1', 'ends before it begins'],
    ['192.0.2.1-192.0.2.9,192.0.2.5', 'overlaps another one'],
    ['home', 'cannot read "home"'],
    ['10.0.0.0/8', 'must have at most 65536 addresses'],
    ['127.0.0.1', 'that no service can have'],
  ])('%s is refused', (text, message) => {
    expect(() => addressPool(text)).toThrow(message);
  });
});
