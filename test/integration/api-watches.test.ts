/** Watches: where they begin, what selectors make of changes, bookmarks, and what a client gets whose version is of no use. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { watchObjects } from '../../control-plane/api/read/watch.ts';
import { resolveTarget } from '../../control-plane/api/request/target.ts';
import type { GrpcConnection } from '../../lib/client/grpc-connection.ts';
import type { GrpcResourceClient } from '../../lib/client/grpc-resource-client.ts';
import { apiv1, type corev1, KINDS } from '../../proto/index.ts';
import { apiUnavailable, ServerUnderTest } from './api-server-under-test.ts';

const { ResourcesService, EventType } = apiv1;

describe.skipIf(apiUnavailable() !== undefined)('watches', () => {
  let under: ServerUnderTest;
  let client: GrpcResourceClient;
  let connection: GrpcConnection;
  const connect = (): void => {
    connection = under.connect();
    client = under.client();
  };
  beforeAll(async () => {
    under = await ServerUnderTest.start();
    connect();
  });
  afterAll(() => under?.stop());

  async function namespaceOf(namespace: string): Promise<void> {
    await client.create(KINDS.Namespace, { metadata: { name: namespace } });
  }
  const make = (namespace: string, name: string, labels: Record<string, string> = {}): Promise<corev1.ConfigMap> =>
    client.create(KINDS.ConfigMap, { metadata: { namespace, name, labels } });
  const label = (namespace: string, name: string, labels: Record<string, string | null>): Promise<corev1.ConfigMap> =>
    client.patch(KINDS.ConfigMap, { namespace, name }, { type: 'merge', body: { metadata: { labels } } });
  const versionOf = (object: corev1.ConfigMap): string => object.metadata?.resourceVersion ?? '';

  /** `ADDED name` and so on, until there are `count`; a bookmark shows whether it ends the initial events. */
  async function take(namespace: string, count: number, more: apiv1.WatchRequest = {}): Promise<string[]> {
    const lines: string[] = [];
    const target = { apiVersion: 'v1', kind: 'ConfigMap', namespace };
    const request = { target, output: apiv1.Output.JSON, ...more };
    for await (const reply of connection.serverStream(ResourcesService.watch, request, AbortSignal.timeout(10_000))) {
      for (const event of reply.events ?? []) {
        const object = JSON.parse(event.json?.toString() || 'null') as corev1.ConfigMap | null;
        const type = { [EventType.ADDED]: 'ADDED', [EventType.MODIFIED]: 'MODIFIED', [EventType.DELETED]: 'DELETED' }[
          event.type as number
        ];
        lines.push(
          type === undefined ? `BOOKMARK ${event.initialEventsEnd ?? false}` : `${type} ${object?.metadata?.name}`,
        );
        if (object !== null) expect(object.metadata?.resourceVersion).toBe(event.resourceVersion);
      }
      if (lines.length >= count) return lines;
    }
    throw new Error(`only ${lines.join(', ')} came`);
  }

  test('without a version, and from 0, begin with what there is', async () => {
    await namespaceOf('begin');
    for (const name of ['b', 'a']) await make('begin', name);
    expect(await take('begin', 2)).toEqual(['ADDED a', 'ADDED b']);
    expect(await take('begin', 2, { resourceVersion: '0' })).toEqual(['ADDED a', 'ADDED b']);
  });

  test('from a version begin with the next change', async () => {
    await namespaceOf('from');
    const first = await make('from', 'a');
    await make('from', 'b');
    await label('from', 'a', { x: 'y' });
    await client.delete(KINDS.ConfigMap, { namespace: 'from', name: 'b' });
    expect(await take('from', 3, { resourceVersion: versionOf(first) })).toEqual([
      'ADDED b',
      'MODIFIED a',
      'DELETED b',
    ]);
  });

  test('initial events end with a bookmark, and changes follow it', async () => {
    await namespaceOf('initial');
    const a = await make('initial', 'a');
    const request = { sendInitialEvents: true, bookmarks: true, resourceVersion: versionOf(a) };
    const taking = take('initial', 3, request);
    const lines = take('initial', 2, request);
    expect(await lines).toEqual(['ADDED a', 'BOOKMARK true']);
    await make('initial', 'b');
    const later = await taking;
    // Where the change came before the watch had begun, it is among the initial events.
    expect(later.toSorted()).toEqual(['ADDED a', 'ADDED b', 'BOOKMARK true']);
    await namespaceOf('empty');
    expect(await take('empty', 1, { sendInitialEvents: true, bookmarks: true })).toEqual(['BOOKMARK true']);
  });

  test('what enters a selection is added, what leaves it deleted, what was never in it unseen', async () => {
    await namespaceOf('selected');
    const start = await make('selected', 'start');
    await make('selected', 'a', { in: 'no' });
    await label('selected', 'a', { in: 'yes' });
    await label('selected', 'a', { more: 'x' });
    await make('selected', 'never', { in: 'no' });
    await client.delete(KINDS.ConfigMap, { namespace: 'selected', name: 'never' });
    await label('selected', 'a', { in: null });
    await client.delete(KINDS.ConfigMap, { namespace: 'selected', name: 'a' });
    await make('selected', 'b', { in: 'yes' });
    await client.delete(KINDS.ConfigMap, { namespace: 'selected', name: 'b' });
    const from = { resourceVersion: versionOf(start) };
    expect(await take('selected', 5, { ...from, labelSelector: 'in=yes' })).toEqual([
      'ADDED a',
      'MODIFIED a',
      'DELETED a',
      'ADDED b',
      'DELETED b',
    ]);
    expect(await take('selected', 2, { ...from, fieldSelector: 'metadata.name=b' })).toEqual(['ADDED b', 'DELETED b']);
    const pods = async (): Promise<string[]> => {
      const spec = { containers: [{ name: 'c', image: 'i' }] };
      const pod = await client.create(KINDS.Pod, { metadata: { namespace: 'selected', name: 'p' }, spec });
      await client.bind([{ namespace: 'selected', name: 'p', uid: pod.metadata?.uid ?? '', node: 'n1' }]);
      await client.delete(KINDS.Pod, { namespace: 'selected', name: 'p' }, { gracePeriodSeconds: 0 });
      const target = { apiVersion: 'v1', kind: 'Pod', namespace: 'selected' };
      return take('selected', 2, { ...from, target, fieldSelector: 'spec.nodeName=n1' });
    };
    expect(await pods()).toEqual(['ADDED p', 'DELETED p']);
  });

  test('go on across a restart of the server, from any version seen', async () => {
    await namespaceOf('restart');
    const first = await make('restart', 'a');
    await label('restart', 'a', { x: '1' });
    await client.delete(KINDS.ConfigMap, { namespace: 'restart', name: 'a' });
    await under.halt();
    await under.boot();
    connect();
    await make('restart', 'b');
    expect(await take('restart', 3, { resourceVersion: versionOf(first) })).toEqual([
      'MODIFIED a',
      'DELETED a',
      'ADDED b',
    ]);
  });

  test('from what was compacted away are told so, and from the future too', async () => {
    await namespaceOf('useless');
    const old = await make('useless', 'a');
    await label('useless', 'a', { x: '1' });
    await under.halt();
    await under.boot();
    connect();
    await under.compactEtcd();
    const tooOld = take('useless', 1, { resourceVersion: versionOf(old) });
    await expect(tooOld).rejects.toMatchObject({
      reason: 'Expired',
      message: `too old resource version: ${versionOf(old)}`,
    });
    for (const sendInitialEvents of [false, true]) {
      const future = take('useless', 1, { resourceVersion: '9000000000', sendInitialEvents });
      await expect(future).rejects.toMatchObject({
        reason: 'Timeout',
        message: expect.stringContaining('Too large resource version: 9000000000'),
        causes: [{ reason: 'ResourceVersionTooLarge' }],
      });
    }
    await expect(take('useless', 1, { resourceVersion: 'soon' })).rejects.toMatchObject({ reason: 'BadRequest' });
  });

  test('of a quiet kind get bookmarks that move on with the store', async () => {
    await namespaceOf('quiet');
    const { services } = under.server;
    const target = resolveTarget({ apiVersion: 'v1', kind: 'Secret', namespace: 'quiet' }, services.registry);
    const stop = new AbortController();
    const options = { labelSelector: '', fieldSelector: '', sendInitialEvents: false, bookmarks: true };
    const { resourceVersion } = await client.list(KINDS.Secret, { namespace: 'quiet' });
    const changed = await make('quiet', 'elsewhere');
    const watch = watchObjects(services, target, { ...options, resourceVersion, bookmarkIntervalMs: 50 }, stop.signal);
    for await (const batch of watch) {
      expect(batch).toMatchObject({ bookmark: true, initialEventsEnd: false, events: [] });
      if (batch.version >= Number(versionOf(changed))) break;
    }
    stop.abort();
  });
});
