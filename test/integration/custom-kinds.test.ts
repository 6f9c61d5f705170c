/** Objects of kinds that people add: from the definition to its objects and back, over gRPC on a real etcd. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { LEADER_TASKS } from '../../control-plane/leader-tasks.ts';
import { apiv1, customResourceType, type Json, type JsonObject } from '../../proto/index.ts';
import { refusal } from '../harness/refusal.ts';
import { waitFor } from '../harness/wait.ts';
import { apiUnavailable, ServerUnderTest } from './api-server-under-test.ts';
import { parsed } from './behaviours-api.ts';
import { Caller, example } from './custom-kinds-caller.ts';

const { ResourcesService, ClusterService } = apiv1;

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
      expect(await refusal(api.patch(photos, { spec: { kep: 1 } }))).toMatchObject(wanted);
      const add = [{ op: 'add', path: '/spec/kep', value: 1 }];
      expect(await refusal(api.patch(photos, add, apiv1.PatchType.JSON))).toMatchObject(wanted);
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
      await api.patch(at, { spec: { labels: { c: '3' }, replicas: 4 } });
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
      expect(generation(await api.patch(at, { metadata: { labels: { x: 'y' } } }))).toBe(1);
      const status = await api.patch(
        { ...at, subresource: 'status' },
        { status: { phase: 'Ready' }, spec: { keep: 1 } },
      );
      expect(generation(status)).toBe(1);
      expect(status).toMatchObject({ status: { phase: 'Ready' }, spec: { keep: 14 } });
      const spec = await api.patch(at, { spec: { keep: 2 }, status: { phase: 'Lost' } });
      expect(generation(spec)).toBe(2);
      expect(spec).toMatchObject({ status: { phase: 'Ready' }, spec: { keep: 2 } });
    });

    test('have their status checked too', async () => {
      const err = await refusal(api.patch({ ...photos, subresource: 'status' }, { status: { lastRun: 'yesterday' } }));
      expect(err.message).toContain('status.lastRun in body must be of type date-time: "yesterday"');
    });

    test('are scaled', async () => {
      const scale = { ...photos, subresource: 'scale' };
      expect(await api.patch(scale, { spec: { replicas: 3 } })).toMatchObject({ kind: 'Scale', spec: { replicas: 3 } });
      expect((await api.get(photos)).spec).toMatchObject({ replicas: 3 });
      await api.patch({ ...photos, subresource: 'status' }, { status: { replicas: 2, selector: 'a=b' } });
      expect(await api.get(scale)).toMatchObject({ status: { replicas: 2, selector: 'a=b' } });
    });

    test('take no strategic merge patch', async () => {
      const err = await refusal(api.patch(photos, { spec: { keep: 2 } }, apiv1.PatchType.STRATEGIC));
      expect(err.message).toContain('accepted media types include: application/json-patch+json');
    });

    test('are selected by labels and by the fields their definition names', async () => {
      await api.apply(withSpec({ volume: 'music' }, 'music'));
      const names = async (more: apiv1.ListRequest): Promise<unknown[]> =>
        (await api.objects({ resource: 'backups', namespace: 'default' }, more)).map(
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
      await api.patch(at, { spec: { keep: 2 } });
      await api.delete(at);
      await watching;
      const { ADDED, MODIFIED, DELETED } = apiv1.EventType;
      expect(seen).toEqual([`${ADDED} 1`, `${MODIFIED} 2`, `${DELETED} 2`]);
    });
  });
});
