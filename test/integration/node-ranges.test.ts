/** Pod ranges of nodes over a real etcd: each has one owner, through however many servers, and comes back with its node. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { POD_CIDRS } from '../../control-plane/api/allocation/allocate-for-node.ts';
import type { ResourceClient } from '../../lib/client/resource-client.ts';
import { type corev1, KINDS } from '../../proto/index.ts';
import { startTwoServers, type TwoServers } from './api-second-server.ts';
import { apiUnavailable } from './api-server-under-test.ts';

const MANY = 40;

describe.skipIf(apiUnavailable() !== undefined)('pod ranges of nodes', () => {
  let servers: TwoServers;
  let clients: TwoServers['clients'];
  beforeAll(async () => {
    servers = await startTwoServers();
    clients = servers.clients;
  });
  afterAll(() => servers?.stop());

  const pick = (i: number): ResourceClient => clients[i % 2 === 0 ? 0 : 1];
  const node = (name: string, spec?: corev1.NodeSpec): corev1.Node => ({
    metadata: { name },
    ...(spec === undefined ? {} : { spec }),
  });
  const remove = (name: string): Promise<unknown> => clients[0].delete(KINDS.Node, { name });
  const claimed = async (): Promise<string[]> => {
    const { entries } = await servers.first.server.services.store.list(POD_CIDRS);
    return entries.map(({ key }) => key.slice(POD_CIDRS.length));
  };

  test('are one each, whichever servers nodes are made through at once, and go with them', async () => {
    const made = await Promise.all(
      Array.from({ length: MANY }, (_, i) => pick(i).create(KINDS.Node, node(`many-${i}`))),
    );
    const ranges = made.map(({ spec }) => spec?.podCIDR ?? '');
    expect(new Set(ranges).size).toBe(MANY);
    for (const range of ranges) expect(range).toMatch(/^10\.42\.\d+\.0\/24$/);
    for (const { spec } of made) expect(spec?.podCIDRs).toEqual([spec?.podCIDR]);
    expect((await claimed()).sort()).toEqual(ranges.map((range) => range.replace('/', '-')).sort());
    await Promise.all(made.map(({ metadata }) => remove(metadata?.name ?? '')));
    expect(await claimed()).toEqual([]);
  });

  test('asked for by name have one winner; the others are told who', async () => {
    const spec = { podCIDR: '10.42.200.0/24' };
    const results = await Promise.allSettled(
      Array.from({ length: 8 }, (_, i) => pick(i).create(KINDS.Node, node(`named-${i}`, spec))),
    );
    const won = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value.metadata?.name ?? ''] : []));
    expect(won).toHaveLength(1);
    for (const result of results) {
      if (result.status === 'rejected') {
        expect(String(result.reason)).toContain(
          `spec.podCIDR: Invalid value: "10.42.200.0/24": Node ${won[0]} has 10.42.200.0/24`,
        );
      }
    }
    await expect(clients[1].create(KINDS.Node, node('far', { podCIDR: '192.168.0.0/24' }))).rejects.toThrow(
      'Node "far" is invalid: spec.podCIDR: Invalid value: "192.168.0.0/24": must lie inside 10.42.0.0/16, the range of all pods',
    );
    await remove(won[0] ?? '');
  });

  test('stay through updates, also those that do not name them, and may not be changed', async () => {
    const created = await clients[0].create(KINDS.Node, node('kept'));
    const { podCIDR } = created.spec ?? {};
    const labelled = await clients[1].update(KINDS.Node, { metadata: { name: 'kept', labels: { a: 'b' } } });
    expect(labelled.spec?.podCIDR).toBe(podCIDR);
    const withStatus = { ...labelled, status: { addresses: [{ type: 'InternalIP', address: '192.0.2.1' }] } };
    expect((await clients[1].update(KINDS.Node, withStatus, { subresource: 'status' })).spec?.podCIDR).toBe(podCIDR);
    const patch = { type: 'merge', body: { spec: { podCIDR: '10.42.250.0/24' } } } as const;
    await expect(clients[0].patch(KINDS.Node, { name: 'kept' }, patch)).rejects.toThrow(
      'spec.podCIDR: Forbidden: node updates may not change podCIDR except from "" to valid',
    );
    const again = await clients[0].create(KINDS.Node, node('kept-too'), { dryRun: true });
    expect(again.spec?.podCIDR).toMatch(/^10\.42\./);
    expect(await claimed()).toHaveLength(1);
    await remove('kept');
  });
});
