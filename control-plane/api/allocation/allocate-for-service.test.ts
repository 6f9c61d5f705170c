import { describe, expect, test } from 'vitest';
import { type corev1, KINDS } from '../../../proto/index.ts';
import { definitionOf } from '../../resources/registry.ts';
import { MemoryStore } from '../../store/memory/memory-store.ts';
import type { ApiServices } from '../services.ts';
import { addressRange } from './address-range.ts';
import { allocateForService } from './allocate-for-service.ts';
import { CLUSTER_IPS, claimsOf } from './service-claims.ts';

const definition = definitionOf(KINDS.Service);

/** Services over a store alone: the cache knows nothing, as right after another server wrote. */
function world(cidr: string) {
  const store = new MemoryStore();
  const cache = { get: () => undefined, list: () => ({ entries: [], version: 0 }) };
  const services = { store, cache, serviceRange: addressRange(cidr) } as unknown as ApiServices;
  const allocate = async (name: string, spec: corev1.ServiceSpec) => {
    const object: corev1.Service = { metadata: { name, namespace: 'shop' }, spec };
    definition.setDefaults?.(object);
    const target = { definition, served: definition, namespace: 'shop', name, subresource: '' } as never;
    const result = await allocateForService(services, { target, entry: undefined }, object);
    await store.commit(result.writes);
    return result.object.spec ?? {};
  };
  return { store, allocate };
}

describe('the addresses of services', () => {
  test('are given to the last one, and then there is none left', async () => {
    const { allocate, store } = world('10.0.0.0/29');
    const given: string[] = [];
    // Eight addresses, less network, broadcast, and the one of the API.
    for (let i = 0; i < 5; i++) given.push((await allocate(`s${i}`, {})).clusterIP ?? '');
    expect(given.sort()).toEqual(['10.0.0.2', '10.0.0.3', '10.0.0.4', '10.0.0.5', '10.0.0.6']);
    await expect(allocate('late', {})).rejects.toThrow(
      'Internal error occurred: failed to allocate a serviceIP: range is full',
    );
    expect((await store.list(CLUSTER_IPS)).entries).toHaveLength(5);
    // By name the API's own may be had.
    expect((await allocate('kubernetes', { clusterIP: '10.0.0.1' })).clusterIP).toBe('10.0.0.1');
  });

  test('are left to those who ask by name for as long as others are free', async () => {
    const { allocate } = world('10.0.0.0/24');
    for (let i = 0; i < 40; i++) {
      const { clusterIP = '' } = await allocate(`s${i}`, {});
      expect(Number(clusterIP.split('.')[3])).toBeGreaterThan(16);
    }
  });

  test('are not given to who wants another family first, or none, or is only a name', async () => {
    const { allocate } = world('10.0.0.0/24');
    for (const spec of [
      { ipFamilies: ['IPv6'] },
      { clusterIP: 'None' },
      { type: 'ExternalName', externalName: 'a.b' },
    ]) {
      expect((await allocate('s', spec)).clusterIP).toBe(spec.clusterIP);
    }
  });

  test('and node ports: as many as the service needs', async () => {
    const { allocate } = world('10.0.0.0/24');
    const spec = await allocate('s', {
      type: 'LoadBalancer',
      externalTrafficPolicy: 'Local',
      ports: [
        { name: 'a', port: 1 },
        { name: 'b', port: 2, nodePort: 31_000 },
      ],
    });
    const numbers = [...(spec.ports ?? []).map(({ nodePort }) => nodePort), spec.healthCheckNodePort];
    expect(new Set(numbers).size).toBe(3);
    expect(numbers[1]).toBe(31_000);
    for (const number of numbers) expect((number ?? 0) >= 30_000 && (number ?? 0) <= 32_767).toBe(true);
    const without = await allocate('t', {
      type: 'LoadBalancer',
      allocateLoadBalancerNodePorts: false,
      ports: [{ port: 1 }],
    });
    expect(without.ports?.[0]).not.toHaveProperty('nodePort');
  });

  test('cannot be too many for one transaction', async () => {
    const { allocate } = world('10.0.0.0/24');
    const ports = (count: number) => Array.from({ length: count }, (_, i) => ({ name: `p${i}`, port: i + 1 }));
    const spec = await allocate('s', { type: 'NodePort', ports: ports(99) });
    expect(new Set(spec.ports?.map(({ nodePort }) => nodePort)).size).toBe(99);
    for (const { nodePort = 0 } of spec.ports ?? []) expect(nodePort).toBeGreaterThanOrEqual(30_086);
    await expect(allocate('t', { type: 'NodePort', ports: ports(100) })).rejects.toThrow(
      'spec.ports: Too many: 100: must have at most 99 items',
    );
  });

  test('are claimed once for each number', () => {
    const claims = claimsOf({
      spec: {
        clusterIPs: ['10.0.0.1'],
        healthCheckNodePort: 31_001,
        ports: [
          { port: 53, protocol: 'TCP', nodePort: 31_000 },
          { port: 53, protocol: 'UDP', nodePort: 31_000 },
        ],
      },
    });
    expect(claims.map(({ key }) => key)).toEqual([
      'allocations/clusterips/10.0.0.1',
      'allocations/nodeports/31000',
      'allocations/nodeports/31001',
    ]);
    expect(claimsOf(undefined)).toEqual([]);
    expect(claimsOf({ spec: { clusterIP: 'None', clusterIPs: ['None'] } })).toEqual([]);
  });
});
