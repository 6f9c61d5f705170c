/** Quotas and limit ranges as the behaviour list has them: what is charged, to whom, and given back (sig-api-machinery 75 to 86). */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { LEADER_TASKS } from '../../control-plane/leader-tasks.ts';
import type { JsonObject } from '../../proto/index.ts';
import { waitFor } from '../harness/wait.ts';
import { apiUnavailable, ServerUnderTest } from './api-server-under-test.ts';
import { JsonApi, nameOf } from './behaviours-api.ts';

interface Quota extends JsonObject {
  readonly status: { readonly hard: JsonObject; readonly used: JsonObject };
}

describe.skipIf(apiUnavailable() !== undefined)('quotas', () => {
  let under: ServerUnderTest;
  let api: JsonApi;
  let count = 0;
  beforeAll(async () => {
    under = await ServerUnderTest.start({ leaderTasks: LEADER_TASKS });
    api = new JsonApi(under.connect());
  });
  afterAll(() => under?.stop());

  async function makeNamespace(): Promise<string> {
    count += 1;
    const name = `charged-${count}`;
    await api.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
    return name;
  }
  const quota = (namespace: string, hard: JsonObject, more: JsonObject = {}, name = 'q'): JsonObject => ({
    apiVersion: 'v1',
    kind: 'ResourceQuota',
    metadata: { name, namespace },
    spec: { hard, ...more },
  });
  const at = (namespace: string, name = 'q') => ({ resource: 'resourcequotas', namespace, name });
  const used = async (namespace: string, name = 'q'): Promise<JsonObject> =>
    ((await api.get(at(namespace, name))) as Quota).status.used;
  /** Waits until the controller has filled in the status of a new quota. */
  const counted = (namespace: string, name = 'q'): Promise<JsonObject> =>
    waitFor('the count', async () => {
      const { status } = (await api.get(at(namespace, name))) as Partial<Quota>;
      return status?.used;
    });
  const object = (apiVersion: string, kind: string, namespace: string, more: JsonObject = {}): JsonObject => ({
    apiVersion,
    kind,
    metadata: { name: 'thing', namespace },
    ...more,
  });
  const pod = (namespace: string, spec: JsonObject = {}, resources: JsonObject = {}, name = 'thing'): JsonObject => ({
    ...object('v1', 'Pod', namespace),
    metadata: { name, namespace },
    spec: { containers: [{ name: 'c', image: 'x', resources }], ...spec },
  });
  const template = { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'x' }] } };
  const selector = { matchLabels: { a: 'b' } };
  const storage = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } };

  const counts: readonly (readonly [
    rows: string,
    resource: string,
    make: (namespace: string) => JsonObject,
    more: JsonObject,
  ])[] = [
    ['77', 'configmaps', (ns) => object('v1', 'ConfigMap', ns), {}],
    ['81', 'secrets', (ns) => object('v1', 'Secret', ns), {}],
    [
      '79',
      'count/replicasets.apps',
      (ns) => object('apps/v1', 'ReplicaSet', ns, { spec: { replicas: 0, selector, template } }),
      {},
    ],
    [
      '80',
      'replicationcontrollers',
      (ns) => object('v1', 'ReplicationController', ns, { spec: { replicas: 0, selector: { a: 'b' }, template } }),
      {},
    ],
    [
      '82',
      'services',
      (ns) => object('v1', 'Service', ns, { spec: { type: 'NodePort', ports: [{ port: 80 }] } }),
      { 'services.nodeports': '1', 'services.loadbalancers': '0' },
    ],
    [
      'claims, beside 82',
      'persistentvolumeclaims',
      (ns) => object('v1', 'PersistentVolumeClaim', ns, { spec: storage }),
      { 'requests.storage': '1Gi' },
    ],
    [
      '78',
      'pods',
      (ns) => pod(ns, {}, { requests: { cpu: '500m', memory: '1Gi' } }),
      { 'requests.cpu': '500m', 'requests.memory': '1Gi' },
    ],
  ];
  test.each(counts)(
    'charge and refund, and refuse what is too much (sig-api-machinery %s): %s',
    async (_rows, resource, make, more) => {
      const namespace = await makeNamespace();
      const room = Object.fromEntries(Object.keys(more).map((name) => [name, '10Gi']));
      await api.create(quota(namespace, { ...room, [resource]: '100' }));
      const base = Number((await counted(namespace))[resource]);
      const hard = { spec: { hard: { ...room, [resource]: String(base + 1) } } };
      await api.patch(at(namespace), hard);

      const made = await api.create(make(namespace));
      expect(await used(namespace)).toEqual({ ...more, [resource]: String(base + 1) });
      const { name: _name, ...metadata } = made.metadata as JsonObject;
      const second = { ...make(namespace), metadata: { namespace: metadata.namespace ?? '', name: 'another' } };
      await expect(api.create(second)).rejects.toThrow(
        `is forbidden: exceeded quota: q, requested: ${resource}=1, used: ${resource}=${base + 1}, limited: ${resource}=${base + 1}`,
      );
      expect(await used(namespace)).toMatchObject({ [resource]: String(base + 1) });

      const { apiVersion, kind } = made as { apiVersion: string; kind: string };
      await api.delete({ apiVersion, kind, namespace, name: nameOf(made) }, { gracePeriodSeconds: 0 });
      const zero = Object.fromEntries(Object.keys(more).map((name) => [name, '0']));
      await waitFor('the refund', async () => {
        expect(await used(namespace)).toEqual({ ...zero, [resource]: String(base) });
        return true;
      });
    },
  );

  test('a new quota is filled in promptly and counts itself (sig-api-machinery 83)', async () => {
    const namespace = await makeNamespace();
    await api.create(quota(namespace, { resourcequotas: '1', pods: '5' }));
    expect(await counted(namespace)).toEqual({ resourcequotas: '1', pods: '0' });
    await expect(api.create(quota(namespace, { pods: '1' }, {}, 'second'))).rejects.toMatchObject({
      reason: 'Forbidden',
    });
  });

  test('limits are changed and the quota deleted (sig-api-machinery 76)', async () => {
    const namespace = await makeNamespace();
    await api.create(quota(namespace, { 'requests.cpu': '1', 'requests.memory': '500Mi' }));
    // Before that the controller's first count may come between reading and writing.
    await counted(namespace);
    const live = await api.get(at(namespace));
    const updated = await api.update({ ...live, spec: { hard: { 'requests.cpu': '2', 'requests.memory': '1Gi' } } });
    expect(updated.spec).toEqual({ hard: { 'requests.cpu': '2', 'requests.memory': '1Gi' } });
    await waitFor('the limits in the status', async () => {
      expect(await api.get(at(namespace))).toMatchObject({ status: { hard: { 'requests.cpu': '2' } } });
      return true;
    });
    await api.delete(at(namespace));
    await expect(api.get(at(namespace))).rejects.toMatchObject({ reason: 'NotFound' });
    await api.create(pod(namespace));
  });

  test('writes of the status leave the spec, and the controller puts the limits right (sig-api-machinery 75)', async () => {
    const namespace = await makeNamespace();
    await api.create(quota(namespace, { pods: '5' }));
    await counted(namespace);
    const status = { ...at(namespace), subresource: 'status' };
    const patched = await api.patch(status, { spec: { hard: { pods: '7' } }, status: { hard: { pods: '9' } } });
    expect(patched).toMatchObject({ spec: { hard: { pods: '5' } }, status: { hard: { pods: '9' } } });
    await waitFor('the limits of the spec in the status', async () => {
      expect(await api.get(at(namespace))).toMatchObject({ status: { hard: { pods: '5' }, used: { pods: '0' } } });
      return true;
    });
  });

  const scopes: readonly (readonly [
    rows: string,
    inside: string,
    outside: string,
    inner: [JsonObject, JsonObject],
    outer: [JsonObject, JsonObject],
  ])[] = [
    ['85', 'BestEffort', 'NotBestEffort', [{}, {}], [{}, { requests: { cpu: '100m' } }]],
    ['86', 'Terminating', 'NotTerminating', [{ activeDeadlineSeconds: 3600 }, {}], [{}, {}]],
  ];
  test.each(scopes)(
    'by scope charge each pod to the one it is in (sig-api-machinery %s): %s and %s',
    async (_row, inside, outside, inner, outer) => {
      const namespace = await makeNamespace();
      await api.create(quota(namespace, { pods: '5' }, { scopes: [inside] }, 'inside'));
      await api.create(quota(namespace, { pods: '5' }, { scopes: [outside] }, 'outside'));
      await Promise.all([counted(namespace, 'inside'), counted(namespace, 'outside')]);
      const both = async () => [(await used(namespace, 'inside')).pods, (await used(namespace, 'outside')).pods];
      await api.create(pod(namespace, ...inner, 'in'));
      expect(await both()).toEqual(['1', '0']);
      await api.create(pod(namespace, ...outer, 'out'));
      expect(await both()).toEqual(['1', '1']);
      await api.delete({ resource: 'pods', namespace, name: 'in' }, { gracePeriodSeconds: 0 });
      expect(await both()).toEqual(['0', '1']);
      await api.delete({ resource: 'pods', namespace, name: 'out' }, { gracePeriodSeconds: 0 });
      expect(await both()).toEqual(['0', '0']);
    },
  );

  test('a pod whose deadline is set later changes sides (sig-api-machinery 86)', async () => {
    const namespace = await makeNamespace();
    await api.create(quota(namespace, { pods: '5' }, { scopes: ['Terminating'] }));
    expect(await counted(namespace)).toEqual({ pods: '0' });
    await api.create(pod(namespace));
    expect(await used(namespace)).toEqual({ pods: '0' });
    await api.patch({ resource: 'pods', namespace, name: 'thing' }, { spec: { activeDeadlineSeconds: 60 } });
    expect(await used(namespace)).toEqual({ pods: '1' });
  });

  test('a limit range fills in and refuses, also after an edit, by defaults that are not alike (sig-scheduling 1)', async () => {
    const namespace = await makeNamespace();
    const limits = [
      {
        type: 'Container',
        min: { cpu: '50m', memory: '100Mi' },
        max: { cpu: '500m', memory: '500Mi' },
        default: { cpu: '500m', memory: '500Mi' },
        defaultRequest: { cpu: '100m', memory: '200Mi' },
      },
    ];
    const range = await api.create({ ...object('v1', 'LimitRange', namespace), spec: { limits } });
    expect(range).toMatchObject({ spec: { limits } });
    const resources = async (given: JsonObject, name: string): Promise<unknown> => {
      const { spec } = (await api.create(pod(namespace, {}, given, name))) as unknown as {
        spec: { containers: { resources: JsonObject }[] };
      };
      return spec.containers[0]?.resources;
    };
    expect(await resources({}, 'none')).toEqual({
      limits: { cpu: '500m', memory: '500Mi' },
      requests: { cpu: '100m', memory: '200Mi' },
    });
    expect(await resources({ requests: { cpu: '300m', memory: '150Mi' }, limits: { cpu: '300m' } }, 'some')).toEqual({
      limits: { cpu: '300m', memory: '500Mi' },
      requests: { cpu: '300m', memory: '150Mi' },
    });
    await expect(resources({ requests: { cpu: '10m' } }, 'less')).rejects.toThrow(
      'minimum cpu usage per Container is 50m',
    );
    await expect(resources({ limits: { cpu: '600m' } }, 'more')).rejects.toThrow(
      'maximum cpu usage per Container is 500m',
    );
    const wider = limits.map((limit) => ({ ...limit, min: { cpu: '9m', memory: '100Mi' } }));
    await api.update({ ...range, spec: { limits: wider } });
    await resources({ requests: { cpu: '10m' } }, 'less');
    await api.delete({ resource: 'limitranges', namespace, name: 'thing' });
    expect(await resources({}, 'free')).toEqual({});
  });
});
