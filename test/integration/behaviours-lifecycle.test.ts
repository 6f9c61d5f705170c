/**
 * The life of objects of every kind, as the behaviour list has it for each: made in two namespaces, found by label in one and in
 * all, watched, patched, updated, and removed as a collection by label while others stay.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type AnyDefinition, allDefinitions } from '../../control-plane/resources/registry.ts';
import { apiv1, type JsonObject } from '../../proto/index.ts';
import { exampleOf } from '../harness/example-objects.ts';
import { apiUnavailable, ServerUnderTest } from './api-server-under-test.ts';
import { JsonApi, nameOf, namesOf, withMetadata } from './behaviours-api.ts';

/** Rows of the behaviour list that this suite answers, by kind. */
const ROWS: Readonly<Record<string, string>> = {
  ConfigMap: 'sig-node 5 and 6',
  ControllerRevision: 'sig-apps 1',
  CronJob: 'sig-apps 6',
  CSIDriver: 'sig-storage 1',
  CSINode: 'sig-storage 3',
  CertificateSigningRequest: 'sig-auth 1',
  CustomResourceDefinition: 'sig-api-machinery 33 and 35',
  DaemonSet: 'sig-apps 7',
  Deployment: 'sig-apps 20',
  Endpoints: 'sig-network 17',
  EndpointSlice: 'sig-network 15',
  Event: 'sig-instrumentation 1 to 4',
  Ingress: 'sig-network 21',
  IngressClass: 'sig-network 22',
  Job: 'sig-apps 34',
  Lease: 'sig-node 39',
  LimitRange: 'sig-scheduling 2',
  MutatingWebhookConfiguration: 'sig-api-machinery 3, what is stored',
  Node: 'sig-node 42',
  PersistentVolume: 'sig-storage 45',
  PersistentVolumeClaim: 'sig-storage 45',
  Pod: 'sig-node 55, 57 and 60',
  PodDisruptionBudget: 'sig-apps 22 and 24',
  PodTemplate: 'sig-node 46 to 48',
  PriorityClass: 'sig-scheduling 8',
  ReplicaSet: 'sig-apps 41 and 44',
  ReplicationController: 'sig-apps 52',
  ResourceQuota: 'sig-api-machinery 84',
  RuntimeClass: 'sig-node 78',
  Secret: 'sig-node 83',
  Service: 'sig-network 41',
  ServiceAccount: 'sig-auth 15 and 16',
  StatefulSet: 'sig-apps 57',
  StorageClass: 'sig-storage 83',
  ValidatingWebhookConfiguration: 'sig-api-machinery 4, what is stored',
  VolumeAttachment: 'sig-storage 90',
};

