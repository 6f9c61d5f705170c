/** Kinds that people add, as time goes by: changed, stored in another version, restarted, in conflict, gone; over gRPC on a real etcd. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { LEADER_TASKS } from '../../control-plane/leader-tasks.ts';
import { errorMessage } from '../../lib/errors.ts';
import { apiv1, type Json, type JsonObject } from '../../proto/index.ts';
import { refusal } from '../harness/refusal.ts';
import { waitFor } from '../harness/wait.ts';
import { startSecondServer } from './api-second-server.ts';
import { apiUnavailable, ServerUnderTest } from './api-server-under-test.ts';
import { parsed } from './behaviours-api.ts';
import { Caller, connectionTo, definition } from './custom-kinds-caller.ts';

const { ResourcesService } = apiv1;

describe.skipIf(apiUnavailable() !== undefined)('custom kinds, as time goes by,', () => {
  let under: ServerUnderTest;
  let api: Caller;
  beforeAll(async () => {
    under = await ServerUnderTest.start({ leaderTasks: LEADER_TASKS });
    api = new Caller(under.connect());
  });
  afterAll(() => under?.stop());

  test('change with their definition: new fields, new defaults, fields that are gone', async () => {
    await api.apply(definition('gears', 'Gear'));
    const gear = { apiVersion: 'widgets.example.com/v1', kind: 'Gear', metadata: { name: 'a', namespace: 'default' } };
    const at: apiv1.Target = { resource: 'gears', namespace: 'default', name: 'a' };
    await api.apply({ ...gear, spec: { size: 1 } });
    const spec = { type: 'object', properties: { teeth: { type: 'integer', default: 12 } } };
    await api.patch(
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
    expect((await api.patch(at, { spec: { teeth: 13 } })).spec).toEqual({ teeth: 13 });
    expect((await refusal(api.patch(at, { spec: { size: 2 } }))).message).toContain('unknown field "spec.size"');
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
    expect(await api.objects(at('v1'))).toMatchObject([{ apiVersion: 'widgets.example.com/v1' }]);
    expect(await api.patch(at('v1'), { spec: { size: 2 } })).toMatchObject({ apiVersion: 'widgets.example.com/v1' });
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
    const changed = await api.patch(
      { resource: 'crd', name: 'cogs.widgets.example.com' },
      { spec: { versions: stored } },
    );
    expect((changed.status as JsonObject).storedVersions).toEqual(['v1beta1', 'v1']);
    expect(await api.get(at('v1beta1'))).toMatchObject({
      apiVersion: 'widgets.example.com/v1beta1',
      spec: { size: 2 },
    });
    expect(await api.patch(at('v1beta1'), { spec: { size: 3 } })).toMatchObject({ spec: { size: 3 } });
    const without = stored.filter((version) => version.name !== 'v1beta1');
    const gone = await refusal(
      api.patch({ resource: 'crd', name: 'cogs.widgets.example.com' }, { spec: { versions: without } }),
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
    expect((await refusal(api.objects({ resource: 'wedges', namespace: 'default' }))).reason).toBe('NotFound');
    await api.delete({ resource: 'crd', name: 'wheels.widgets.example.com' });
    await waitFor('the second to be served', () => api.objects({ resource: 'wedges', namespace: 'default' }));
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
    await waitFor('only the held one to be left', async () => (await api.objects(bolts)).length === 1);
    await api.patch({ ...bolts, name: 'held' }, { metadata: { finalizers: null } });
    await waitFor('the definition to go', () => refusal(api.get(definedBy)).then(() => true));
    expect(await watching).toMatch(/^Bolt of widgets\.example\.com\/v1 is no longer served/);
    expect(events).toContain(`${apiv1.EventType.DELETED} held`);
    expect((await refusal(api.objects(bolts))).message).toContain('the server doesn\'t have a resource type "bolts"');
    // The same again is a new kind without objects.
    await api.apply(definition('bolts', 'Bolt'));
    expect(await api.objects(bolts)).toEqual([]);
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
      expect(await api.objects({ resource: 'nuts', namespace: 'default' })).toEqual([]);
      await other.apply({ ...pin, kind: 'Nut' });
      expect(await api.objects({ resource: 'nuts', namespace: 'default' })).toHaveLength(1);
    } finally {
      await second.stop();
    }
    await under.halt();
    await under.boot();
    api = new Caller(under.connect());
    expect((await api.get({ resource: 'pins', namespace: 'default', name: 'a' })).spec).toEqual({ size: 1 });
    expect(await api.objects({ resource: 'nuts', namespace: 'default' })).toHaveLength(1);
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
      async () => (await api.objects({ resource: 'rods', namespace: 'default' })).length === 0,
    );
  });
});
