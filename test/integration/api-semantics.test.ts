/** What the API promises beyond plain reads and writes: conflicts, paging, watches, dry runs, deletion, subresources. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { GrpcConnection } from '../../lib/client/grpc-connection.ts';
import type { GrpcResourceClient } from '../../lib/client/grpc-resource-client.ts';
import type { ApiError } from '../../lib/errors.ts';
import { apiv1, type appsv1, type corev1, type JsonObject, KINDS } from '../../proto/index.ts';
import { apiUnavailable, ServerUnderTest } from './api-server-under-test.ts';

const { ResourcesService } = apiv1;

describe.skipIf(apiUnavailable() !== undefined)('the API', () => {
  let under: ServerUnderTest;
  let client: GrpcResourceClient;
  let connection: GrpcConnection;
  beforeAll(async () => {
    under = await ServerUnderTest.start();
    connection = under.connect();
    client = under.client();
  });
  afterAll(() => under?.stop());

  const pod = (name: string, more: Partial<corev1.PodSpec> = {}): corev1.Pod => ({
    metadata: { name, namespace: 'default', labels: { app: name } },
    spec: { containers: [{ name: 'main', image: 'registry.example/app:1' }], ...more },
  });
  const configMap = (name: string, data: Record<string, string> = {}): corev1.ConfigMap => ({
    metadata: { name, namespace: 'default' },
    data,
  });
  const deployment = (name: string): JsonObject => ({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace: 'default' },
    spec: {
      replicas: 2,
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: { app: name } },
        spec: { containers: [{ name: 'main', image: 'registry.example/app:1' }] },
      },
    },
  });
  const apply = (json: JsonObject, more: apiv1.ApplyRequest = {}): Promise<apiv1.ObjectReply> =>
    connection.unary(ResourcesService.apply, {
      json: Buffer.from(JSON.stringify(json)),
      output: apiv1.Output.JSON,
      ...more,
    });
  const parsed = <T>(reply: apiv1.ObjectReply): T => JSON.parse(reply.json?.toString() ?? 'null') as T;
  const target = (kind: string, name: string, subresource = ''): apiv1.Target => ({
    resource: kind,
    namespace: 'default',
    name,
    subresource,
  });

  describe('concurrency', () => {
    test('lets exactly one of many writers of one version through, and every patch', async () => {
      const made = await client.create(KINDS.ConfigMap, configMap('race', {}));
      const writes = Array.from({ length: 16 }, (_, i) =>
        client.update(KINDS.ConfigMap, { ...made, data: { winner: String(i) } }).then(
          () => 'won',
          (err: unknown) => (err as ApiError).message,
        ),
      );
      const results = await Promise.all(writes);
      expect(results.filter((result) => result === 'won')).toHaveLength(1);
      expect(new Set(results.filter((result) => result !== 'won'))).toEqual(
        new Set([
          'Operation cannot be fulfilled on configmaps "race": the object has been modified; ' +
            'please apply your changes to the latest version and try again',
        ]),
      );
      const at = { namespace: 'default', name: 'race' };
      await Promise.all(
        Array.from({ length: 16 }, (_, i) =>
          client.patch(KINDS.ConfigMap, at, { type: 'merge', body: { data: { [`k${i}`]: 'v' } } }),
        ),
      );
      expect(Object.keys((await client.get(KINDS.ConfigMap, at)).data ?? {})).toHaveLength(17);
    });

    test('creates an object once however many ask', async () => {
      const results = await Promise.allSettled(
        Array.from({ length: 16 }, () => client.create(KINDS.ConfigMap, configMap('once'))),
      );
      expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    });

    test('refuses a write meant for an object that has been replaced', async () => {
      const first = await client.create(KINDS.ConfigMap, configMap('replaced'));
      await client.delete(KINDS.ConfigMap, { namespace: 'default', name: 'replaced' });
      await client.create(KINDS.ConfigMap, configMap('replaced'));
      const { resourceVersion: _old, ...metadata } = first.metadata ?? {};
      await expect(client.update(KINDS.ConfigMap, { ...first, metadata })).rejects.toThrow(/UID in precondition/);
    });
  });

  describe('apply', () => {
    interface Shape {
      readonly metadata: { readonly generation: number; readonly labels?: Record<string, string> };
      readonly spec: { readonly replicas: number; readonly strategy: { readonly type: string } };
    }

    test('creates, leaves alone, configures, and removes what the file no longer says', async () => {
      const file = deployment('applied');
      expect((await apply(file)).action).toBe(apiv1.Action.CREATED);
      expect((await apply(file)).action).toBe(apiv1.Action.UNCHANGED);
      const labelled = { ...file, metadata: { ...(file.metadata as object), labels: { tier: 'web' } } };
      const configured = await apply(labelled);
      expect(configured.action).toBe(apiv1.Action.CONFIGURED);
      expect(parsed<Shape>(configured)).toMatchObject({ metadata: { generation: 1, labels: { tier: 'web' } } });
      // Somebody else scales; the file without replicas then leaves that alone, and its label goes.
      await client.patch(
        KINDS.Deployment,
        { namespace: 'default', name: 'applied' },
        { type: 'merge', body: { spec: { replicas: 7 } } },
      );
      const { replicas: _dropped, ...spec } = file.spec as { replicas: number };
      const first = parsed<Shape>(await apply({ ...file, spec }));
      expect(first.metadata.labels).toBeUndefined();
      // The file had named replicas, so that dropping it resets it to the default.
      expect(first.spec.replicas).toBe(1);
      await client.patch(
        KINDS.Deployment,
        { namespace: 'default', name: 'applied' },
        { type: 'merge', body: { spec: { replicas: 7 } } },
      );
      const second = await apply({ ...file, spec });
      expect([second.action, parsed<Shape>(second).spec.replicas]).toEqual([apiv1.Action.UNCHANGED, 7]);
    });

    test('counts generations of the spec, and warns of fields without effect', async () => {
      const file = deployment('counted');
      await apply(file);
      const more = { ...(file.spec as JsonObject), replicas: 3 };
      const reply = await apply({ ...file, spec: more });
      expect(parsed<Shape>(reply).metadata.generation).toBe(2);
      const withUnsupported = await connection.unary(ResourcesService.create, {
        target: { apiVersion: 'v1', kind: 'Pod' },
        json: Buffer.from(
          JSON.stringify({
            apiVersion: 'v1',
            kind: 'Pod',
            ...pod('warned'),
            spec: { ...pod('warned').spec, runtimeClassName: 'kata' },
          }),
        ),
      });
      expect(withUnsupported.warnings?.join('\n')).toMatch(/^spec\.runtimeClassName is stored but /);
    });

    test('writes nothing on a dry run, but says what it would do', async () => {
      const reply = await apply(deployment('dry'), { dryRun: true });
      expect(reply.action).toBe(apiv1.Action.CREATED);
      expect(parsed<Shape>(reply).spec.strategy.type).toBe('RollingUpdate');
      await expect(client.get(KINDS.Deployment, { namespace: 'default', name: 'dry' })).rejects.toThrow(
        'deployments.apps "dry" not found',
      );
    });
  });

  describe('lists', () => {
    test('pages of one version, whatever is written in between', async () => {
      for (let i = 0; i < 10; i++)
        await client.create(KINDS.Secret, { metadata: { name: `page-${i}`, namespace: 'default' } });
      const page = (token: string): Promise<apiv1.ListReply> =>
        connection.unary(ResourcesService.list, { target: target('secrets', ''), limit: 4, continue: token });
      const first = await page('');
      expect([first.items?.length, first.remaining]).toEqual([4, 6]);
      await client.create(KINDS.Secret, { metadata: { name: 'page-00', namespace: 'default' } });
      await client.delete(KINDS.Secret, { namespace: 'default', name: 'page-7' });
      const second = await page(first.continue ?? '');
      const third = await page(second.continue ?? '');
      expect([second.items?.length, third.items?.length, third.continue ?? '']).toEqual([4, 2, '']);
      expect(new Set([first, second, third].map((reply) => reply.resourceVersion)).size).toBe(1);
      const names = [first, second, third]
        .flatMap((reply) => reply.items ?? [])
        .map((item) => KINDS.Secret.message.decode(item.object?.value ?? new Uint8Array()).metadata?.name);
      expect(names).toEqual(Array.from({ length: 10 }, (_, i) => `page-${i}`));
    });

    test('selects with every operator', async () => {
      for (const [name, labels] of [
        ['sel-a', { env: 'prod', tier: 'web' }],
        ['sel-b', { env: 'test' }],
        ['sel-c', { tier: 'db', size: '5' }],
      ] as const) {
        await client.create(KINDS.ConfigMap, {
          metadata: { name, namespace: 'default', labels: { sel: 'y', ...labels } },
        });
      }
      const names = async (labelSelector: string): Promise<string[]> =>
        (await client.list(KINDS.ConfigMap, { labelSelector: `sel=y,${labelSelector}` })).items.map(
          (o) => o.metadata?.name?.slice(4) ?? '',
        );
      expect(await names('env=prod')).toEqual(['a']);
      expect(await names('env==prod')).toEqual(['a']);
      expect(await names('env!=prod')).toEqual(['b', 'c']);
      expect(await names('env in (prod,test)')).toEqual(['a', 'b']);
      expect(await names('env notin (prod)')).toEqual(['b', 'c']);
      expect(await names('tier')).toEqual(['a', 'c']);
      expect(await names('!tier')).toEqual(['b']);
      expect(await names('size>3')).toEqual(['c']);
      const byName = await client.list(KINDS.ConfigMap, { fieldSelector: 'metadata.name=sel-b' });
      expect(byName.items.map((o) => o.metadata?.name)).toEqual(['sel-b']);
    });

    test('answers a page token that was compacted away with Expired and a way on', async () => {
      await client.create(KINDS.Secret, { metadata: { name: 'page-z', namespace: 'default' } });
      await under.compactEtcd();
      const forged = Buffer.from(JSON.stringify([1, 2 * 1024, 'core/secrets/default/page-3'])).toString('base64url');
      const request = { target: target('secrets', ''), limit: 4, continue: forged };
      await expect(connection.unary(ResourcesService.list, request)).rejects.toMatchObject({
        reason: 'Expired',
        message: expect.stringContaining('You can start a new list without the continue parameter'),
      });
      const elsewhere = Buffer.from(JSON.stringify([1, 2 * 1024, 'core/pods/default/x'])).toString('base64url');
      await expect(connection.unary(ResourcesService.list, { ...request, continue: elsewhere })).rejects.toThrow(
        'continue key is not valid: it belongs to another collection',
      );
    });
  });

  describe('watches', () => {
    async function collect(
      request: apiv1.WatchRequest,
      enough: (events: apiv1.WatchEvent[]) => boolean,
    ): Promise<apiv1.WatchEvent[]> {
      const events: apiv1.WatchEvent[] = [];
      const stop = new AbortController();
      for await (const reply of connection.serverStream(ResourcesService.watch, request, stop.signal)) {
        events.push(...(reply.events ?? []));
        if (enough(events)) break;
      }
      return events;
    }

    test('begins with what there is, and marks the end of it', async () => {
      await client.create(KINDS.ConfigMap, {
        metadata: { name: 'init-a', namespace: 'default', labels: { init: 'y' } },
      });
      const events = await collect(
        { target: target('cm', ''), labelSelector: 'init=y', sendInitialEvents: true, bookmarks: true },
        (seen) => seen.some((event) => event.initialEventsEnd),
      );
      expect(events.map((event) => event.type)).toEqual([apiv1.EventType.ADDED, apiv1.EventType.BOOKMARK]);
    });

    test('sends JSON and table rows when asked', async () => {
      const { resourceVersion } = await client.list(KINDS.Pod);
      await client.create(KINDS.Pod, pod('formats'));
      const watch = (output: apiv1.Output): Promise<apiv1.WatchEvent[]> =>
        collect({ target: target('po', ''), resourceVersion, output }, (seen) => seen.length > 0);
      const [json] = await watch(apiv1.Output.JSON);
      expect(JSON.parse(json?.json?.toString() ?? '')).toMatchObject({ kind: 'Pod', metadata: { name: 'formats' } });
      const [row] = await watch(apiv1.Output.TABLE);
      expect(row?.table?.rows?.[0]?.cells?.slice(0, 3)).toEqual(['formats', '0/1', 'Pending']);
    });

    test('shows what leaves the selection as it last was in it, at the version of the change', async () => {
      const made = await client.create(KINDS.ConfigMap, {
        metadata: { name: 'leaver', namespace: 'default', labels: { in: 'y' } },
        data: { step: '1' },
      });
      const { resourceVersion = '' } = made.metadata ?? {};
      const left = await client.update(KINDS.ConfigMap, {
        ...made,
        metadata: { ...made.metadata, labels: {} },
        data: { step: '2' },
      });
      const [event] = await collect(
        { target: target('cm', ''), labelSelector: 'in=y', resourceVersion },
        (seen) => seen.length > 0,
      );
      expect(event).toMatchObject({ type: apiv1.EventType.DELETED, resourceVersion: left.metadata?.resourceVersion });
      expect(KINDS.ConfigMap.message.decode(event?.object?.value ?? new Uint8Array()).data).toEqual({ step: '1' });
    });

    test('says when a version is too old', async () => {
      const watching = collect({ target: target('cm', ''), resourceVersion: '1' }, () => true);
      await expect(watching).rejects.toMatchObject({ reason: 'Expired', message: 'too old resource version: 1' });
    });
  });

  describe('subresources', () => {
    test('scale reads and sets the replicas only', async () => {
      await apply(deployment('scaled'));
      const read = await connection.unary(ResourcesService.get, {
        target: target('deploy', 'scaled', 'scale'),
        output: apiv1.Output.JSON,
      });
      expect(parsed(read)).toMatchObject({
        kind: 'Scale',
        spec: { replicas: 2 },
        status: { replicas: 0, selector: 'app=scaled' },
      });
      const scale = { spec: { replicas: 5 } };
      await connection.unary(ResourcesService.update, {
        target: target('deploy', 'scaled', 'scale'),
        json: Buffer.from(JSON.stringify(scale)),
      });
      const after = await client.get(KINDS.Deployment, { namespace: 'default', name: 'scaled' });
      expect([after.spec?.replicas, after.metadata?.generation]).toEqual([5, 2]);
      await connection.unary(ResourcesService.patch, {
        target: target('deploy', 'scaled', 'scale'),
        type: apiv1.PatchType.MERGE,
        patch: Buffer.from('{"spec":{"replicas":0}}'),
      });
      expect((await client.get(KINDS.Deployment, { namespace: 'default', name: 'scaled' })).spec?.replicas).toBe(0);
    });

    test('binding puts a pod on a node once', async () => {
      await client.create(KINDS.Pod, pod('bound'));
      const bind = (node: string): Promise<apiv1.ObjectReply> =>
        connection.unary(ResourcesService.create, {
          target: target('pods', 'bound', 'binding'),
          json: Buffer.from(JSON.stringify({ target: { kind: 'Node', name: node } })),
        });
      await bind('node-1');
      await expect(bind('node-2')).rejects.toThrow(
        'Operation cannot be fulfilled on pods "bound": pod bound is already assigned to node "node-1"',
      );
    });

    test('eviction deletes with the pod’s grace', async () => {
      await client.create(KINDS.Pod, pod('evicted', { nodeName: 'node-1', terminationGracePeriodSeconds: 9 }));
      const reply = await connection.unary(ResourcesService.create, { target: target('pods', 'evicted', 'eviction') });
      expect(reply.action).toBe(apiv1.Action.DELETING);
      const after = await client.get(KINDS.Pod, { namespace: 'default', name: 'evicted' });
      expect(after.metadata).toMatchObject({ deletionGracePeriodSeconds: 9, deletionTimestamp: expect.any(String) });
    });
  });

  describe('admission', () => {
    test('gives pods the short tolerations of the server, and leaves their own alone', async () => {
      const own = {
        key: 'node.kubernetes.io/not-ready',
        operator: 'Exists',
        effect: 'NoExecute',
        tolerationSeconds: 99,
      };
      const made = await client.create(KINDS.Pod, pod('tolerant', { tolerations: [own] }));
      expect(made.spec?.tolerations).toMatchObject([
        own,
        { key: 'node.kubernetes.io/unreachable', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 5 },
      ]);
    });

    test('refuses objects in namespaces that are missing or going', async () => {
      const inside = (namespace: string): corev1.ConfigMap => ({ metadata: { name: 'x', namespace } });
      await expect(client.create(KINDS.ConfigMap, inside('nowhere'))).rejects.toThrow('namespaces "nowhere" not found');
      await client.create(KINDS.Namespace, { metadata: { name: 'going' } });
      await client.delete(KINDS.Namespace, { name: 'going' });
      await expect(client.create(KINDS.ConfigMap, inside('going'))).rejects.toThrow(
        'configmaps "x" is forbidden: unable to create new content in namespace going because it is being terminated',
      );
    });
  });

  test('deletes a collection by label', async () => {
    for (const name of ['col-a', 'col-b']) {
      await client.create(KINDS.ConfigMap, { metadata: { name, namespace: 'default', labels: { col: 'y' } } });
    }
    const reply = await connection.unary(ResourcesService.deleteCollection, {
      target: target('cm', ''),
      labelSelector: 'col=y',
    });
    expect(reply.deleted?.map(({ name }) => name).sort()).toEqual(['col-a', 'col-b']);
    expect((await client.list(KINDS.ConfigMap, { labelSelector: 'col=y' })).items).toEqual([]);
  });

  test('keeps what a status writer may not touch, and the reverse', async () => {
    const file = deployment('parts');
    await apply(file);
    const live = (await client.get(KINDS.Deployment, { namespace: 'default', name: 'parts' })) as appsv1.Deployment;
    const both = { ...live, spec: { ...live.spec, replicas: 9 }, status: { observedGeneration: 1, replicas: 2 } };
    const written = await client.update(KINDS.Deployment, both, { subresource: 'status' });
    expect([written.spec?.replicas, written.status?.replicas]).toEqual([2, 2]);
    expect(written.metadata?.generation).toBe(1);
  });
});
