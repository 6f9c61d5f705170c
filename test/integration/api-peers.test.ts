/** Pods as the nodes of a cluster see each other's: the subresource `peers`. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { LocalResourceClient } from '../../control-plane/api/local-client.ts';
import type { GrpcConnection } from '../../lib/client/grpc-connection.ts';
import type { GrpcResourceClient } from '../../lib/client/grpc-resource-client.ts';
import { MemoryResourceClient } from '../../lib/client/memory-resource-client.ts';
import type { ObjectEvent, ResourceClient } from '../../lib/client/resource-client.ts';
import { apiv1, type corev1, KINDS } from '../../proto/index.ts';
import { apiUnavailable, ServerUnderTest } from './api-server-under-test.ts';

const { ResourcesService } = apiv1;
const SELECT = { subresource: 'peers' } as const;
const port = { name: 'web', containerPort: 80, protocol: 'TCP' };

function pod(namespace: string, name: string): corev1.Pod {
  return {
    metadata: { namespace, name, labels: { app: name }, annotations: { secret: 'no' } },
    spec: {
      nodeName: 'n1',
      hostname: 'h',
      initContainers: [
        { name: 'once', image: 'i', ports: [{ containerPort: 1 }] },
        { name: 'beside', image: 'i', restartPolicy: 'Always', ports: [{ name: 'side', containerPort: 90 }] },
      ],
      containers: [{ name: 'c', image: 'i', env: [{ name: 'PASSWORD', value: 'no' }], ports: [port] }],
    },
  };
}

const shown = (name: string): object => ({
  metadata: {
    namespace: 'peers',
    name,
    labels: { app: name },
    uid: expect.any(String),
    resourceVersion: expect.any(String),
  },
  spec: {
    nodeName: 'n1',
    hostname: 'h',
    containers: [{ name: 'c', ports: [port] }],
    initContainers: [{ name: 'beside', restartPolicy: 'Always', ports: [expect.objectContaining({ name: 'side' })] }],
  },
  status: expect.objectContaining({ phase: 'Pending' }),
});

const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

/** Events of peers after `from`, until the pod `last` is gone. */
async function eventsUntilGone(client: ResourceClient, from: string, last: string): Promise<string[]> {
  const lines: string[] = [];
  const signal = AbortSignal.timeout(10_000);
  for await (const batch of client.watch<corev1.Pod>(KINDS.Pod, from, { ...SELECT, namespace: 'peers', signal })) {
    for (const event of batch) {
      if (event.type === 'BOOKMARK') continue;
      lines.push(line(event));
      if (event.type === 'DELETED' && event.object.metadata?.name === last) return lines;
    }
  }
  throw new Error(`only ${lines.join(', ')} came`);
}

function line({ type, object }: Exclude<ObjectEvent<corev1.Pod>, { type: 'BOOKMARK' }>): string {
  expect(JSON.stringify(object)).not.toContain('secret');
  expect(JSON.stringify(object)).not.toContain('PASSWORD');
  return `${type} ${object.metadata?.name} ${object.status?.podIP ?? '-'} ${object.metadata?.labels?.app}`;
}

/** A life of a pod: an address, something peers do not see, another label, the end. */
async function live(client: ResourceClient): Promise<void> {
  const at = { namespace: 'peers', name: 'a' };
  const metadata = { ...at, labels: { app: 'a' } };
  const made = await client.create(KINDS.Pod, pod('peers', 'a'));
  const status = { phase: 'Running', podIP: '10.42.0.9', podIPs: [{ ip: '10.42.0.9' }] };
  await client.update(KINDS.Pod, { ...made, metadata, status }, { subresource: 'status' });
  const more = { ...status, conditions: [{ type: 'Ready', status: 'True' }] };
  await client.update(KINDS.Pod, { ...made, metadata, status: more }, { subresource: 'status' });
  await client.patch(KINDS.Pod, at, { type: 'merge', body: { metadata: { labels: { app: 'b' } } } });
  await client.delete(KINDS.Pod, at, { gracePeriodSeconds: 0 });
}

test('in memory, peers are cut down as the server cuts them', async () => {
  const client = new MemoryResourceClient();
  const { resourceVersion } = await client.list(KINDS.Pod, SELECT);
  await live(client);
  expect(await eventsUntilGone(client, resourceVersion, 'a')).toContain('MODIFIED a 10.42.0.9 b');
  await expect(client.list(KINDS.Node, SELECT)).rejects.toThrow('nodes have no subresource "peers"');
});