describe.skipIf(apiUnavailable() !== undefined)('the life of', () => {
  let under: ServerUnderTest;
  let api: JsonApi;
  beforeAll(async () => {
    under = await ServerUnderTest.start();
    api = new JsonApi(under.connect());
    await api.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'elsewhere' } });
  });
  afterAll(() => under?.stop());

  // Namespaces go by their own rules and have no collection to delete: see api-garbage.test.ts and behaviours-namespaces.test.ts.
  const kinds = allDefinitions()
    .filter(({ type }) => type.kind !== 'Namespace')
    .map((definition) => {
      const { apiVersion, kind } = definition.type;
      return [`${kind} of ${apiVersion}`, ROWS[kind] ?? 'no row of its own', definition] as const;
    });

  test('every row names a kind that there is', () => {
    const served = new Set(allDefinitions().map(({ type }) => type.kind));
    expect(Object.keys(ROWS).filter((kind) => !served.has(kind))).toEqual([]);
  });

  test.each(kinds)('%s, from creation to a collection deleted by label (%s)', async (_title, _rows, definition) => {
    const { apiVersion, kind, namespaced } = definition.type;
    const everywhere = { apiVersion, kind };
    const labelSelector = `life=${kind.toLowerCase()}`;
    const labels = { life: kind.toLowerCase() };
    const [first, second, other] = await threeOf(definition);
    const at = (object: JsonObject, more: apiv1.Target = {}): apiv1.Target => {
      const { name, namespace } = object.metadata as { name: string; namespace?: string };
      return { apiVersion, kind, name, namespace: namespace ?? '', ...more };
    };

    const { version } = await api.list(everywhere);
    const watching = api.watch(everywhere, 4, { labelSelector, resourceVersion: version });
    await api.create(withMetadata(other, { labels: { life: 'of-another' } }));
    const created = await api.create(withMetadata(first, { labels }));
    await api.create(withMetadata(second, { labels }));

    expect(await api.get(at(first))).toEqual(created);
    const found = await api.list(everywhere, { labelSelector });
    expect(namesOf(found.items)).toEqual(namesOf([first, second]));
    const here = await api.list(at(first, { name: '' }), { labelSelector });
    expect(namesOf(here.items)).toEqual(namesOf(namespaced ? [first] : [first, second]));

    const patched = await api.patch(at(first), { metadata: { labels: { patched: 'yes' } } }, apiv1.PatchType.STRATEGIC);
    expect(patched.metadata).toMatchObject({ labels: { ...labels, patched: 'yes' } });
    expect(namesOf((await api.list(everywhere, { labelSelector: 'patched=yes' })).items)).toEqual([nameOf(first)]);
    const updated = await api.update(withMetadata(patched, { annotations: { updated: 'yes' } }));
    expect((await api.get(at(first))).metadata).toMatchObject({ annotations: { updated: 'yes' } });
    expect(updated.metadata).toMatchObject({ uid: (created.metadata as JsonObject).uid });

    const changes = await watching;
    expect(changes.map(({ type, object }) => `${type} ${nameOf(object)}`)).toEqual([
      `ADDED ${nameOf(first)}`,
      `ADDED ${nameOf(second)}`,
      `MODIFIED ${nameOf(first)}`,
      `MODIFIED ${nameOf(first)}`,
    ]);

    const removals = api.watch(everywhere, 1, {
      labelSelector: 'patched=yes',
      resourceVersion: changes[3]?.version ?? '',
    });
    const gone = await api.deleteCollection(at(first, { name: '' }), labelSelector);
    expect((gone.deleted ?? []).map(({ name }) => name ?? '').sort((a, b) => a.localeCompare(b))).toEqual(
      namesOf(namespaced ? [first] : [first, second]),
    );
    await letGo(everywhere, labelSelector);
    const left = namesOf((await api.list(everywhere, { labelSelector })).items);
    expect(left).toEqual(namespaced ? namesOf([second]) : []);
    expect(await api.get(at(other))).toMatchObject({ metadata: { labels: { life: 'of-another' } } });
    expect((await removals).map(({ object }) => nameOf(object))).toEqual([nameOf(first)]);
    if (namespaced) await api.delete(at(second), { gracePeriodSeconds: 0 });
    await api.delete(at(other), { gracePeriodSeconds: 0 });
  });

  /** Removes the finalizers of what is marked for deletion. */
  async function letGo(target: apiv1.Target, labelSelector: string): Promise<void> {
    for (const object of (await api.list(target, { labelSelector })).items) {
      const { deletionTimestamp } = object.metadata as { deletionTimestamp?: string };
      if (deletionTimestamp !== undefined) await api.update(withMetadata(object, { finalizers: [] }));
    }
  }
});

/** Three objects of the kind: one here, one in another namespace, one here again. */
async function threeOf(definition: AnyDefinition): Promise<[JsonObject, JsonObject, JsonObject]> {
  const example = await exampleOf(definition);
  const { namespaced } = definition.type;
  return [
    named(example, 'first'),
    namespaced ? elsewhere(named(example, 'second')) : named(example, 'second'),
    named(example, 'other'),
  ];
}

/** The object in the other namespace; an event is where the object is that it is about. */
function elsewhere(object: JsonObject): JsonObject {
  const moved = withMetadata(object, { namespace: 'elsewhere' });
  const about = ['involvedObject', 'regarding'].find((field) => Object.hasOwn(object, field));
  return about === undefined
    ? moved
    : { ...moved, [about]: { ...(object[about] as JsonObject), namespace: 'elsewhere' } };
}

/** The example under another name, with what else has to differ. */
function named(example: JsonObject, name: string): JsonObject {
  const { spec, kind } = example as { spec?: JsonObject & { group?: string }; kind: string };
  switch (kind) {
    case 'CustomResourceDefinition': {
      const names = { ...(spec?.names as JsonObject), plural: `${name}s`, kind: `A${name}`, shortNames: [] };
      return { ...withMetadata(example, { name: `${name}s.${spec?.group}` }), spec: { ...spec, names } };
    }
    case 'APIService':
      return {
        ...withMetadata(example, { name: `v1.${name}.example.com` }),
        spec: { ...spec, group: `${name}.example.com`, version: 'v1' },
      };
    default:
      return withMetadata(example, { name: `life-of-${name}` });
  }
}
