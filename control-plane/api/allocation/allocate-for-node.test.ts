import { describe, expect, test } from 'vitest';
import { type corev1, KINDS } from '../../../proto/index.ts';
import { definitionOf } from '../../resources/registry.ts';
import { MemoryStore } from '../../store/memory/memory-store.ts';
import type { ApiServices } from '../services.ts';
import { encodeForStore } from '../stored-object.ts';
import { allocateForNode, POD_CIDRS } from './allocate-for-node.ts';
import { podRange } from './pod-range.ts';

const definition = definitionOf(KINDS.Node);

/** Nodes over a store; what the cache knows is what the test says, as right after another server wrote. */
function world(cidr: string, bits: number) {
  const store = new MemoryStore();
  const known: { object: corev1.Node }[] = [];
  const cache = { get: () => undefined, list: () => ({ entries: known, version: 0 }) };
  const services = { store, cache, podRange: podRange(cidr, bits) } as unknown as ApiServices;
  const stored = new Map<string, corev1.Node>();
  const decide = (name: string, object: corev1.Node | undefined) => {
    const old = stored.get(name);
    const entry = old && { key: name, value: encodeForStore(definition, old), version: 1 };
    const target = { definition, served: definition, namespace: '', name, subresource: '' } as never;
    if (object !== undefined) definition.setDefaults?.(object);
    return allocateForNode(services, { target, entry }, object);
  };
  const write = async (name: string, spec: corev1.NodeSpec = {}) => {
    const { object, writes } = await decide(name, { metadata: { name }, spec });
    if (writes.length > 0) await store.commit(writes);
    if (object !== undefined) stored.set(name, object);
    return object?.spec ?? {};
  };
  const remove = async (name: string) => {
    const { writes } = await decide(name, undefined);
    if (writes.length > 0) await store.commit(writes);
    stored.delete(name);
  };
  const claims = async () => (await store.list(POD_CIDRS)).entries.map(({ key }) => key.slice(POD_CIDRS.length));
  return { store, known, stored, decide, write, remove, claims };
}

describe('the pod ranges of nodes', () => {
  test('are given in order, and refused once there is none left', async () => {
    const { write, claims, remove } = world('10.42.0.0/22', 24);
    for (let i = 0; i < 4; i++) {
      expect(await write(`n${i}`)).toEqual({ podCIDR: `10.42.${i}.0/24`, podCIDRs: [`10.42.${i}.0/24`] });
    }
    await expect(write('late')).rejects.toThrow(
      'Internal error occurred: failed to allocate a pod range for the node "late": all 4 ranges of /24 in 10.42.0.0/22 are taken',
    );
    await remove('n2');
    expect(await claims()).toEqual(['10.42.0.0-24', '10.42.1.0-24', '10.42.3.0-24']);
    expect((await write('late')).podCIDR).toBe('10.42.2.0/24');
  });

  test('offered at the same moment are different ones, and the same again to who asks again', async () => {
    const { decide } = world('10.42.0.0/16', 24);
    const names = ['a', 'b', 'c', 'd'];
    const ask = () =>
      Promise.all(names.map(async (name) => (await decide(name, { metadata: { name } })).object?.spec?.podCIDR));
    const offered = await ask();
    expect(new Set(offered).size).toBe(names.length);
    expect(await ask()).toEqual(offered);
  });

  test('named by the node are given when they are free and inside', async () => {
    const { write, claims } = world('10.42.0.0/16', 24);
    expect((await write('a', { podCIDR: '10.42.7.0/24' })).podCIDRs).toEqual(['10.42.7.0/24']);
    await write('wide', { podCIDR: '10.42.8.0/23' });
    await write('narrow', { podCIDR: '10.42.10.128/25' });
    expect(await claims()).toEqual(['10.42.10.0-24', '10.42.7.0-24', '10.42.8.0-24', '10.42.9.0-24']);
    const refused = (podCIDR: string, why: string) =>
      expect(write('b', { podCIDR }), podCIDR).rejects.toThrow(
        `Node "b" is invalid: spec.podCIDR: Invalid value: "${podCIDR}": ${why}`,
      );
    await refused('10.42.7.0/24', 'Node a has 10.42.7.0/24');
    await refused('10.42.9.0/24', 'Node wide has 10.42.9.0/24');
    await refused('10.42.10.0/25', 'Node narrow has 10.42.10.0/24');
    await refused('10.43.0.0/24', 'must lie inside 10.42.0.0/16, the range of all pods');
    await refused('10.0.0.0/8', 'must lie inside 10.42.0.0/16');
    await refused('10.42.0.0/16', 'must not be larger than 64 ranges of /24');
    await refused('10.42.3.0/31', 'must have at least four addresses');
  });

  test('come with the next write to a node that has none, and stay', async () => {
    const { stored, write, claims } = world('10.42.0.0/16', 24);
    stored.set('old', { metadata: { name: 'old' } });
    const given = await write('old');
    expect(given.podCIDR).toBe('10.42.0.0/24');
    expect(await write('old', given)).toEqual(given);
    expect(await claims()).toEqual(['10.42.0.0-24']);
  });

  test('that nodes had before there were claims are claimed by their next write, and given to nobody else', async () => {
    const { stored, known, write, claims } = world('10.42.0.0/16', 24);
    const old: corev1.Node = {
      metadata: { name: 'old' },
      spec: { podCIDR: '10.42.0.0/24', podCIDRs: ['10.42.0.0/24'] },
    };
    stored.set('old', old);
    known.push({ object: old });
    expect((await write('new')).podCIDR).toBe('10.42.1.0/24');
    await expect(write('x', { podCIDR: '10.42.0.0/25' })).rejects.toThrow('Node old has 10.42.0.0/24');
    await write('old', old.spec);
    expect(await claims()).toEqual(['10.42.0.0-24', '10.42.1.0-24']);
  });

  test('of IPv6 stay beside ours', async () => {
    const { write } = world('10.42.0.0/16', 24);
    expect((await write('six', { podCIDR: 'fd00::/64' })).podCIDRs).toEqual(['10.42.0.0/24', 'fd00::/64']);
  });
});

describe('a pod range', () => {
  test.each([
    ['10.42.9.1/16', 24, '10.42.0.0/16', 256, '10.42.255.0/24'],
    ['192.168.0.0/24', 26, '192.168.0.0/24', 4, '192.168.0.192/26'],
    ['10.0.0.0/24', 24, '10.0.0.0/24', 1, '10.0.0.0/24'],
  ])('%s by /%i', (cidr, bits, text, parts, last) => {
    const range = podRange(cidr, bits);
    expect([range.cidr, range.parts, range.partAt(parts - 1)]).toEqual([text, parts, last]);
  });

  test.each([
    ['fd00::/64', 64, 'must be a range of IPv4 addresses'],
    ['10.42.0.0', 24, 'must be a range of IPv4 addresses'],
    ['10.42.0.0/16', 15, 'must be from 16 (one node has all of 10.42.0.0/16) to 30'],
    ['10.42.0.0/16', 31, 'to 30'],
  ])('cannot be %s by /%i', (cidr, bits, why) => {
    expect(() => podRange(cidr, bits)).toThrow(why);
  });
});
