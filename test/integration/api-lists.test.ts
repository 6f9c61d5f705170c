/** Lists: pages of one version, versions asked for, selectors; and what a client gets when a version is gone or unknown. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { GrpcConnection } from '../../lib/client/grpc-connection.ts';
import type { GrpcResourceClient } from '../../lib/client/grpc-resource-client.ts';
import { apiv1, type corev1, KINDS } from '../../proto/index.ts';
import { refusal } from '../harness/refusal.ts';
import { apiUnavailable, ServerUnderTest } from './api-server-under-test.ts';

const { ResourcesService } = apiv1;

describe.skipIf(apiUnavailable() !== undefined)('lists', () => {
  let under: ServerUnderTest;
  let client: GrpcResourceClient;
  let connection: GrpcConnection;
  beforeAll(async () => {
    under = await ServerUnderTest.start();
    connection = under.connect();
    client = under.client();
  });
  afterAll(() => under?.stop());

  /** A namespace with ConfigMaps `0`, `1`, …, each labelled with the parity of its number. */
  async function filled(namespace: string, count: number): Promise<corev1.ConfigMap[]> {
    await client.create(KINDS.Namespace, { metadata: { name: namespace } });
    return Promise.all(
      Array.from({ length: count }, (_, i) =>
        client.create(KINDS.ConfigMap, {
          metadata: { name: `m-${i}`, namespace, labels: { parity: i % 2 === 0 ? 'even' : 'odd' } },
        }),
      ),
    );
  }
  const list = (namespace: string, more: apiv1.ListRequest = {}): Promise<apiv1.ListReply> =>
    connection.unary(ResourcesService.list, { target: { apiVersion: 'v1', kind: 'ConfigMap', namespace }, ...more });
  const objects = (reply: apiv1.ListReply): corev1.ConfigMap[] =>
    (reply.items ?? []).map((item) => KINDS.ConfigMap.message.decode(item.object?.value ?? new Uint8Array()));
  const names = (reply: apiv1.ListReply): string[] => objects(reply).map((object) => object.metadata?.name ?? '');
  const put = async (namespace: string, name: string, data: Record<string, string>): Promise<string> => {
    const at = { namespace, name };
    const changed = await client.patch(KINDS.ConfigMap, at, { type: 'merge', body: { data } });
    return changed.metadata?.resourceVersion ?? '';
  };

  test('pages count what remains, all at the version of the first, also long after', async () => {
    await filled('paged', 25);
    let token = '';
    const seen: string[] = [];
    const versions = new Set<string>();
    const remaining: number[] = [];
    do {
      const reply = await list('paged', { limit: 10, continue: token });
      seen.push(...names(reply));
      versions.add(reply.resourceVersion ?? '');
      remaining.push(reply.remaining ?? 0);
      token = reply.continue ?? '';
      await client.create(KINDS.ConfigMap, { metadata: { namespace: 'paged', name: `m-1${seen.length}x` } });
      await client
        .delete(KINDS.ConfigMap, { namespace: 'paged', name: seen.length === 10 ? 'm-9' : 'm-8' })
        .catch(() => undefined);
    } while (token !== '');
    expect(remaining).toEqual([15, 5, 0]);
    expect(versions.size).toBe(1);
    expect(seen.toSorted()).toEqual(Array.from({ length: 25 }, (_, i) => `m-${i}`).toSorted());
  });

  test('pages of a selection are exact, and do not say how many remain', async () => {
    await filled('selected', 21);
    const request = { limit: 4, labelSelector: 'parity=odd' };
    const first = await list('selected', request);
    const second = await list('selected', { ...request, continue: first.continue ?? '' });
    const third = await list('selected', { ...request, continue: second.continue ?? '' });
    expect(
      [first, second, third].map((reply) => [names(reply).length, reply.remaining ?? 0, (reply.continue ?? '') !== '']),
    ).toEqual([
      [4, 0, true],
      [4, 0, true],
      [2, 0, false],
    ]);
  });

  test('at exactly a version a list is what it was then, and a watch from there what followed', async () => {
    const made = await filled('exact', 3);
    const before = (await list('exact')).resourceVersion ?? '';
    const changed = await put('exact', 'm-0', { step: 'one' });
    await client.delete(KINDS.ConfigMap, { namespace: 'exact', name: 'm-1' });
    const then = await list('exact', { resourceVersion: before, exact: true });
    expect([then.resourceVersion, names(then)]).toEqual([before, ['m-0', 'm-1', 'm-2']]);
    expect(objects(then)[0]?.data ?? {}).toEqual({});
    const between = await list('exact', { resourceVersion: changed, exact: true, limit: 1 });
    expect(objects(between)[0]?.data).toEqual({ step: 'one' });
    const rest = await list('exact', { limit: 5, continue: between.continue ?? '' });
    expect(names(rest)).toEqual(['m-1', 'm-2']);
    const stop = new AbortController();
    const events: apiv1.WatchEvent[] = [];
    const target = { apiVersion: 'v1', kind: 'ConfigMap', namespace: 'exact' };
    const request = { target, resourceVersion: then.resourceVersion ?? '' };
    for await (const reply of connection.serverStream(ResourcesService.watch, request, stop.signal)) {
      events.push(...(reply.events ?? []));
      if (events.length >= 2) break;
    }
    expect(events.map(({ type }) => type)).toEqual([apiv1.EventType.MODIFIED, apiv1.EventType.DELETED]);
    expect(made).toHaveLength(3);
  });

  test('not older than a version: waits for it a moment, and says so when it is of the future', async () => {
    const [made] = await filled('fresh', 1);
    const version = made?.metadata?.resourceVersion ?? '';
    expect(names(await list('fresh', { resourceVersion: version }))).toEqual(['m-0']);
    expect(names(await list('fresh', { resourceVersion: '0' }))).toEqual(['m-0']);
    const future = String(Number(version) + 1_000_000);
    for (const exact of [false, true]) {
      const err = await refusal(list('fresh', { resourceVersion: future, exact }));
      expect(err.reason).toBe('Timeout');
      expect(err.message).toMatch(new RegExp(`^Too large resource version: ${future}, current: \\d+$`));
      expect(err.causes).toMatchObject([{ reason: 'ResourceVersionTooLarge' }]);
      expect(err.retryAfterMs).toBe(1_000);
    }
  });

  test('requests that make no sense are refused', async () => {
    const { continue: token = '', resourceVersion = '' } = await list('paged', { limit: 1 });
    const reasons = await Promise.all(
      [
        { limit: -1 },
        { resourceVersion: 'yesterday' },
        { continue: token, resourceVersion },
        { continue: token, exact: true },
        { exact: true },
        { exact: true, resourceVersion: '0' },
        { continue: 'bm90IG91cnM' },
        { fieldSelector: 'data.step=1' },
        { labelSelector: 'a in' },
      ].map(async (request) => (await refusal(list('paged', request))).reason),
    );
    expect(new Set(reasons)).toEqual(new Set(['BadRequest']));
  });

  test('a page token whose version is compacted away is answered with one for the rest as it is now', async () => {
    await filled('expired', 9);
    const first = await list('expired', { limit: 3 });
    expect(names(first)).toEqual(['m-0', 'm-1', 'm-2']);
    const version = Number(first.resourceVersion);
    await client.delete(KINDS.ConfigMap, { namespace: 'expired', name: 'm-4' });
    await client.create(KINDS.ConfigMap, { metadata: { namespace: 'expired', name: 'm-3x' } });
    await under.compactEtcd();
    // What the server itself keeps of the first page would hide the compaction: a restarted one has nothing.
    await under.halt();
    await under.boot();
    connection = under.connect();
    client = under.client();
    const err = await refusal(list('expired', { limit: 3, continue: first.continue ?? '' }));
    expect(err.reason).toBe('Expired');
    expect(err.message).toContain('You can start a new list without the continue parameter');
    const second = await list('expired', { limit: 3, continue: err.continueToken ?? '' });
    expect(names(second)).toEqual(['m-3', 'm-3x', 'm-5']);
    expect(Number(second.resourceVersion)).toBeGreaterThan(version);
    expect(second.remaining).toBe(3);
    await client.create(KINDS.ConfigMap, { metadata: { namespace: 'expired', name: 'm-6x' } });
    const third = await list('expired', { limit: 5, continue: second.continue ?? '' });
    expect([names(third), third.resourceVersion, third.continue ?? '']).toEqual([
      ['m-6', 'm-7', 'm-8'],
      second.resourceVersion,
      '',
    ]);
    const old = await refusal(list('expired', { resourceVersion: String(version), exact: true }));
    expect(old.reason).toBe('Expired');
  });

  test('selects by the fields Kubernetes has for the kind', async () => {
    const pod = (name: string, nodeName: string): corev1.Pod => ({
      metadata: { name, namespace: 'paged' },
      spec: { nodeName, restartPolicy: name === 'b' ? 'Never' : 'Always', containers: [{ name: 'c', image: 'i' }] },
    });
    for (const [name, node] of [
      ['a', 'n1'],
      ['b', 'n1'],
      ['c', 'n2'],
    ] as const) {
      await client.create(KINDS.Pod, pod(name, node));
    }
    const podNames = async (fieldSelector: string): Promise<string> => {
      const { items } = await client.list(KINDS.Pod, { namespace: 'paged', fieldSelector });
      return items.map((each) => each.metadata?.name).join('');
    };
    expect(await podNames('spec.nodeName=n1')).toBe('ab');
    expect(await podNames('spec.nodeName!=n1')).toBe('c');
    expect(await podNames('spec.nodeName=n1,spec.restartPolicy=Never')).toBe('b');
    expect(await podNames('metadata.name=c,metadata.namespace=paged')).toBe('c');
    expect(await podNames('status.phase=Pending,metadata.name!=a')).toBe('bc');
    expect(await podNames('status.phase==Running')).toBe('');
  });
});
