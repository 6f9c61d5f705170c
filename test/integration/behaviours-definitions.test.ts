/** What the behaviour list asks of kinds that people define (sig-api-machinery 30 to 55), as far as it concerns the API itself. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { LEADER_TASKS } from '../../control-plane/leader-tasks.ts';
import { apiv1, type JsonObject } from '../../proto/index.ts';
import { waitFor } from '../harness/wait.ts';
import { apiUnavailable, ServerUnderTest } from './api-server-under-test.ts';
import { JsonApi, nameOf, namesOf, withMetadata } from './behaviours-api.ts';

const GROUP = 'behaviours.example.com';

describe.skipIf(apiUnavailable() !== undefined)('defined kinds', () => {
  let under: ServerUnderTest;
  let api: JsonApi;
  beforeAll(async () => {
    under = await ServerUnderTest.start({ leaderTasks: LEADER_TASKS });
    api = new JsonApi(under.connect());
  });
  afterAll(() => under?.stop());

  const version = (name: string, schema: JsonObject, more: JsonObject = {}): JsonObject => ({
    name,
    served: true,
    storage: true,
    schema: { openAPIV3Schema: { type: 'object', ...schema } },
    ...more,
  });
  const open = { 'x-kubernetes-preserve-unknown-fields': true };
  const specOf = (properties: JsonObject, more: JsonObject = {}): JsonObject => ({
    properties: { spec: { type: 'object', properties, ...more } },
  });

  /** Defines the kind and waits until it is served. */
  async function define(kind: string, versions: readonly JsonObject[], group = GROUP): Promise<JsonObject> {
    const plural = `${kind.toLowerCase()}s`;
    const made = await api.create({
      apiVersion: 'apiextensions.k8s.io/v1',
      kind: 'CustomResourceDefinition',
      metadata: { name: `${plural}.${group}` },
      spec: { group, scope: 'Namespaced', names: { plural, kind }, versions: [...versions] },
    });
    await waitFor(`${kind} to be served`, () => api.list({ resource: `${plural}.${group}` }));
    return made;
  }
  const custom = (kind: string, name: string, more: JsonObject = {}): JsonObject => ({
    apiVersion: `${GROUP}/v1`,
    kind,
    metadata: { name, namespace: 'default' },
    ...more,
  });
  const at = (kind: string, name = '', apiVersion = `${GROUP}/v1`): apiv1.Target => ({
    apiVersion,
    kind,
    namespace: 'default',
    name,
  });
  const fieldsOf = async (path: string, apiVersion = ''): Promise<string[]> => {
    const { field } = await api.connection.unary(apiv1.ClusterService.explain, { path, apiVersion });
    return (field?.fields ?? []).map(({ name }) => name ?? '');
  };

  test('their own kind is discovered, with its status as a subresource (sig-api-machinery 34 and 37)', async () => {
    const { kinds = [] } = await api.connection.unary(apiv1.ClusterService.listKinds, {});
    expect(kinds.find(({ kind }) => kind === 'CustomResourceDefinition')).toMatchObject({
      group: 'apiextensions.k8s.io',
      version: 'v1',
      plural: 'customresourcedefinitions',
    });
    await define('Told', [version('v1', specOf({}))]);
    const status = { resource: 'crd', name: `tolds.${GROUP}`, subresource: 'status' };
    const { conditions } = (await api.get(status)).status as { conditions: JsonObject[] };
    expect(conditions).toContainEqual(expect.objectContaining({ type: 'Established', status: 'True' }));
  });

  test('are made, watched, changed and removed (sig-api-machinery 32 and 33)', async () => {
    await define('Watched', [version('v1', specOf({ size: { type: 'integer' } }))]);
    const { version: from } = await api.list(at('Watched'));
    const told = api.watch(at('Watched'), 5, { resourceVersion: from });
    await api.create(custom('Watched', 'a', { spec: { size: 1 } }));
    await api.create(custom('Watched', 'b', { spec: { size: 1 } }));
    await api.patch(at('Watched', 'a'), { spec: { size: 2 } });
    await api.delete(at('Watched', 'a'));
    await api.delete(at('Watched', 'b'));
    expect((await told).map(({ type, object }) => `${type} ${nameOf(object)}`)).toEqual([
      'ADDED a',
      'ADDED b',
      'MODIFIED a',
      'DELETED a',
      'DELETED b',
    ]);
    await api.delete({ resource: 'crd', name: `watcheds.${GROUP}` });
    await waitFor('the kind to go', () =>
      api.list({ resource: `watcheds.${GROUP}` }).then(
        () => false,
        () => true,
      ),
    );
  });

  test('fields they name select in lists and watches; leaving the selection is a deletion (sig-api-machinery 38)', async () => {
    const properties = { host: { type: 'string' }, port: { type: 'string' } };
    const selectableFields = [{ jsonPath: '.spec.host' }, { jsonPath: '.spec.port' }];
    await define('Picked', [version('v1', specOf(properties), { selectableFields })]);
    const { version: from } = await api.list(at('Picked'));
    const told = api.watch(at('Picked'), 3, { resourceVersion: from, fieldSelector: 'spec.host=one,spec.port=80' });
    await api.create(custom('Picked', 'a', { spec: { host: 'one', port: '80' } }));
    await api.create(custom('Picked', 'b', { spec: { host: 'one', port: '443' } }));
    await api.create(custom('Picked', 'c', { spec: { host: 'two', port: '80' } }));
    const of = async (fieldSelector: string) => namesOf((await api.list(at('Picked'), { fieldSelector })).items);
    expect(await of('spec.host=one')).toEqual(['a', 'b']);
    expect(await of('spec.host=one,spec.port=80')).toEqual(['a']);
    expect(await of('spec.host!=one')).toEqual(['c']);
    await api.patch(at('Picked', 'a'), { spec: { port: '81' } });
    await api.patch(at('Picked', 'b'), { spec: { port: '80' } });
    expect((await told).map(({ type, object }) => `${type} ${nameOf(object)}`)).toEqual([
      'ADDED a',
      'DELETED a',
      'ADDED b',
    ]);
    await expect(of('spec.other=x')).rejects.toThrow('field label not supported: spec.other');
  });

  test('defaults apply on write, and on what was stored before they were there (sig-api-machinery 36)', async () => {
    const made = await define('Filled', [version('v1', specOf({ a: { type: 'string' } }))]);
    await api.create(custom('Filled', 'old', { spec: { a: 'x' } }));
    await api.create(custom('Filled', 'bare', { spec: {} }));
    const withDefault = specOf({ a: { type: 'string', default: 'A' }, b: { type: 'string', default: 'B' } });
    await api.patch({ resource: 'crd', name: nameOf(made) }, { spec: { versions: [version('v1', withDefault)] } });
    expect(await api.create(custom('Filled', 'new', { spec: {} }))).toMatchObject({ spec: { a: 'A', b: 'B' } });
    expect(await api.get(at('Filled', 'old'))).toMatchObject({ spec: { a: 'x', b: 'B' } });
    expect(await api.get(at('Filled', 'bare'))).toMatchObject({ spec: { a: 'A', b: 'B' } });
  });

  const openSchemas: readonly (readonly [
    row: string,
    where: string,
    kind: string,
    schema: JsonObject,
    body: JsonObject,
  ])[] = [
    ['41', 'at the root', 'OpenRoot', open, { spec: { a: [1, { b: null }] }, more: 'x' }],
    [
      '42',
      'in a nested object',
      'OpenNested',
      specOf({ free: { type: 'object', ...open } }),
      { spec: { free: { a: { b: 1 } } } },
    ],
    ['44', 'in the spec', 'OpenSpec', specOf({}, open), { spec: { a: 1, b: { c: 'd' } } }],
    ['50', 'with no schema to speak of', 'OpenAll', open, { foo: 'foo1', spec: { cronSpec: '* * * * */5' } }],
  ];
  test.each(openSchemas)(
    'unknown fields pass and stay where the schema is open (sig-api-machinery %s): %s',
    async (_row, _where, kind, schema, body) => {
      await define(kind, [version('v1', schema)]);
      expect(await api.create(custom(kind, 'a', body))).toMatchObject(body);
      expect(await api.get(at(kind, 'a'))).toMatchObject(body);
      const closed = api.create(withMetadata(custom(kind, 'b', body), { unknownMeta: 'x' }));
      await expect(closed).rejects.toThrow('unknown field "metadata.unknownMeta"');
    },
  );

  test('unknown and repeated fields of objects with a schema are refused, valid ones pass (sig-api-machinery 43, 51 to 53 and 55)', async () => {
    await define('Strict', [
      version('v1', { ...specOf({ size: { type: 'integer', minimum: 1 } }), required: ['spec'] }),
    ]);
    await api.create(custom('Strict', 'good', { spec: { size: 1 } }));
    await expect(api.create(custom('Strict', 'x', { spec: { sise: 1 } }))).rejects.toThrow(
      'unknown field "spec.sise" (did you mean "size"?)',
    );
    await expect(api.create(custom('Strict', 'x', { spec: { size: 0 } }))).rejects.toMatchObject({ reason: 'Invalid' });
    await expect(api.create(custom('Strict', 'x'))).rejects.toThrow('spec: Required value');
    await expect(api.create(withMetadata(custom('Strict', 'x', { spec: {} }), { unknownMeta: 'x' }))).rejects.toThrow(
      'unknown field "metadata.unknownMeta"',
    );
    const twice = `{"apiVersion":"${GROUP}/v1","kind":"Strict","metadata":{"name":"x","namespace":"default"},"spec":{"size":1,"size":2}}`;
    const sent = api.connection.unary(apiv1.ResourcesService.create, {
      target: at('Strict'),
      json: Buffer.from(twice),
    });
    await expect(sent).rejects.toThrow('duplicate field "spec.size"');
    expect(await fieldsOf('stricts.spec')).toEqual(['size']);
  });

  test('objects stored at two versions list at one, read at the other (sig-api-machinery 30 and 31, without webhooks)', async () => {
    const schema = specOf({ size: { type: 'integer' } });
    const made = await define('Turned', [version('v1', schema), version('v2', schema, { storage: false })]);
    await api.create(custom('Turned', 'first', { spec: { size: 1 } }));
    const turned = [version('v1', schema, { storage: false }), version('v2', schema)];
    await api.patch({ resource: 'crd', name: nameOf(made) }, { spec: { versions: turned } });
    await api.create({ ...custom('Turned', 'second', { spec: { size: 2 } }), apiVersion: `${GROUP}/v2` });
    for (const apiVersion of [`${GROUP}/v1`, `${GROUP}/v2`]) {
      const { items } = await api.list(at('Turned', '', apiVersion));
      expect(items.map((item) => [item.apiVersion, nameOf(item), item.spec])).toEqual([
        [apiVersion, 'first', { size: 1 }],
        [apiVersion, 'second', { size: 2 }],
      ]);
    }
    const { status } = await api.get({ resource: 'crd', name: nameOf(made) });
    expect(status).toMatchObject({ storedVersions: ['v1', 'v2'] });
  });

  test('a version that is renamed or served no longer leaves what is explained and served (sig-api-machinery 39, 40 and 47)', async () => {
    const schemas = [specOf({ old: { type: 'string' } }), specOf({ new: { type: 'string' } })];
    const [first = {}, second = {}] = schemas;
    const made = await define('Renamed', [version('v1', first), version('v2', second, { storage: false })]);
    const definition = { resource: 'crd', name: nameOf(made) };
    expect(await fieldsOf('renameds.spec', `${GROUP}/v1`)).toEqual(['old']);
    expect(await fieldsOf('renameds.spec', `${GROUP}/v2`)).toEqual(['new']);
    const renamed = [version('v1', first), version('v3', second, { storage: false })];
    await api.patch(definition, { spec: { versions: renamed } });
    await waitFor('the new name', () => fieldsOf('renameds.spec', `${GROUP}/v3`));
    await expect(api.list(at('Renamed', '', `${GROUP}/v2`))).rejects.toThrow(
      'no matches for kind "Renamed" in version',
    );
    const stopped = [version('v1', first), version('v3', second, { storage: false, served: false })];
    await api.patch(definition, { spec: { versions: stopped } });
    await expect(fieldsOf('renameds.spec', `${GROUP}/v3`)).rejects.toThrow();
    expect(await fieldsOf('renameds.spec', `${GROUP}/v1`)).toEqual(['old']);
  });

  test('kinds of one group, and of several, are explained side by side (sig-api-machinery 45 and 46)', async () => {
    await define('Apple', [version('v1', specOf({ core: { type: 'string' } }))]);
    await define('Pear', [version('v1', specOf({ stem: { type: 'string' } }))]);
    await define('Apple', [version('v1', specOf({ seeds: { type: 'string' } }))], `other.${GROUP}`);
    expect(await fieldsOf(`apples.spec`, `${GROUP}/v1`)).toEqual(['core']);
    expect(await fieldsOf('pears.spec')).toEqual(['stem']);
    expect(await fieldsOf('apples.spec', `other.${GROUP}/v1`)).toEqual(['seeds']);
  });
});