describe.skipIf(apiUnavailable() !== undefined)('peers', () => {
  let under: ServerUnderTest;
  let client: GrpcResourceClient;
  let connection: GrpcConnection;
  beforeAll(async () => {
    under = await ServerUnderTest.start();
    connection = under.connect();
    client = under.client();
    await client.create(KINDS.Namespace, { metadata: { name: 'peers' } });
  });
  afterAll(() => under?.stop());

  test('lists show names, labels, ports and addresses, and nothing else', async () => {
    await client.create(KINDS.Pod, pod('peers', 'listed'));
    const { items } = await client.list<corev1.Pod>(KINDS.Pod, { ...SELECT, namespace: 'peers' });
    expect(plain(items)).toEqual([expect.objectContaining(shown('listed'))]);
    expect(JSON.stringify(items)).not.toMatch(/PASSWORD|secret|once|managedFields/);
    const local = new LocalResourceClient(under.server.services, 'system:test');
    expect(plain((await local.list(KINDS.Pod, { ...SELECT, namespace: 'peers' })).items)).toEqual(plain(items));
    const reply = await connection.unary(ResourcesService.list, {
      target: { apiVersion: 'v1', kind: 'Pod', subresource: 'peers' },
      output: apiv1.Output.JSON,
    });
    expect(reply.items?.[0]?.json?.toString()).not.toMatch(/PASSWORD|secret|once|managedFields/);
    // The full form is as it was.
    expect(JSON.stringify(await client.list(KINDS.Pod, { namespace: 'peers' }))).toContain('PASSWORD');
  });

  test('watches have an event for each change that shows, whatever else is watched beside', async () => {
    const { resourceVersion } = await client.list(KINDS.Pod, { namespace: 'peers' });
    const whole: string[] = [];
    const full = (async () => {
      const signal = AbortSignal.timeout(10_000);
      for await (const batch of client.watch<corev1.Pod>(KINDS.Pod, resourceVersion, { namespace: 'peers', signal })) {
        for (const event of batch) if (event.type !== 'BOOKMARK') whole.push(JSON.stringify(event.object));
        if (whole.length >= 5) return;
      }
    })();
    const watching = eventsUntilGone(client, resourceVersion, 'a');
    const local = new LocalResourceClient(under.server.services, 'system:test');
    const second = eventsUntilGone(local, resourceVersion, 'a');
    await live(client);
    const expected = ['ADDED a - a', 'MODIFIED a 10.42.0.9 a', 'MODIFIED a 10.42.0.9 b', 'DELETED a 10.42.0.9 b'];
    expect(await watching).toEqual(expected);
    expect(await second).toEqual(expected);
    await full;
    expect(whole.every((object) => object.includes('PASSWORD'))).toBe(true);
    // The same once more from history, with nobody else there.
    expect(await eventsUntilGone(client, resourceVersion, 'a')).toEqual(expected);
  });

  test('other verbs and kinds are refused', async () => {
    const target = { apiVersion: 'v1', kind: 'Pod', namespace: 'peers', name: 'listed', subresource: 'peers' };
    const json = Buffer.from(JSON.stringify({ metadata: { name: 'listed', namespace: 'peers' } }));
    const merge = { type: apiv1.PatchType.MERGE, patch: Buffer.from('{"metadata":{"labels":{"x":"y"}}}') };
    for (const call of [
      () => connection.unary(ResourcesService.get, { target }),
      () => connection.unary(ResourcesService.create, { target, json }),
      () => connection.unary(ResourcesService.update, { target, json }),
      () => connection.unary(ResourcesService.patch, { target, ...merge }),
      () => connection.unary(ResourcesService.delete, { target }),
      () => connection.unary(ResourcesService.deleteCollection, { target: { ...target, name: '' } }),
      () => client.list(KINDS.Node, SELECT),
      () => connection.unary(ResourcesService.list, { target: { ...target, name: '', subresource: 'status' } }),
    ]) {
      await expect(call()).rejects.toMatchObject({
        reason: 'BadRequest',
        message: expect.stringContaining('subresource'),
      });
    }
  });
});
