/** Kinds that people add: from the definition to its objects and back, over gRPC on a real etcd. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { LEADER_TASKS } from '../../control-plane/leader-tasks.ts';
import type { RunningServer } from '../../control-plane/server.ts';
import { GrpcConnection } from '../../lib/client/grpc-connection.ts';
import { type ApiError, errorMessage } from '../../lib/errors.ts';
import { apiv1, customResourceType, type Json, type JsonObject } from '../../proto/index.ts';
import { waitFor } from '../harness/wait.ts';
import { startSecondServer } from './api-second-server.ts';
import { apiUnavailable, ServerUnderTest } from './api-server-under-test.ts';

const { ResourcesService, ClusterService } = apiv1;
const EXAMPLE = join(import.meta.dirname, '../../manifests/custom-resource-definition.yaml');

function example(): readonly [JsonObject, JsonObject] {
  const [crd, object] = parseAllDocuments(readFileSync(EXAMPLE, 'utf8')).map((doc) => doc.toJS() as JsonObject);
  if (crd === undefined || object === undefined) throw new Error('the example has two documents');
  return [crd, { ...object, metadata: { ...(object.metadata as JsonObject), namespace: 'default' } }];
}

/** A definition of `plural` in widgets.example.com with these versions. */
function definition(plural: string, kind: string, more: JsonObject = {}): JsonObject {
  const version: JsonObject = {
    name: 'v1',
    served: true,
    storage: true,
    schema: {
      openAPIV3Schema: {
        type: 'object',
        properties: { spec: { type: 'object', properties: { size: { type: 'integer' } } } },
      },
    },
  };
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.widgets.example.com` },
    spec: { group: 'widgets.example.com', scope: 'Namespaced', names: { plural, kind }, versions: [version], ...more },
  };
}

/** What the API says through one connection, in JSON. */
class Caller {
  readonly connection: GrpcConnection;

  constructor(connection: GrpcConnection) {
    this.connection = connection;
  }

  async apply(json: JsonObject, more: apiv1.ApplyRequest = {}): Promise<JsonObject> {
    return parsed(
      await this.connection.unary(ResourcesService.apply, {
        target: { namespace: 'default' },
        json: Buffer.from(JSON.stringify(json)),
        output: apiv1.Output.JSON,
        ...more,
      }),
    );
  }

  async write(verb: 'create' | 'update', target: apiv1.Target, json: JsonObject): Promise<JsonObject> {
    const request = { target, json: Buffer.from(JSON.stringify(json)), output: apiv1.Output.JSON };
    return parsed(await this.connection.unary(ResourcesService[verb], request));
  }

  async patch(target: apiv1.Target, type: apiv1.PatchType, patch: Json): Promise<JsonObject> {
    const bytes = Buffer.from(JSON.stringify(patch));
    return parsed(
      await this.connection.unary(ResourcesService.patch, { target, type, patch: bytes, output: apiv1.Output.JSON }),
    );
  }

  merge(target: apiv1.Target, patch: Json): Promise<JsonObject> {
    return this.patch(target, apiv1.PatchType.MERGE, patch);
  }

  async get(target: apiv1.Target): Promise<JsonObject> {
    return parsed(await this.connection.unary(ResourcesService.get, { target, output: apiv1.Output.JSON }));
  }

  async list(target: apiv1.Target, more: apiv1.ListRequest = {}): Promise<JsonObject[]> {
    const reply = await this.connection.unary(ResourcesService.list, { target, output: apiv1.Output.JSON, ...more });
    return (reply.items ?? []).map(parsed);
  }

  delete(target: apiv1.Target): Promise<apiv1.ObjectReply> {
    return this.connection.unary(ResourcesService.delete, { target });
  }
}

function parsed(reply: { readonly json?: Buffer | Uint8Array | undefined }): JsonObject {
  return JSON.parse(Buffer.from(reply.json ?? []).toString()) as JsonObject;
}

function connectionTo({ port, pki }: RunningServer): GrpcConnection {
  return new GrpcConnection({ endpoints: [`127.0.0.1:${port}`], ca: pki.ca, ...pki.admin });
}

const refusal = (call: Promise<unknown>): Promise<ApiError> =>
  call.then(
    () => {
      throw new Error('was not refused');
    },
    (err: unknown) => err as ApiError,
  );

describe.skipIf(apiUnavailable() !== undefined)('custom kinds', () => {
  let under: ServerUnderTest;
  let api: Caller;
  beforeAll(async () => {
    under = await ServerUnderTest.start({ leaderTasks: LEADER_TASKS });
    api = new Caller(under.connect());
  });
  afterAll(() => under?.stop());

  const [crd, backup] = example();
  const photos: apiv1.Target = { resource: 'bk', namespace: 'default', name: 'photos' };
  const withSpec = (spec: JsonObject, name = 'photos'): JsonObject => ({
    ...backup,
    metadata: { name, namespace: 'default' },
    spec: { ...(backup.spec as JsonObject), ...spec },
  });

  describe('of a definition', () => {
    beforeAll(async () => {
      await api.apply(crd);
      await api.apply(backup);
    });

    test('are served at once, under all their names', async () => {
      for (const resource of [
        'backups',
        'backup',
        'bk',
        'Backup',
        'backups.storage.example.com',
        'backups.v1.storage.example.com',
      ]) {
        expect((await api.get({ ...photos, resource })).kind).toBe('Backup');
      }
      const { kinds = [] } = await api.connection.unary(ClusterService.listKinds, {});
      expect(kinds.find(({ kind }) => kind === 'Backup')).toMatchObject({
        group: 'storage.example.com',
        version: 'v1',
        plural: 'backups',
        shortNames: ['bk'],
        namespaced: true,
        categories: ['storage'],
      });
    });

    test('are given defaults, a uid and a generation', async () => {
      const live = await api.get(photos);
      expect(live.spec).toMatchObject({ keep: 14, compression: 'zstd', replicas: 1, window: '2h' });
      expect(live.metadata).toMatchObject({ uid: expect.stringMatching(/^[0-9a-f-]{36}$/), generation: 1 });
    });

    test('have the columns of their definition', async () => {
      const output = apiv1.Output.TABLE;
      const { table } = await api.connection.unary(ResourcesService.list, { target: photos, output });
      expect(table?.columns?.map(({ name, wide = false, age = false }) => [name, wide, age])).toEqual([
        ['NAME', false, false],
        ['VOLUME', false, false],
        ['KEEP', false, false],
        ['PHASE', false, false],
        ['SCHEDULE', true, false],
        ['AGE', false, true],
      ]);
      const [row] = table?.rows ?? [];
      expect(row?.cells?.slice(0, 5)).toEqual(['photos', 'photos', '14', '', '30 3 * * *']);
    });

    test.each<[string, JsonObject, string]>([
      [
        'a value of another type',
        { keep: 'many' },
        'spec.keep: Invalid value: "string": spec.keep in body must be of type integer: "string"',
      ],
      [
        'a number too large',
        { keep: 101 },
        'spec.keep: Invalid value: 101: spec.keep in body should be less than or equal to 100',
      ],
      [
        'a number too small',
        { keep: 0 },
        'spec.keep: Invalid value: 0: spec.keep in body should be greater than or equal to 1',
      ],
      [
        'a value that is not among those allowed',
        { compression: 'rar' },
        'spec.compression: Unsupported value: "rar": supported values: "none", "gzip", "zstd"',
      ],
      [
        'a text that does not match',
        { schedule: 'daily' },
        'spec.schedule: Invalid value: "daily": spec.schedule in body should match \'^(\\S+\\s){4}\\S+$\'',
      ],
      [
        'a text too short',
        { volume: '' },
        'spec.volume: Invalid value: "": spec.volume in body should be at least 1 chars long',
      ],
      ['an item without its key', { targets: [{ url: 'https://x.example' }] }, 'spec.targets[0].name: Required value'],
      [
        'two items with one key',
        { targets: [{ name: 'a' }, { name: 'a' }] },
        'spec.targets[1]: Duplicate value: {"name":"a"}',
      ],
      [
        'a boolean where a number or text is meant',
        { window: true },
        'spec.window: Invalid value: "boolean": spec.window in body must be of type integer,string: "boolean"',
      ],
      [
        'a map value of another type',
        { labels: { a: 1 } },
        'spec.labels.a: Invalid value: "integer": spec.labels.a in body must be of type string: "integer"',
      ],
    ])('are refused with %s', async (_name, spec, message) => {
      const err = await refusal(api.apply(withSpec(spec)));
      expect(err.reason).toBe('Invalid');
      expect(err.message).toBe(`Backup.storage.example.com "photos" is invalid: ${message}`);
    });

    test('are refused with all problems at once', async () => {
      const err = await refusal(api.apply(withSpec({ keep: 0, compression: 'rar' })));
      expect(err.causes.map(({ field }) => field)).toEqual(['spec.compression', 'spec.keep']);
    });

    test('are refused with an unknown field, by every verb', async () => {
      const wanted = {
        reason: 'BadRequest',
        message: 'strict decoding error: unknown field "spec.kep" (did you mean "keep"?)',
      };
      const wrong = withSpec({ kep: 1 }, 'other');
      const other = { ...photos, name: 'other' };
      expect(await refusal(api.apply(wrong))).toMatchObject(wanted);
      expect(await refusal(api.write('create', other, wrong))).toMatchObject(wanted);
      expect(await refusal(api.write('update', photos, withSpec({ kep: 1 })))).toMatchObject(wanted);
      expect(await refusal(api.merge(photos, { spec: { kep: 1 } }))).toMatchObject(wanted);
      const add = [{ op: 'add', path: '/spec/kep', value: 1 }];
      expect(await refusal(api.patch(photos, apiv1.PatchType.JSON, add))).toMatchObject(wanted);
    });

    test('are refused with unknown or ill-typed metadata', async () => {
      const err = await refusal(api.apply({ ...backup, metadata: { name: 'x', lables: {}, labels: { a: 1 } } }));
      expect(err.message).toContain('unknown field "metadata.lables" (did you mean "labels"?)');
      expect(err.message).toContain('metadata.labels.a: expected a string');
      expect((await refusal(api.apply({ ...backup, metadata: { name: 'X' } }))).message).toContain('metadata.name');
    });

    test('keep what the schema does not describe where it says so', async () => {
      const options = { deep: [{ er: [1, null, { x: 1.5 }] }], a: null, b: false };
      for (let i = 0; i < 2; i++) {
        const live = await api.apply(withSpec({ options }, 'free'));
        expect((live.spec as JsonObject).options).toEqual(options);
      }
    });

    test('merge as objects when applied again; what was left out goes, what others set stays', async () => {
      const at = { ...photos, name: 'merged' };
      await api.apply(withSpec({ labels: { a: '1', b: '2' }, keep: 3 }, 'merged'));
      await api.merge(at, { spec: { labels: { c: '3' }, replicas: 4 } });
      const { keep: _keep, ...spec } = withSpec({ labels: { a: '9' } }, 'merged').spec as JsonObject;
      const live = await api.apply({ ...withSpec({}, 'merged'), spec });
      expect(live.spec).toMatchObject({ labels: { a: '9', c: '3' }, replicas: 4, keep: 7 });
    });

    test('are unchanged by what says the same', async () => {
      const before = await api.apply(withSpec({ keep: 9 }, 'same'));
      const reply = await api.connection.unary(ResourcesService.apply, {
        json: Buffer.from(JSON.stringify(withSpec({ keep: 9 }, 'same'))),
      });
      expect(reply.action).toBe(apiv1.Action.UNCHANGED);
      expect(reply.resourceVersion).toBe((before.metadata as JsonObject).resourceVersion);
    });

    test('count generations of what is desired, not of the status', async () => {
      const at = { ...photos, name: 'counted' };
      const generation = (object: JsonObject): Json | undefined => (object.metadata as JsonObject).generation;
      expect(generation(await api.apply(withSpec({}, 'counted')))).toBe(1);
      expect(generation(await api.merge(at, { metadata: { labels: { x: 'y' } } }))).toBe(1);
      const status = await api.merge(
        { ...at, subresource: 'status' },
        { status: { phase: 'Ready' }, spec: { keep: 1 } },
      );
      expect(generation(status)).toBe(1);
      expect(status).toMatchObject({ status: { phase: 'Ready' }, spec: { keep: 14 } });
      const spec = await api.merge(at, { spec: { keep: 2 }, status: { phase: 'Lost' } });
      expect(generation(spec)).toBe(2);
      expect(spec).toMatchObject({ status: { phase: 'Ready' }, spec: { keep: 2 } });
    });

    test('have their status checked too', async () => {
      const err = await refusal(api.merge({ ...photos, subresource: 'status' }, { status: { lastRun: 'yesterday' } }));
      expect(err.message).toContain('status.lastRun in body must be of type date-time: "yesterday"');
    });

    test('are scaled', async () => {
      const scale = { ...photos, subresource: 'scale' };
      expect(await api.merge(scale, { spec: { replicas: 3 } })).toMatchObject({ kind: 'Scale', spec: { replicas: 3 } });
      expect((await api.get(photos)).spec).toMatchObject({ replicas: 3 });
      await api.merge({ ...photos, subresource: 'status' }, { status: { replicas: 2, selector: 'a=b' } });
      expect(await api.get(scale)).toMatchObject({ status: { replicas: 2, selector: 'a=b' } });
    });

    test('take no strategic merge patch', async () => {
      const err = await refusal(api.patch(photos, apiv1.PatchType.STRATEGIC, { spec: { keep: 2 } }));
      expect(err.message).toContain('accepted media types include: application/json-patch+json');
    });

    test('are selected by labels and by the fields their definition names', async () => {
      await api.apply(withSpec({ volume: 'music' }, 'music'));
      const names = async (more: apiv1.ListRequest): Promise<unknown[]> =>
        (await api.list({ resource: 'backups', namespace: 'default' }, more)).map(
          (one) => (one.metadata as JsonObject).name,
        );
      expect(await names({ fieldSelector: 'spec.volume=music' })).toEqual(['music']);
      expect(await names({ labelSelector: 'app=photos' })).toEqual(['photos']);
      const err = await refusal(names({ fieldSelector: 'spec.keep=1' }));
      expect(err.message).toContain('field label not supported: spec.keep');
    });

    test('have owners of fields by their schema: items of a list by their keys', async () => {
      const by = (fieldManager: string): apiv1.ApplyRequest => ({ serverSide: true, fieldManager });
      const base = {
        apiVersion: 'storage.example.com/v1',
        kind: 'Backup',
        metadata: { name: 'shared', namespace: 'default' },
      };
      const spec = { volume: 'v', schedule: '0 0 * * *' };
      await api.apply({ ...base, spec: { ...spec, targets: [{ name: 'a', url: 'https://a.example' }] } }, by('one'));
      const both = await api.apply({ ...base, spec: { targets: [{ name: 'b' }] } }, by('two'));
      expect((both.spec as JsonObject).targets).toEqual([{ name: 'a', url: 'https://a.example' }, { name: 'b' }]);
      const err = await refusal(
        api.apply({ ...base, spec: { targets: [{ name: 'a', url: 'https://c.example' }] } }, by('two')),
      );
      expect(err.reason).toBe('Conflict');
      expect(err.message).toContain('.spec.targets[name="a"].url');
    });

    test('are explained from their schema', async () => {
      const { field } = await api.connection.unary(ClusterService.explain, { path: 'backup.spec' });
      expect(field?.fields?.find(({ name }) => name === 'keep')).toMatchObject({
        type: 'integer',
        description: 'How many backups are kept.',
        default: '7',
      });
      const err = await refusal(api.connection.unary(ClusterService.explain, { path: 'backup.spec.kepp' }));
      expect(err.message).toContain('field "kepp" does not exist in Backup.spec (did you mean "keep"?)');
    });

    test('are typed for programs: the same through protobuf as through JSON', async () => {
      const type = customResourceType({
        group: 'storage.example.com',
        version: 'v1',
        kind: 'Backup',
        plural: 'backups',
        singular: 'backup',
        shortNames: [],
        namespaced: true,
      });
      const client = under.client();
      const metadata = { name: 'typed', namespace: 'default' };
      const made = await client.create(type, { metadata, spec: { volume: 'v', schedule: '0 0 * * *' } });
      expect(made).toMatchObject({ apiVersion: 'storage.example.com/v1', kind: 'Backup', spec: { keep: 7 } });
      const spec = { ...(made.spec as JsonObject), keep: 8 };
      const updated = await client.update(type, { ...made, spec });
      expect(updated).toMatchObject({ metadata: { generation: 2 }, spec: { keep: 8, compression: 'zstd' } });
      expect(await client.get(type, metadata)).toEqual(updated);
      expect((await client.list(type, { namespace: 'default' })).items).toContainEqual(updated);
      const wrong = client.update(type, { ...updated, spec: { ...spec, big: 2 ** 60, kep: 1 } });
      expect((await refusal(wrong)).message).toContain('spec.big');
      expect((await refusal(client.update(type, { ...updated, spec: { ...spec, kep: 1 } }))).message).toContain(
        '"spec.kep"',
      );
      await client.delete(type, metadata);
    });

    test('that nobody defined are refused with the nearest name', async () => {
      const err = await refusal(api.apply({ ...backup, kind: 'Bakcup' }));
      expect(err.message).toBe(
        'no matches for kind "Bakcup" in version "storage.example.com/v1" (did you mean "Backup"?)',
      );
      expect((await refusal(api.get({ ...photos, resource: 'bakups' }))).message).toContain('did you mean "backups"?');
    });

    test('are watched', async () => {
      const stop = new AbortController();
      const seen: string[] = [];
      const watching = (async () => {
        const target = { resource: 'backups', namespace: 'default', name: 'watched' };
        const stream = api.connection.serverStream(
          ResourcesService.watch,
          { target, output: apiv1.Output.JSON },
          stop.signal,
        );
        for await (const reply of stream) {
          for (const event of reply.events ?? []) {
            seen.push(`${event.type} ${(parsed(event).spec as JsonObject).keep as number}`);
            if (event.type === apiv1.EventType.DELETED) return;
          }
        }
      })();
      const at = { ...photos, name: 'watched' };
      await api.apply(withSpec({ keep: 1 }, 'watched'));
      await waitFor('the first event', () => seen.length > 0);
      await api.merge(at, { spec: { keep: 2 } });
      await api.delete(at);
      await watching;
      const { ADDED, MODIFIED, DELETED } = apiv1.EventType;
      expect(seen).toEqual([`${ADDED} 1`, `${MODIFIED} 2`, `${DELETED} 2`]);
    });
  });

  test('change with their definition: new fields, new defaults, fields that are gone', async () => {
    await api.apply(definition('gears', 'Gear'));
    const gear = { apiVersion: 'widgets.example.com/v1', kind: 'Gear', metadata: { name: 'a', namespace: 'default' } };
    const at: apiv1.Target = { resource: 'gears', namespace: 'default', name: 'a' };
    await api.apply({ ...gear, spec: { size: 1 } });
    const spec = { type: 'object', properties: { teeth: { type: 'integer', default: 12 } } };
    await api.merge(
      { resource: 'crd', name: 'gears.widgets.example.com' },
      {
        spec: {
          versions: [
            {
              name: 'v1',
              served: true,
              storage: true,
              schema: { openAPIV3Schema: { type: 'object', properties: { spec } } },
            },
          ],
        },
      },
    );
    expect((await api.get(at)).spec).toEqual({ teeth: 12 });
    expect((await api.merge(at, { spec: { teeth: 13 } })).spec).toEqual({ teeth: 13 });
    expect((await refusal(api.merge(at, { spec: { size: 2 } }))).message).toContain('unknown field "spec.size"');
  });

  test('in several versions are one kind: stored in one, read in each', async () => {
    const schema = { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } };
    const versions = [
      { name: 'v1', served: true, storage: false, schema },
      { name: 'v1beta1', served: true, storage: true, deprecated: true, schema },
      { name: 'v1alpha1', served: false, storage: false, schema },
    ];
    await api.apply(definition('cogs', 'Cog', { versions }));
    const cog = (version: string): JsonObject => ({
      apiVersion: `widgets.example.com/${version}`,
      kind: 'Cog',
      metadata: { name: 'a', namespace: 'default' },
      spec: { size: 1 },
    });
    const at = (version: string): apiv1.Target => ({
      apiVersion: `widgets.example.com/${version}`,
      kind: 'Cog',
      namespace: 'default',
      name: 'a',
    });
    expect(await api.apply(cog('v1'))).toMatchObject({ apiVersion: 'widgets.example.com/v1' });
    expect(await api.get(at('v1beta1'))).toMatchObject({
      apiVersion: 'widgets.example.com/v1beta1',
      spec: { size: 1 },
    });
    expect(await api.list(at('v1'))).toMatchObject([{ apiVersion: 'widgets.example.com/v1' }]);
    expect(await api.merge(at('v1'), { spec: { size: 2 } })).toMatchObject({ apiVersion: 'widgets.example.com/v1' });
    expect(await api.get({ resource: 'cogs', namespace: 'default', name: 'a' })).toMatchObject({
      apiVersion: 'widgets.example.com/v1',
      spec: { size: 2 },
    });
    const deprecated = await api.connection.unary(ResourcesService.patch, {
      target: at('v1beta1'),
      type: apiv1.PatchType.MERGE,
      patch: Buffer.from('{"metadata":{"labels":{"a":"b"}}}'),
    });
    expect(deprecated.warnings).toEqual(['widgets.example.com/v1beta1 Cog is deprecated']);
    const err = await refusal(api.apply(cog('v1alpha1')));
    expect(err.message).toContain(
      'no matches for kind "Cog" in version "widgets.example.com/v1alpha1"; use apiVersion',
    );
    // Stored in another version from now on: what is there is read as before.
    const stored = versions.map((version) => ({ ...version, storage: version.name === 'v1' }));
    const changed = await api.merge(
      { resource: 'crd', name: 'cogs.widgets.example.com' },
      { spec: { versions: stored } },
    );
    expect((changed.status as JsonObject).storedVersions).toEqual(['v1beta1', 'v1']);
    expect(await api.get(at('v1beta1'))).toMatchObject({
      apiVersion: 'widgets.example.com/v1beta1',
      spec: { size: 2 },
    });
    expect(await api.merge(at('v1beta1'), { spec: { size: 3 } })).toMatchObject({ spec: { size: 3 } });
    const without = stored.filter((version) => version.name !== 'v1beta1');
    const gone = await refusal(
      api.merge({ resource: 'crd', name: 'cogs.widgets.example.com' }, { spec: { versions: without } }),
    );
    expect(gone.message).toContain('status.storedVersions[0]: Invalid value: "v1beta1": must appear in spec.versions');
  });

  test('keep the rules of their schema, also after a restart', async () => {
    const rules = [
      { rule: 'self.min <= self.max', message: 'min must not be above max' },
      { rule: 'self.max >= oldSelf.max', message: 'max may only grow' },
    ];
    const integer = { type: 'integer' };
    const spec = { type: 'object', properties: { min: integer, max: integer }, 'x-kubernetes-validations': rules };
    const schema = { openAPIV3Schema: { type: 'object', properties: { spec } } };
    const versions = [{ name: 'v1', served: true, storage: true, schema }];
    await api.apply(definition('ranges', 'Range', { versions }));
    const range = (min: number, max: number): JsonObject => ({
      apiVersion: 'widgets.example.com/v1',
      kind: 'Range',
      metadata: { name: 'a', namespace: 'default' },
      spec: { min, max },
    });
    const crossed =
      'Range.widgets.example.com "a" is invalid: spec: Invalid value: "object": min must not be above max';
    expect((await refusal(api.apply(range(2, 1)))).message).toBe(crossed);
    await api.apply(range(1, 5));
    expect((await refusal(api.apply(range(1, 4)))).message).toContain('max may only grow');
    expect((await api.apply(range(2, 6))).spec).toEqual({ min: 2, max: 6 });
    const wrong = { ...spec, 'x-kubernetes-validations': [{ rule: 'self.min <=' }] };
    const changed = [{ ...versions[0], schema: { openAPIV3Schema: { type: 'object', properties: { spec: wrong } } } }];
    const err = await refusal(api.apply(definition('ranges', 'Range', { versions: changed as Json })));
    expect(err.message).toContain('x-kubernetes-validations[0].rule: Invalid value: "self.min <=": compilation failed');
    await under.halt();
    await under.boot();
    api = new Caller(under.connect());
    expect((await refusal(api.apply(range(7, 6)))).message).toBe(crossed);
  });

  test('that want names which others have wait for them', async () => {
    const named = (plural: string, kind: string): JsonObject =>
      definition(plural, kind, { names: { plural, kind, shortNames: ['wd'] } });
    await api.apply(named('wheels', 'Wheel'));
    const second = await api.apply(named('wedges', 'Wedge'));
    expect((second.status as JsonObject).conditions).toMatchObject([
      { type: 'NamesAccepted', status: 'False', reason: 'ShortNamesConflict', message: '"wd" is already in use' },
      { type: 'Established', status: 'False', reason: 'NotAccepted' },
    ]);
    expect((await refusal(api.list({ resource: 'wedges', namespace: 'default' }))).reason).toBe('NotFound');
    await api.delete({ resource: 'crd', name: 'wheels.widgets.example.com' });
    await waitFor('the second to be served', () => api.list({ resource: 'wedges', namespace: 'default' }));
    expect((await api.get({ resource: 'crd', name: 'wedges.widgets.example.com' })).status).toMatchObject({
      acceptedNames: { shortNames: ['wd'] },
      conditions: [{ status: 'True' }, { status: 'True' }],
    });
  });

  test('go with their definition: first their objects, then the definition, and watches end', async () => {
    await api.apply(definition('bolts', 'Bolt'));
    const bolts: apiv1.Target = { resource: 'bolts', namespace: 'default' };
    const bolt = (name: string): JsonObject => ({
      apiVersion: 'widgets.example.com/v1',
      kind: 'Bolt',
      metadata: { name, namespace: 'default', ...(name === 'held' ? { finalizers: ['example.com/hold'] } : {}) },
      spec: { size: 1 },
    });
    for (const name of ['a', 'b', 'held']) await api.apply(bolt(name));
    const events: string[] = [];
    const watching = (async () => {
      const stream = api.connection.serverStream(ResourcesService.watch, { target: bolts, output: apiv1.Output.JSON });
      for await (const reply of stream) {
        for (const event of reply.events ?? [])
          events.push(`${event.type} ${(parsed(event).metadata as JsonObject).name as string}`);
      }
    })().catch((err: unknown) => errorMessage(err));
    await waitFor('the watch to begin', () => events.length === 3);
    const definedBy: apiv1.Target = { resource: 'crd', name: 'bolts.widgets.example.com' };
    await api.delete(definedBy);
    expect((await api.get(definedBy)).metadata).toMatchObject({
      finalizers: ['customresourcecleanup.apiextensions.k8s.io'],
    });
    const refused = await refusal(api.apply(bolt('late')));
    expect(refused.message).toContain(
      'create not allowed while custom resource definition bolts.widgets.example.com is terminating',
    );
    await waitFor('only the held one to be left', async () => (await api.list(bolts)).length === 1);
    await api.merge({ ...bolts, name: 'held' }, { metadata: { finalizers: null } });
    await waitFor('the definition to go', () => refusal(api.get(definedBy)).then(() => true));
    expect(await watching).toMatch(/^Bolt of widgets\.example\.com\/v1 is no longer served/);
    expect(events).toContain(`${apiv1.EventType.DELETED} held`);
    expect((await refusal(api.list(bolts))).message).toContain('the server doesn\'t have a resource type "bolts"');
    // The same again is a new kind without objects.
    await api.apply(definition('bolts', 'Bolt'));
    expect(await api.list(bolts)).toEqual([]);
  });

  test('are known to a second server, and to the first after it was stopped', async () => {
    await api.apply(definition('pins', 'Pin'));
    const pin = {
      apiVersion: 'widgets.example.com/v1',
      kind: 'Pin',
      metadata: { name: 'a', namespace: 'default' },
      spec: { size: 1 },
    };
    await api.apply(pin);
    const second = await startSecondServer(under);
    try {
      const other = new Caller(connectionTo(second.server));
      expect((await other.get({ resource: 'pins', namespace: 'default', name: 'a' })).spec).toEqual({ size: 1 });
      // Defined there, asked for here, with nothing in between.
      await other.apply(definition('nuts', 'Nut'));
      expect(await api.list({ resource: 'nuts', namespace: 'default' })).toEqual([]);
      await other.apply({ ...pin, kind: 'Nut' });
      expect(await api.list({ resource: 'nuts', namespace: 'default' })).toHaveLength(1);
    } finally {
      await second.stop();
    }
    await under.halt();
    await under.boot();
    api = new Caller(under.connect());
    expect((await api.get({ resource: 'pins', namespace: 'default', name: 'a' })).spec).toEqual({ size: 1 });
    expect(await api.list({ resource: 'nuts', namespace: 'default' })).toHaveLength(1);
  });

  test('go with their namespace and with their owners', async () => {
    await api.apply(definition('rods', 'Rod'));
    await api.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } }, { target: {} });
    const rod = (name: string, namespace: string, more: JsonObject = {}): JsonObject => ({
      apiVersion: 'widgets.example.com/v1',
      kind: 'Rod',
      metadata: { name, namespace, ...more },
    });
    await api.apply(rod('a', 'shop'), { target: { namespace: 'shop' } });
    await api.delete({ resource: 'namespace', name: 'shop' });
    await waitFor('the namespace to go', () =>
      refusal(api.get({ resource: 'namespace', name: 'shop' })).then((err) => err.reason === 'NotFound'),
    );
    const owner = await api.apply(rod('owner', 'default'));
    const { uid = '' } = owner.metadata as { uid?: string };
    const ownerReferences = [{ apiVersion: 'widgets.example.com/v1', kind: 'Rod', name: 'owner', uid }];
    await api.apply(rod('owned', 'default', { ownerReferences }));
    await api.delete({ resource: 'rods', namespace: 'default', name: 'owner' });
    await waitFor(
      'the owned one to go',
      async () => (await api.list({ resource: 'rods', namespace: 'default' })).length === 0,
    );
  });
});
