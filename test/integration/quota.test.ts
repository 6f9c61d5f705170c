/** Quotas over a real etcd: exact however many create at once, through however many servers. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ResourceClient } from '../../lib/client/resource-client.ts';
import { hasReason } from '../../lib/errors.ts';
import { type corev1, KINDS } from '../../proto/index.ts';
import { waitFor } from '../harness/wait.ts';
import { type SecondServer, startTwoServers, type TwoServers } from './api-second-server.ts';
import { apiUnavailable, type ServerUnderTest } from './api-server-under-test.ts';

const CREATORS = 32;
const HARD = 10;

describe.skipIf(apiUnavailable() !== undefined)('quotas', () => {
  let servers: TwoServers;
  let under: ServerUnderTest;
  let second: SecondServer;
  let clients: TwoServers['clients'];
  let count = 0;
  beforeAll(async () => {
    servers = await startTwoServers();
    ({ first: under, second, clients } = servers);
  });
  afterAll(() => servers?.stop());

  /** A namespace with a quota that both servers have seen. */
  async function namespaceWith(hard: Record<string, string>): Promise<string> {
    const [client] = clients;
    count += 1;
    const namespace = `quota-${count}`;
    await client.create(KINDS.Namespace, { metadata: { name: namespace } });
    await client.create(KINDS.ResourceQuota, { metadata: { name: 'q', namespace }, spec: { hard } });
    await Promise.all([under.server, second.server].map(({ services }) => services.cache.catchUp()));
    return namespace;
  }

  const pod = (namespace: string, name: string, cpu?: string): corev1.Pod => ({
    metadata: { name, namespace },
    spec: {
      containers: [{ name: 'c', image: 'x', ...(cpu === undefined ? {} : { resources: { requests: { cpu } } }) }],
    },
  });
  const configMap = (namespace: string, name: string): corev1.ConfigMap => ({ metadata: { name, namespace } });
  const used = async (namespace: string): Promise<Record<string, string> | undefined> =>
    (await clients[0].get(KINDS.ResourceQuota, { namespace, name: 'q' })).status?.used;
  const pick = (i: number): ResourceClient => clients[i % 2 === 0 ? 0 : 1];

  /** How many of the creations succeeded; each other one was refused by the quota. */
  async function countCreated(creations: readonly Promise<unknown>[]): Promise<number> {
    const results = await Promise.allSettled(creations);
    for (const result of results) {
      if (result.status === 'fulfilled') continue;
      expect(result.reason).toMatchObject({ reason: 'Forbidden' });
      expect(String(result.reason)).toMatch(/is forbidden: exceeded quota: q, requested: /);
    }
    return results.filter((result) => result.status === 'fulfilled').length;
  }

  test.each([1, 2, 3, 4, 5])('32 creators through two servers make exactly ten, round %i', async () => {
    const namespace = await namespaceWith({ configmaps: String(HARD) });
    const names = Array.from({ length: CREATORS }, (_, i) => `c${i}`);
    const made = await countCreated(
      names.map((name, i) => pick(i).create(KINDS.ConfigMap, configMap(namespace, name))),
    );
    expect(made).toBe(HARD);
    expect((await clients[1].list(KINDS.ConfigMap, { namespace })).items).toHaveLength(HARD);
    expect(await used(namespace)).toEqual({ configmaps: String(HARD) });
  });

  test('creations and deletions at once: never more than allowed at any moment, and exact at the end', async () => {
    const namespace = await namespaceWith({ pods: String(HARD), 'requests.cpu': '5' });
    const stop = new AbortController();
    let most = 0;
    const watching = (async () => {
      const there = new Set<string>();
      for await (const batch of clients[1].watch(KINDS.Pod, '0', { namespace, signal: stop.signal })) {
        for (const event of batch) {
          if (event.type === 'BOOKMARK') continue;
          if (event.type === 'DELETED') there.delete(event.object.metadata?.name ?? '');
          else there.add(event.object.metadata?.name ?? '');
          most = Math.max(most, there.size);
        }
      }
    })();
    const left = new Set<string>();
    await Promise.all(
      Array.from({ length: CREATORS }, async (_, creator) => {
        for (let round = 0; round < 6; round++) {
          const name = `p${creator}-${round}`;
          try {
            await pick(creator).create(KINDS.Pod, pod(namespace, name, '500m'));
          } catch (err) {
            expect(hasReason(err, 'Forbidden')).toBe(true);
            continue;
          }
          left.add(name);
          if (round % 3 === 2) continue;
          await pick(creator + 1).delete(KINDS.Pod, { namespace, name });
          left.delete(name);
        }
      }),
    );
    const { items } = await clients[0].list(KINDS.Pod, { namespace });
    await second.server.services.cache.catchUp();
    stop.abort();
    await watching;
    expect(items.map((item) => item.metadata?.name ?? '').sort()).toEqual([...left].sort());
    expect(most).toBeLessThanOrEqual(HARD);
    const cpu = items.length % 2 === 0 ? String(items.length / 2) : `${items.length * 500}m`;
    expect(await used(namespace)).toEqual({ pods: String(items.length), 'requests.cpu': cpu });
  });

  test('a refusal names the quota, and what is deleted is given back at once', async () => {
    const namespace = await namespaceWith({ pods: '2' });
    const [client] = clients;
    await client.create(KINDS.Pod, pod(namespace, 'a'));
    await client.create(KINDS.Pod, pod(namespace, 'b'));
    await expect(client.create(KINDS.Pod, pod(namespace, 'x'))).rejects.toThrow(
      'pods "x" is forbidden: exceeded quota: q, requested: pods=1, used: pods=2, limited: pods=2',
    );
    await expect(client.create(KINDS.Pod, pod(namespace, 'x'), { dryRun: true })).rejects.toThrow('exceeded quota: q');
    await client.delete(KINDS.Pod, { namespace, name: 'a' });
    expect(await used(namespace)).toEqual({ pods: '1' });
    await client.create(KINDS.Pod, pod(namespace, 'x'), { dryRun: true });
    expect(await used(namespace)).toEqual({ pods: '1' });
    await client.create(KINDS.Pod, pod(namespace, 'x'));
    const running = await client.get(KINDS.Pod, { namespace, name: 'x' });
    const status = { ...running.status, phase: 'Succeeded' };
    await client.update(KINDS.Pod, { ...running, status }, { subresource: 'status' });
    expect(await used(namespace)).toEqual({ pods: '1' });
  });

  test('pods must say what is counted', async () => {
    const namespace = await namespaceWith({ 'limits.cpu': '2', 'requests.cpu': '1' });
    await expect(clients[0].create(KINDS.Pod, pod(namespace, 'p', '1'))).rejects.toThrow(
      'pods "p" is forbidden: failed quota: q: must specify limits.cpu for: c',
    );
  });

  test('objects older than the quota count, and a lower limit holds at once', async () => {
    const [client] = clients;
    const namespace = 'quota-late';
    await client.create(KINDS.Namespace, { metadata: { name: namespace } });
    for (const name of ['a', 'b', 'c']) await client.create(KINDS.ConfigMap, configMap(namespace, name));
    await client.create(KINDS.ResourceQuota, {
      metadata: { name: 'q', namespace },
      spec: { hard: { configmaps: '4' } },
    });
    await client.create(KINDS.ConfigMap, configMap(namespace, 'd'));
    await expect(client.create(KINDS.ConfigMap, configMap(namespace, 'e'))).rejects.toThrow('used: configmaps=4');
    const quota = await client.get(KINDS.ResourceQuota, { namespace, name: 'q' });
    await client.update(KINDS.ResourceQuota, { ...quota, spec: { hard: { configmaps: '2', 'count/secrets': '1' } } });
    await client.delete(KINDS.ConfigMap, { namespace, name: 'a' });
    await expect(client.create(KINDS.ConfigMap, configMap(namespace, 'e'))).rejects.toThrow(
      'requested: configmaps=1, used: configmaps=3, limited: configmaps=2',
    );
    await client.create(KINDS.Secret, { metadata: { name: 's', namespace } });
    await expect(client.create(KINDS.Secret, { metadata: { name: 't', namespace } })).rejects.toThrow(
      'requested: count/secrets=1, used: count/secrets=1, limited: count/secrets=1',
    );
  });

  test('a limit taken away and set again counts what was made in between', async () => {
    const namespace = await namespaceWith({ configmaps: '3' });
    const [client] = clients;
    const limit = (hard: Record<string, string | null>) =>
      client.patch(KINDS.ResourceQuota, { namespace, name: 'q' }, { type: 'merge', body: { spec: { hard } } });
    await client.create(KINDS.ConfigMap, configMap(namespace, 'a'));
    await limit({ configmaps: null, pods: '1' });
    for (const name of ['b', 'c']) await client.create(KINDS.ConfigMap, configMap(namespace, name));
    await limit({ configmaps: '3' });
    await expect(client.create(KINDS.ConfigMap, configMap(namespace, 'd'))).rejects.toThrow('used: configmaps=3');
  });

  test('quotas that count quotas can be made, refused and deleted', async () => {
    const namespace = await namespaceWith({ resourcequotas: '2' });
    const [client] = clients;
    const more = (name: string): corev1.ResourceQuota => ({
      metadata: { name, namespace },
      spec: { hard: { pods: '1' } },
    });
    await client.create(KINDS.ResourceQuota, more('r'));
    await expect(client.create(KINDS.ResourceQuota, more('s'))).rejects.toThrow('used: resourcequotas=2');
    await client.delete(KINDS.ResourceQuota, { namespace, name: 'r' });
    await client.delete(KINDS.ResourceQuota, { namespace, name: 'q' });
    await client.create(KINDS.ResourceQuota, more('s'));
  });

  test('when etcd dies in the middle, the books agree with what is there', async () => {
    const namespace = await namespaceWith({ configmaps: '40' });
    let tried = 0;
    const creators = Array.from({ length: CREATORS }, async (_, creator) => {
      for (let round = 0; round < 3; round++) {
        tried += 1;
        if (tried === CREATORS) under.killEtcd();
        // Whether one of these happened nobody knows: the name stays the same, so that it happens once.
        await waitFor('an answer', async () => {
          try {
            await pick(creator).create(KINDS.ConfigMap, configMap(namespace, `c${creator}-${round}`));
            return true;
          } catch (err) {
            return hasReason(err, 'Forbidden', 'AlreadyExists');
          }
        });
      }
    });
    await Promise.all(creators);
    const { items } = await clients[0].list(KINDS.ConfigMap, { namespace });
    expect(items).toHaveLength(40);
    expect(await used(namespace)).toEqual({ configmaps: '40' });
  });

  test('two quotas of one namespace are both charged, or neither', async () => {
    const namespace = await namespaceWith({ configmaps: '5' });
    const [client] = clients;
    await client.create(KINDS.ResourceQuota, {
      metadata: { name: 'tight', namespace },
      spec: { hard: { 'count/configmaps': '3' } },
    });
    await second.server.services.cache.catchUp();
    const results = await Promise.allSettled(
      Array.from({ length: 12 }, (_, i) => pick(i).create(KINDS.ConfigMap, configMap(namespace, `c${i}`))),
    );
    expect(results.filter((result) => result.status === 'fulfilled')).toHaveLength(3);
    expect(await used(namespace)).toEqual({ configmaps: '3' });
  });
});
