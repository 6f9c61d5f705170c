/** What the behaviour list asks of single kinds beyond their lifecycle: pods, settings, services, events, namespaces, classes, requests. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { apiv1, JsonObject } from '../../proto/index.ts';
import { apiUnavailable, ServerUnderTest } from './api-server-under-test.ts';
import { JsonApi, namesOf, withMetadata } from './behaviours-api.ts';

describe.skipIf(apiUnavailable() !== undefined)('behaviours of', () => {
  let under: ServerUnderTest;
  let api: JsonApi;
  beforeAll(async () => {
    under = await ServerUnderTest.start();
    api = new JsonApi(under.connect());
  });
  afterAll(() => under?.stop());

  const object = (apiVersion: string, kind: string, name: string, more: JsonObject = {}): JsonObject => ({
    apiVersion,
    kind,
    metadata: { name, namespace: 'default' },
    ...more,
  });
  const at = (resource: string, name: string, subresource = ''): apiv1.Target => ({
    resource,
    namespace: 'default',
    name,
    subresource,
  });
  const generationOf = (json: JsonObject): unknown => (json.metadata as JsonObject).generation;

  describe('pods', () => {
    const pod = (name: string, spec: JsonObject = {}, container: JsonObject = {}): JsonObject =>
      object('v1', 'Pod', name, { spec: { containers: [{ name: 'c', image: 'x', ...container }], ...spec } });

    test('generation starts at one and rises with the spec only (sig-node 51)', async () => {
      const created = await api.create(pod('generations'));
      expect(generationOf(created)).toBe(1);
      const target = at('pods', 'generations');
      expect(generationOf(await api.patch(target, { metadata: { labels: { a: 'b' } } }))).toBe(1);
      const status = await api.patch({ ...target, subresource: 'status' }, { status: { observedGeneration: 1 } });
      expect([generationOf(status), status.status]).toMatchObject([1, { observedGeneration: 1 }]);
      expect(generationOf(await api.patch(target, { spec: { activeDeadlineSeconds: 600 } }))).toBe(2);
      const toleration = { key: 'a', operator: 'Exists', effect: 'NoSchedule' };
      const { spec } = await api.get(target);
      const tolerations = [...((spec as { tolerations?: JsonObject[] }).tolerations ?? []), toleration];
      expect(generationOf(await api.patch(target, { spec: { tolerations } }))).toBe(3);
      expect(generationOf(await api.create(withMetadata(pod('generation-given'), { generation: 100 })))).toBe(1);
    });

    test('a graceful deletion that begins raises the generation (sig-node 49)', async () => {
      await api.create(pod('graceful', { terminationGracePeriodSeconds: 60, nodeName: 'some-node' }));
      await api.delete(at('pods', 'graceful'));
      const going = await api.get(at('pods', 'graceful'));
      expect(going.metadata).toMatchObject({ generation: 2, deletionGracePeriodSeconds: 60 });
      await api.delete(at('pods', 'graceful'), { gracePeriodSeconds: 0 });
      await expect(api.get(at('pods', 'graceful'))).rejects.toMatchObject({ reason: 'NotFound' });
    });

    test('equal requests and limits make a pod Guaranteed from the start (sig-node 52)', async () => {
      const resources = { requests: { cpu: '100m', memory: '100Mi' }, limits: { cpu: '100m', memory: '100Mi' } };
      expect(await api.create(pod('guaranteed', {}, { resources }))).toMatchObject({
        status: { phase: 'Pending', qosClass: 'Guaranteed' },
      });
    });

    test('creation, change and end are watched (sig-node 54)', async () => {
      const { version } = await api.list({ resource: 'pods' });
      const told = api.watch({ resource: 'pods' }, 4, { resourceVersion: version, labelSelector: 'watched' });
      await api.create(withMetadata(pod('watched', { nodeName: 'some-node' }), { labels: { watched: 'yes' } }));
      await api.patch(at('pods', 'watched'), { metadata: { annotations: { a: 'b' } } });
      await api.delete(at('pods', 'watched'), { gracePeriodSeconds: 30 });
      await api.delete(at('pods', 'watched'), { gracePeriodSeconds: 0 });
      expect((await told).map(({ type }) => type)).toEqual(['ADDED', 'MODIFIED', 'MODIFIED', 'DELETED']);
    });

    const sysctls: readonly (readonly [name: string])[] = [['foo-'], ['kernel.shmmax-'], ['Upper.case'], ['bar..']];
    test.each(sysctls)('a sysctl with a bad name is refused (sig-node 90): %s', async (name) => {
      const wrong = api.create(pod('sysctls', { securityContext: { sysctls: [{ name, value: '1' }] } }));
      await expect(wrong).rejects.toThrow(`spec.securityContext.sysctls[0].name: Invalid value: "${name}"`);
    });

    const prefixes: readonly (readonly [prefix: string, allowed: boolean])[] = [
      ['p-', true],
      ['$p.', true],
      ['a b:', true],
      ['a=b', false],
    ];
    test.each(prefixes)(
      'envFrom takes every printable prefix without an equals sign (sig-node 1 and 79): %s',
      async (prefix, allowed) => {
        const envFrom = [
          { prefix, configMapRef: { name: 'x' } },
          { prefix, secretRef: { name: 'x' } },
        ];
        const creation = api.create(withMetadata(pod('x', {}, { envFrom }), { name: '', generateName: 'prefix-' }));
        if (allowed) expect(await creation).toMatchObject({ spec: { containers: [{ envFrom }] } });
        else await expect(creation).rejects.toThrow('spec.containers[0].envFrom[0].prefix: Invalid value: "a=b"');
      },
    );
  });

  describe('settings', () => {
    const kinds: readonly (readonly [kind: string, resource: string, rows: string, immutableRow: string])[] = [
      ['ConfigMap', 'configmaps', 'sig-node 4', 'sig-storage 14'],
      ['Secret', 'secrets', 'sig-node 82', 'sig-storage 82'],
    ];
    test.each(kinds)('a %s with an empty key is refused (%s%s)', async (kind) => {
      await expect(api.create(object('v1', kind, 'empty-key', { data: { '': 'dmFsdWU=' } }))).rejects.toMatchObject({
        reason: 'Invalid',
        causes: [{ field: expect.stringMatching(/^data/) as string }],
      });
    });

    test.each(kinds)(
      'an immutable %s keeps its data and stays so; labels change, deletion works (%s, %s, %s)',
      async (kind, resource) => {
        const name = 'frozen';
        await api.create(object('v1', kind, name, { data: { a: 'dmFsdWU=' } }));
        await api.patch(at(resource, name), { data: { a: 'b3RoZXI=' } });
        await api.patch(at(resource, name), { immutable: true });
        const changes: readonly JsonObject[] = [
          { data: { a: 'dmFsdWU=' } },
          { data: { b: 'dmFsdWU=' } },
          { data: null },
        ];
        for (const change of changes) {
          await expect(api.patch(at(resource, name), change)).rejects.toThrow(
            'data: Forbidden: field is immutable when `immutable` is set',
          );
        }
        for (const immutable of [false, null]) {
          await expect(api.patch(at(resource, name), { immutable })).rejects.toThrow(
            'immutable: Forbidden: field is immutable when `immutable` is set',
          );
        }
        const labelled = await api.patch(at(resource, name), { metadata: { labels: { a: 'b' } } });
        expect(labelled).toMatchObject({ immutable: true, data: { a: 'b3RoZXI=' }, metadata: { labels: { a: 'b' } } });
        await api.delete(at(resource, name));
        await expect(api.get(at(resource, name))).rejects.toMatchObject({ reason: 'NotFound' });
        await api.create(object('v1', kind, name, { data: { a: 'dmFsdWU=' } }));
      },
    );

    test('more than 1 MiB of data, or 256 KiB of annotations, is refused (promises: limits)', async () => {
      const big = 'x'.repeat(1024 * 1024 + 1);
      await expect(api.create(object('v1', 'ConfigMap', 'big', { data: { big } }))).rejects.toMatchObject({
        reason: 'Invalid',
      });
      await expect(api.create(object('v1', 'Secret', 'big', { stringData: { big } }))).rejects.toMatchObject({
        reason: 'Invalid',
      });
      const annotated = withMetadata(object('v1', 'ConfigMap', 'big'), {
        annotations: { a: big.slice(0, 256 * 1024) },
      });
      await expect(api.create(annotated)).rejects.toThrow(
        'metadata.annotations: Too long: may not be more than 262144 bytes',
      );
    });
  });

  describe('services', () => {
    interface ServiceJson {
      readonly spec: {
        readonly type: string;
        readonly clusterIP?: string;
        readonly ports?: readonly { readonly nodePort?: number }[];
      };
    }
    const ports = [{ port: 80, targetPort: 80, protocol: 'TCP' }];
    const steps: readonly (readonly [
      row: string,
      from: JsonObject,
      to: JsonObject,
      address: boolean,
      nodePort: boolean,
    ])[] = [
      ['33', { type: 'ClusterIP', ports }, { type: 'ExternalName', externalName: 'db.example.com' }, false, false],
      [
        '34',
        { type: 'ExternalName', externalName: 'db.example.com' },
        { type: 'ClusterIP', externalName: null, ports },
        true,
        false,
      ],
      [
        '35',
        { type: 'ExternalName', externalName: 'db.example.com' },
        { type: 'NodePort', externalName: null, ports },
        true,
        true,
      ],
      ['36', { type: 'NodePort', ports }, { type: 'ExternalName', externalName: 'db.example.com' }, false, false],
    ];
    test.each(steps)(
      'change type and get or give back their addresses (sig-network %s)',
      async (row, from, to, address, nodePort) => {
        const name = `typed-${row}`;
        await api.create(object('v1', 'Service', name, { spec: from }));
        const { spec } = (await api.patch(at('services', name), { spec: to })) as unknown as ServiceJson;
        expect(spec.type).toBe(to.type);
        expect((spec.clusterIP ?? '') !== '').toBe(address);
        expect(spec.ports?.[0]?.nodePort !== undefined).toBe(nodePort);
        await api.delete(at('services', name));
      },
    );

    test('session affinity is switched on and off (sig-network 38, 39, 43 and 44, what is stored)', async () => {
      await api.create(object('v1', 'Service', 'sticky', { spec: { ports } }));
      expect(await api.get(at('services', 'sticky'))).toMatchObject({ spec: { sessionAffinity: 'None' } });
      expect(await api.patch(at('services', 'sticky'), { spec: { sessionAffinity: 'ClientIP' } })).toMatchObject({
        spec: { sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: 10800 } } },
      });
      const off = { spec: { sessionAffinity: 'None', sessionAffinityConfig: null } };
      expect((await api.patch(at('services', 'sticky'), off)).spec).not.toHaveProperty('sessionAffinityConfig');
    });

    test('one port number serves TCP and UDP; each is withdrawn on its own (sig-network 46, what is stored)', async () => {
      const tcp = { name: 'tcp', port: 80, protocol: 'TCP' };
      const udp = { name: 'udp', port: 80, protocol: 'UDP' };
      await api.create(object('v1', 'Service', 'both', { spec: { ports: [tcp, udp] } }));
      const one = await api.patch(at('services', 'both'), { spec: { ports: [udp] } });
      expect((one.spec as { ports: JsonObject[] }).ports).toMatchObject([udp]);
    });
  });

  describe('events', () => {
    const regarding = { apiVersion: 'v1', kind: 'Pod', namespace: 'default', name: 'watched' };

    test('of the newer kind are patched, given a series, and read in both versions (sig-instrumentation 2)', async () => {
      const target = { apiVersion: 'events.k8s.io/v1', kind: 'Event', namespace: 'default', name: 'seen' };
      await api.create(
        object('events.k8s.io/v1', 'Event', 'seen', {
          eventTime: '2026-01-02T03:04:05.000000Z',
          reportingController: 'example.com/tests',
          reportingInstance: 'one',
          action: 'Do',
          reason: 'Tested',
          type: 'Normal',
          note: 'first',
          regarding,
        }),
      );
      expect(
        await api.patch(target, { series: { count: 2, lastObservedTime: '2026-01-02T03:05:05.000000Z' } }),
      ).toMatchObject({ series: { count: 2 } });
      const live = await api.get(target);
      const updated = await api.update({
        ...live,
        series: { count: 100, lastObservedTime: '2026-01-02T03:06:05.000000Z' },
      });
      expect(updated).toMatchObject({
        series: { count: 100, lastObservedTime: '2026-01-02T03:06:05.000000Z' },
        note: 'first',
      });
      expect(await api.get({ ...target, apiVersion: 'v1' })).toMatchObject({
        apiVersion: 'v1',
        message: 'first',
        involvedObject: regarding,
        reportingComponent: 'example.com/tests',
        series: { count: 100 },
      });
      const listed = await api.list(
        { ...target, name: '' },
        { fieldSelector: 'reportingController=example.com/tests' },
      );
      expect(namesOf(listed.items)).toEqual(['seen']);
      const about = await api.list({ ...target, name: '' }, { fieldSelector: 'regarding.name=watched,reason=Tested' });
      expect(namesOf(about.items)).toEqual(['seen']);
      const older = api.list({ ...target, name: '' }, { fieldSelector: 'involvedObject.name=watched' });
      await expect(older).rejects.toThrow('field label not supported: involvedObject.name');
      await api.delete(target);
      await expect(api.get({ ...target, apiVersion: 'v1' })).rejects.toMatchObject({ reason: 'NotFound' });
    });

    test('of the newer kind must say who reports what; the older need not, and can be updated (sig-instrumentation 4)', async () => {
      const eventTime = '2026-01-02T03:04:05.000000Z';
      const bare = object('events.k8s.io/v1', 'Event', 'bare', { eventTime, regarding, note: 'x', type: 'Normal' });
      await expect(api.create(bare)).rejects.toThrow('action: Required value');
      const old = { involvedObject: regarding, message: 'x', type: 'Normal' };
      const made = await api.create(object('v1', 'Event', 'bare', old));
      expect(await api.update({ ...made, message: 'changed' })).toMatchObject({ message: 'changed' });
    });

    test('of the older kind are removed by label, whoever lists them (sig-instrumentation 1 and 3)', async () => {
      for (const name of ['one', 'two', 'three']) {
        const event = object('v1', 'Event', name, { involvedObject: regarding, message: name, type: 'Normal' });
        await api.create(withMetadata(event, { labels: { set: name === 'three' ? 'other' : 'these' } }));
      }
      const newer = { apiVersion: 'events.k8s.io/v1', kind: 'Event' };
      expect(namesOf((await api.list(newer, { labelSelector: 'set=these' })).items)).toEqual(['one', 'two']);
      await api.deleteCollection({ ...newer, namespace: 'default' }, 'set=these');
      expect(namesOf((await api.list({ resource: 'events' }, { labelSelector: 'set' })).items)).toEqual(['three']);
    });
  });

  describe('namespaces', () => {
    const namespace = (name: string): JsonObject => ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } });

    test('get and lose finalizers, labels and updates (sig-api-machinery 68, 69 and 73)', async () => {
      const created = await api.create(namespace('kept'));
      const target = { resource: 'namespaces', name: 'kept' };
      expect(created).toMatchObject({ spec: { finalizers: ['kubernetes'] }, status: { phase: 'Active' } });
      const finalizers = ['kubernetes', 'example.com/finalizer'];
      const held = await api.update({ ...created, spec: { finalizers } }, 'finalize');
      expect(held).toMatchObject({ spec: { finalizers } });
      const free = await api.update({ ...held, spec: { finalizers: ['kubernetes'] } }, 'finalize');
      expect(free).toMatchObject({ spec: { finalizers: ['kubernetes'] } });
      expect(await api.patch(target, { metadata: { labels: { testLabel: 'testValue' } } })).toMatchObject({
        metadata: { labels: { testLabel: 'testValue', 'kubernetes.io/metadata.name': 'kept' } },
      });
      const live = await api.get(target);
      await api.update(withMetadata(live, { annotations: { updated: 'yes' } }));
      expect(await api.get(target)).toMatchObject({ metadata: { annotations: { updated: 'yes' } } });
    });

    test('begin Active; their status is patched and replaced (sig-api-machinery 70)', async () => {
      await api.create(namespace('told'));
      const status = { resource: 'namespaces', name: 'told', subresource: 'status' };
      expect(await api.get(status)).toMatchObject({ status: { phase: 'Active' } });
      const condition = { type: 'StatusPatch', status: 'True', reason: 'E2E', message: 'patched' };
      const patched = await api.patch(status, {
        metadata: { annotations: { patched: 'yes' } },
        status: { conditions: [condition] },
      });
      expect(patched).toMatchObject({
        metadata: { annotations: { patched: 'yes' } },
        status: { phase: 'Active', conditions: [condition] },
        spec: { finalizers: ['kubernetes'] },
      });
      const replaced = { ...condition, type: 'StatusUpdate', message: 'updated' };
      const conditions = [condition, replaced];
      const updated = await api.update({ ...patched, status: { phase: 'Active', conditions } }, 'status');
      expect(updated).toMatchObject({ status: { conditions } });
    });
  });

  test('priority classes change in what may change and refuse the rest (sig-scheduling 8)', async () => {
    const target = { resource: 'priorityclasses', name: 'p1' };
    const live = await api.create({
      apiVersion: 'scheduling.k8s.io/v1',
      kind: 'PriorityClass',
      metadata: { name: 'p1' },
      value: 10,
    });
    expect(await api.patch(target, { description: 'x', globalDefault: false })).toMatchObject({
      description: 'x',
      value: 10,
    });
    await expect(api.patch(target, { value: 11 })).rejects.toThrow(
      'value: Invalid value: 11: field is immutable (it was 10)',
    );
    await expect(api.patch(target, { preemptionPolicy: 'Never' })).rejects.toThrow(
      'preemptionPolicy: Invalid value: "Never": field is immutable',
    );
    await expect(api.update({ ...live, value: 12 })).rejects.toThrow();
    expect(await api.get(target)).toMatchObject({ value: 10, preemptionPolicy: 'PreemptLowerPriority' });
  });
});
