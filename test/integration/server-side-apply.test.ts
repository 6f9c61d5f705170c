/** Server-side apply through gRPC and a real etcd: several managers of one object, as people and controllers meet there. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { allDefinitions } from '../../control-plane/resources/registry.ts';
import type { GrpcConnection } from '../../lib/client/grpc-connection.ts';
import type { GrpcResourceClient } from '../../lib/client/grpc-resource-client.ts';
import type { ApiError } from '../../lib/errors.ts';
import { apiv1, type appsv1, type Json, type JsonObject, KINDS, type metav1, toJson } from '../../proto/index.ts';
import { exampleOf } from '../harness/example-objects.ts';
import { waitFor } from '../harness/wait.ts';
import { apiUnavailable, ServerUnderTest } from './api-server-under-test.ts';

const { ResourcesService } = apiv1;

describe.skipIf(apiUnavailable() !== undefined)('server-side apply', () => {
  let under: ServerUnderTest;
  let client: GrpcResourceClient;
  let connection: GrpcConnection;
  beforeAll(async () => {
    under = await ServerUnderTest.start();
    connection = under.connect();
    client = under.client();
  });
  afterAll(() => under?.stop());

  const identity = (name: string): JsonObject => ({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace: 'default' },
  });
  const web = (more: JsonObject = {}): JsonObject => ({ name: 'web', image: 'registry.example/web:1', ...more });
  const deployment = (name: string, spec: JsonObject = {}, containers: JsonObject[] = [web()]): JsonObject => ({
    ...identity(name),
    spec: {
      selector: { matchLabels: { app: name } },
      template: { metadata: { labels: { app: name } }, spec: { containers } },
      ...spec,
    },
  });
  const send = (json: JsonObject, manager: string, more: apiv1.ApplyRequest = {}): Promise<apiv1.ObjectReply> =>
    connection.unary(ResourcesService.apply, {
      json: Buffer.from(JSON.stringify(json)),
      output: apiv1.Output.JSON,
      serverSide: true,
      fieldManager: manager,
      ...more,
    });
  const apply = async (json: JsonObject, manager: string, more: apiv1.ApplyRequest = {}): Promise<Shown> =>
    JSON.parse((await send(json, manager, more)).json?.toString() ?? '') as Shown;
  const refusal = (promise: Promise<unknown>): Promise<ApiError> =>
    promise.then(
      () => expect.fail('it was accepted'),
      (err: unknown) => err as ApiError,
    );
  const at = (name: string): { namespace: string; name: string } => ({ namespace: 'default', name });
  const live = async (name: string): Promise<Shown> =>
    toJson('skiff.apps.v1.Deployment', await client.get(KINDS.Deployment, at(name))) as unknown as Shown;

  interface Shown {
    readonly metadata: Omit<metav1.ObjectMeta, 'managedFields'> & { readonly managedFields?: readonly Entry[] };
    readonly spec: {
      readonly replicas: number;
      readonly strategy: { readonly type: string };
      readonly template: { readonly spec: { readonly containers: readonly JsonObject[] } };
    };
    readonly status: JsonObject;
  }
  interface Entry {
    readonly manager: string;
    readonly operation: string;
    readonly apiVersion: string;
    readonly subresource?: string;
    readonly time: string;
    readonly fieldsV1: JsonObject;
  }
  const owners = ({ metadata }: Shown): string[] =>
    (metadata.managedFields ?? []).map(({ manager, operation, subresource }) =>
      [manager, operation, ...(subresource === undefined ? [] : [subresource])].join(' '),
    );
  const fieldsOf = ({ metadata }: Shown, manager: string): JsonObject | undefined =>
    metadata.managedFields?.find((entry) => entry.manager === manager)?.fieldsV1;

  test('creates what is not there, records what was named, and does nothing the second time', async () => {
    const first = await send(deployment('made', { replicas: 2 }), 'alice');
    expect(first.action).toBe(apiv1.Action.CREATED);
    const made = JSON.parse(first.json?.toString() ?? '') as Shown;
    expect(made.metadata.managedFields).toMatchObject([
      { manager: 'alice', operation: 'Apply', apiVersion: 'apps/v1', fieldsType: 'FieldsV1' },
    ]);
    expect(fieldsOf(made, 'alice')).toEqual({
      'f:spec': {
        'f:replicas': {},
        'f:selector': {},
        'f:template': {
          'f:metadata': { 'f:labels': { 'f:app': {} } },
          'f:spec': { 'f:containers': { 'k:{"name":"web"}': { '.': {}, 'f:image': {}, 'f:name': {} } } },
        },
      },
    });
    const again = await send(deployment('made', { replicas: 2 }), 'alice');
    expect([again.action, again.resourceVersion]).toEqual([apiv1.Action.UNCHANGED, first.resourceVersion]);
  });

  test('refuses what another manager set otherwise, in its words, and takes it over by force', async () => {
    await apply(deployment('fought', { replicas: 2, minReadySeconds: 1 }), 'alice');
    const one = await refusal(apply({ ...identity('fought'), spec: { replicas: 3 } }, 'bob'));
    expect([one.reason, one.message]).toEqual([
      'Conflict',
      'Apply failed with 1 conflict: conflict with "alice": .spec.replicas',
    ]);
    expect(one.causes).toEqual([
      { field: '.spec.replicas', reason: 'FieldManagerConflict', message: 'conflict with "alice"' },
    ]);
    const image = { template: { spec: { containers: [{ name: 'web', image: 'other' }] } } };
    const two = await refusal(apply({ ...identity('fought'), spec: { replicas: 3, ...image } }, 'bob'));
    expect(two.message).toBe(
      'Apply failed with 2 conflicts: conflicts with "alice":\n- .spec.replicas\n' +
        '- .spec.template.spec.containers[name="web"].image',
    );
    expect((await live('fought')).spec.replicas).toBe(2);
    const forced = await apply({ ...identity('fought'), spec: { replicas: 3 } }, 'bob', { force: true });
    expect(forced.spec.replicas).toBe(3);
    expect(fieldsOf(forced, 'alice')?.['f:spec']).not.toHaveProperty('f:replicas');
    expect(fieldsOf(forced, 'bob')).toEqual({ 'f:spec': { 'f:replicas': {} } });
    // Now it is the first one's turn to be refused.
    const back = await refusal(apply(deployment('fought', { replicas: 2, minReadySeconds: 1 }), 'alice'));
    expect(back.message).toContain('conflict with "bob": .spec.replicas');
  });

  test('shares a field between managers of one mind; it goes when the last one drops it', async () => {
    await apply(deployment('shared', { minReadySeconds: 5 }), 'alice');
    const both = await apply({ ...identity('shared'), spec: { minReadySeconds: 5 } }, 'bob');
    expect(fieldsOf(both, 'alice')?.['f:spec']).toHaveProperty('f:minReadySeconds');
    expect(fieldsOf(both, 'bob')).toEqual({ 'f:spec': { 'f:minReadySeconds': {} } });
    const dropped = await apply(deployment('shared'), 'alice');
    expect(dropped.spec).toHaveProperty('minReadySeconds', 5);
    // Alone with it, the other may change it, and dropping it removes it.
    expect((await apply({ ...identity('shared'), spec: { minReadySeconds: 6 } }, 'bob')).spec).toHaveProperty(
      'minReadySeconds',
      6,
    );
    const gone = await apply(identity('shared'), 'bob');
    expect(gone.spec).not.toHaveProperty('minReadySeconds');
    expect(owners(gone)).toEqual(['alice Apply']);
  });

  test('merges containers, ports and variables by their keys, and removes only its own', async () => {
    await apply(
      deployment('lists', {}, [
        web({ env: [{ name: 'A', value: '1' }], ports: [{ containerPort: 80 }] }),
        { name: 'log', image: 'registry.example/log:1' },
      ]),
      'alice',
    );
    const sidecar: JsonObject = { name: 'sidecar', image: 'registry.example/sidecar:1' };
    const added = [{ name: 'web', env: [{ name: 'B', value: '2' }], ports: [{ containerPort: 80, protocol: 'UDP' }] }];
    const merged = await apply(
      { ...identity('lists'), spec: { template: { spec: { containers: [...added, sidecar] } } } },
      'bob',
    );
    const containers = merged.spec.template.spec.containers;
    expect(containers.map(({ name }) => name)).toEqual(['web', 'log', 'sidecar']);
    expect(containers[0]).toMatchObject({
      image: 'registry.example/web:1',
      env: [
        { name: 'A', value: '1' },
        { name: 'B', value: '2' },
      ],
      ports: [
        { containerPort: 80, protocol: 'TCP' },
        { containerPort: 80, protocol: 'UDP' },
      ],
    });
    expect(JSON.stringify(fieldsOf(merged, 'alice'))).toContain(
      JSON.stringify('k:{"containerPort":80,"protocol":"TCP"}'),
    );
    const less = await apply(deployment('lists', {}, [web({ env: [{ name: 'A', value: '1' }] })]), 'alice');
    const left = less.spec.template.spec.containers;
    expect(left.map(({ name }) => name)).toEqual(['web', 'sidecar']);
    expect(left[0]).toMatchObject({ ports: [{ containerPort: 80, protocol: 'UDP' }] });
  });

  test('hands replicas over to an autoscaler', async () => {
    await apply(deployment('scaled', { replicas: 2 }), 'alice');
    await connection.unary(ResourcesService.update, {
      target: { resource: 'deployments', ...at('scaled'), subresource: 'scale' },
      json: Buffer.from(
        JSON.stringify({ apiVersion: 'autoscaling/v1', kind: 'Scale', metadata: at('scaled'), spec: { replicas: 7 } }),
      ),
      fieldManager: 'hpa',
    });
    const scaled = await live('scaled');
    expect(owners(scaled)).toEqual(['alice Apply', 'hpa Update scale']);
    expect(fieldsOf(scaled, 'hpa')).toEqual({ 'f:spec': { 'f:replicas': {} } });
    const refused = await refusal(apply(deployment('scaled', { replicas: 2 }), 'alice'));
    expect(refused.message).toBe(
      'Apply failed with 1 conflict: conflict with "hpa" with subresource "scale" using apps/v1: .spec.replicas',
    );
    const left = await apply(deployment('scaled'), 'alice');
    expect(left.spec.replicas).toBe(7);
  });

  test('leaves a field to an updater before it was ever changed, without a moment of the default', async () => {
    await apply(deployment('handed', { replicas: 4 }), 'alice');
    await apply({ ...identity('handed'), spec: { replicas: 4 } }, 'handover-to-hpa');
    expect((await apply(deployment('handed'), 'alice')).spec.replicas).toBe(4);
  });

  test('keeps the status with its own owners', async () => {
    await apply({ ...deployment('stated'), status: { replicas: 9 } }, 'alice');
    expect((await live('stated')).status.replicas).toBeUndefined();
    const found = await client.get(KINDS.Deployment, at('stated'));
    const condition: appsv1.DeploymentCondition = { type: 'Available', status: 'True', reason: 'Ready' };
    await client.update(
      KINDS.Deployment,
      { ...found, status: { replicas: 1, conditions: [condition] } },
      { subresource: 'status', fieldManager: 'controller' },
    );
    const applied = await apply({ ...identity('stated'), status: { readyReplicas: 1 } }, 'probe', {
      target: { resource: 'deployments', ...at('stated'), subresource: 'status' },
    });
    expect(applied.status).toMatchObject({ replicas: 1, readyReplicas: 1, conditions: [condition] });
    expect(owners(applied).sort()).toEqual(['alice Apply', 'controller Update status', 'probe Apply status']);
    const refused = await refusal(
      apply({ ...identity('stated'), status: { replicas: 2 } }, 'probe', {
        target: { resource: 'deployments', ...at('stated'), subresource: 'status' },
      }),
    );
    expect(refused.message).toContain(
      'conflict with "controller" with subresource "status" using apps/v1: .status.replicas',
    );
    expect(
      await refusal(
        apply({ ...identity('nobody'), status: {} }, 'probe', {
          target: { resource: 'deployments', ...at('nobody'), subresource: 'status' },
        }),
      ),
    ).toMatchObject({ reason: 'NotFound' });
  });

  test('moves what a patch or an update changes to whoever made it', async () => {
    await apply(deployment('patched', { replicas: 2, minReadySeconds: 1 }), 'alice');
    await client.patch(
      KINDS.Deployment,
      at('patched'),
      { type: 'merge', body: { spec: { minReadySeconds: null }, metadata: { labels: { by: 'bob' } } } },
      { fieldManager: 'bob' },
    );
    const patched = await live('patched');
    expect(fieldsOf(patched, 'bob')).toEqual({ 'f:metadata': { 'f:labels': { '.': {}, 'f:by': {} } } });
    expect(fieldsOf(patched, 'alice')?.['f:spec']).not.toHaveProperty('f:minReadySeconds');
    const found = await client.get(KINDS.Deployment, at('patched'));
    await client.update(KINDS.Deployment, { ...found, spec: { ...found.spec, replicas: 3 } });
    const updated = await live('patched');
    // Without a manager's name it is the user's.
    expect(owners(updated)).toContain('admin Update');
    expect(fieldsOf(updated, 'alice')?.['f:spec']).not.toHaveProperty('f:replicas');
  });

  test('lets people edit who owns what, but not to what cannot be read', async () => {
    await apply(deployment('edited', { replicas: 2 }), 'alice');
    await apply({ ...identity('edited'), spec: { paused: true } }, 'bob');
    const edit = (body: Json): Promise<unknown> =>
      client.patch(KINDS.Deployment, at('edited'), { type: 'json', body }, { fieldManager: 'editor' });
    await edit([{ op: 'replace', path: '/metadata/managedFields/1/operation', value: 'Own' }]);
    await edit([{ op: 'replace', path: '/metadata/managedFields', value: [] }]);
    expect(owners(await live('edited')).sort()).toEqual(['alice Apply', 'bob Apply']);
    const names = owners(await live('edited'));
    await edit([{ op: 'remove', path: `/metadata/managedFields/${names.indexOf('bob Apply')}` }]);
    expect(owners(await live('edited'))).toEqual(['alice Apply']);
    // Who was struck out has nothing to give up.
    expect((await apply(identity('edited'), 'bob')).spec).toHaveProperty('paused', true);
  });

  test('takes on an object that nobody kept track of', async () => {
    await client.create(KINDS.ConfigMap, { metadata: at('before'), data: { a: '1', b: '2' } });
    await client.patch(KINDS.ConfigMap, at('before'), { type: 'merge', body: { data: { b: '3' } } });
    expect((await client.get(KINDS.ConfigMap, at('before'))).metadata?.managedFields).toBeUndefined();
    const config: JsonObject = {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: at('before'),
      data: { a: '9', c: '4' },
    };
    const refused = await refusal(apply(config, 'alice'));
    expect(refused.message).toBe('Apply failed with 1 conflict: conflict with "before-first-apply" using v1: .data.a');
    const forced = await apply(config, 'alice', { force: true });
    expect(owners(forced)).toEqual(['alice Apply', 'before-first-apply Update']);
    expect(fieldsOf(forced, 'before-first-apply')).toEqual({ 'f:data': { '.': {}, 'f:b': {} } });
  });

  test('follows client-side apply: the command line has no conflict with itself, and what the file drops goes', async () => {
    const config = (data: JsonObject): JsonObject => ({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: at('migrated'),
      data,
    });
    await apply(config({ a: '1', b: '2', c: '3' }), '', { serverSide: false });
    await client.patch(KINDS.ConfigMap, at('migrated'), { type: 'merge', body: { data: { c: 'patched' } } });
    const stranger = await refusal(apply(config({ a: '9' }), 'alice'));
    expect(stranger.message).toContain('conflict with "kubectl-client-side-apply" using v1: .data.a');
    const moved = (await apply(config({ a: '9' }), 'skiff')) as unknown as { data: JsonObject } & Shown;
    expect(moved.data).toEqual({ a: '9', c: 'patched' });
    expect(owners(moved)).toEqual(['skiff Apply', 'before-first-apply Update']);
    const annotation = moved.metadata.annotations?.['kubectl.kubernetes.io/last-applied-configuration'];
    expect(JSON.parse(annotation ?? '')).toMatchObject({ data: { a: '9' } });
    // Back to client-side apply, which is an update, and forth again.
    const back = (await apply(config({ a: '10' }), '', { serverSide: false })) as unknown as {
      data: JsonObject;
    } & Shown;
    expect([back.data, owners(back).includes('kubectl-client-side-apply Update')]).toEqual([
      { a: '10', c: 'patched' },
      true,
    ]);
    expect((await apply(config({ a: '11' }), 'skiff')) as unknown).toMatchObject({ data: { a: '11', c: 'patched' } });
  });

  test('takes over from client-side apply what came by default, and nothing that others set', async () => {
    await apply(deployment('upgraded', {}), '', { serverSide: false });
    await client.patch(KINDS.Deployment, at('upgraded'), { type: 'merge', body: { spec: { minReadySeconds: 4 } } });
    const upgraded = await apply(deployment('upgraded', { replicas: 3 }), 'skiff');
    expect([upgraded.spec.replicas, owners(upgraded)]).toEqual([3, ['skiff Apply', 'before-first-apply Update']]);
    const rest = fieldsOf(upgraded, 'before-first-apply')?.['f:spec'];
    expect(rest).toEqual({ 'f:minReadySeconds': {} });
    expect((await apply(deployment('upgraded'), 'skiff')).spec).toMatchObject({ replicas: 1, minReadySeconds: 4 });
  });

  test('dry-runs, respects a version and a uid, and refuses what is no apply', async () => {
    const dry = await send(deployment('dry'), 'alice', { dryRun: true });
    expect(dry.action).toBe(apiv1.Action.CREATED);
    await expect(live('dry')).rejects.toThrow('not found');
    const made = await apply(deployment('exact'), 'alice');
    const { uid = '', resourceVersion } = made.metadata;
    const named = (metadata: JsonObject): JsonObject => ({
      ...deployment('exact', { replicas: 3 }),
      metadata: { ...at('exact'), ...metadata },
    });
    expect((await refusal(apply(named({ resourceVersion: '1' }), 'alice'))).message).toContain('has been modified');
    expect((await refusal(apply(named({ uid: 'other' }), 'alice'))).message).toContain('UID in precondition: other');
    const shown = await client.get(KINDS.Deployment, at('exact'));
    const exact = named({ resourceVersion: shown.metadata?.resourceVersion ?? '', uid, creationTimestamp: null });
    expect((await apply(exact, 'alice')).spec.replicas).toBe(3);
    expect(resourceVersion).not.toBe('');
    const cases: [Promise<unknown>, string, string][] = [
      [
        apply(deployment('x'), ''),
        'Invalid',
        'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch',
      ],
      [apply(deployment('x'), 'x'.repeat(129)), 'Invalid', 'Too long: may not be more than 128 bytes'],
      [apply(deployment('x'), 'a\nb'), 'Invalid', 'should only contain printable characters'],
      [apply(named({ managedFields: [{}] }), 'alice'), 'BadRequest', 'metadata.managedFields must be nil'],
      [
        apply(deployment('x', {}, [web({ env: [{ name: 'A' }, { name: 'A' }] })]), 'alice'),
        'BadRequest',
        '.spec.template.spec.containers[name="web"].env: duplicate entries for key [name="A"]',
      ],
      [
        apply(deployment('x', {}, [{ image: 'nameless' }]), 'alice'),
        'BadRequest',
        'element 0: associative list with keys has an element that omits key field "name"',
      ],
      [apply(deployment('x', { replica: 1 }), 'alice'), 'BadRequest', 'unknown field "spec.replica"'],
    ];
    for (const [promise, reason, message] of cases) {
      const err = await refusal(promise);
      expect([err.reason, err.message]).toEqual([reason, expect.stringContaining(message)]);
    }
  });

  test('forgets owners when told to, and keeps them from clients that do not know of them', async () => {
    await apply(deployment('forgot', { replicas: 2 }), 'alice');
    const found = await client.get(KINDS.Deployment, at('forgot'));
    const { managedFields: _owners, ...metadata } = found.metadata ?? {};
    await client.update(
      KINDS.Deployment,
      { ...found, metadata: { ...metadata, labels: { a: 'b' } } },
      { fieldManager: 'old' },
    );
    expect(owners(await live('forgot'))).toEqual(['alice Apply', 'old Update']);
    await client.patch(KINDS.Deployment, at('forgot'), { type: 'merge', body: { metadata: { managedFields: [{}] } } });
    expect((await live('forgot')).metadata.managedFields).toBeUndefined();
    expect(owners(await apply(deployment('forgot', { replicas: 2 }), 'bob'))).toEqual([
      'bob Apply',
      'before-first-apply Update',
    ]);
  });

  test('follows the schema of a custom kind', async () => {
    const text = readFileSync(join(import.meta.dirname, '../../manifests/custom-resource-definition.yaml'), 'utf8');
    const [definition] = parseAllDocuments(text).map((document) => document.toJS() as JsonObject);
    await apply(definition ?? expect.fail('no definition'), '', { serverSide: false });
    const backup = (spec: JsonObject): JsonObject => ({
      apiVersion: 'storage.example.com/v1',
      kind: 'Backup',
      metadata: at('photos'),
      spec,
    });
    const full = { volume: 'photos', schedule: '0 3 * * *', keep: 3, options: { a: { x: 1 }, order: [1, 2] } };
    const made = await waitFor('the kind', () =>
      apply(backup({ ...full, targets: [{ name: 'disk', url: 'file:///disk' }] }), 'alice'),
    );
    expect(fieldsOf(made, 'alice')).toEqual({
      'f:spec': {
        'f:keep': {},
        'f:options': { 'f:a': { '.': {}, 'f:x': {} }, 'f:order': {} },
        'f:schedule': {},
        'f:targets': { 'k:{"name":"disk"}': { '.': {}, 'f:name': {}, 'f:url': {} } },
        'f:volume': {},
      },
    });
    const both = await apply(backup({ targets: [{ name: 'tape' }], options: { a: { y: 2 } } }), 'bob');
    expect(both.spec).toMatchObject({
      targets: [{ name: 'disk' }, { name: 'tape' }],
      options: { a: { x: 1, y: 2 }, order: [1, 2] },
      compression: 'zstd',
    });
    const refused = await refusal(apply(backup({ keep: 9, options: { order: [2] } }), 'bob'));
    expect(refused.message).toBe(
      'Apply failed with 2 conflicts: conflicts with "alice":\n- .spec.keep\n- .spec.options.order',
    );
    const left = await apply(backup({ volume: 'photos', schedule: '0 3 * * *' }), 'alice');
    // Without its own value the field has the schema's default again.
    expect(left.spec).toMatchObject({ keep: 7, targets: [{ name: 'tape' }], options: { a: { y: 2 } } });
    expect((left.spec as unknown as { options: JsonObject }).options).toEqual({ a: { y: 2 } });
  });

  const kinds = allDefinitions().map(
    (definition) => [`${definition.type.kind} of ${definition.type.apiVersion}`, definition] as const,
  );

  test.each(kinds)(
    '%s: is made, left alone the second time, shared, and goes on with one manager',
    async (_kind, definition) => {
      const example = await exampleOf(definition);
      const { name } = example.metadata as { name: string };
      const own = { ...(example.metadata as JsonObject), name: `ssa-${name}`.slice(0, 60) };
      const isNamedByRule = ['CustomResourceDefinition', 'APIService', 'Node', 'Namespace'].includes(
        definition.type.kind,
      );
      const config: JsonObject = isNamedByRule ? example : { ...example, metadata: own };
      const target = { apiVersion: definition.type.apiVersion, kind: definition.type.kind, namespace: 'default' };
      const first = await send(config, 'alice', { target, force: true });
      const second = await send(config, 'alice', { target });
      expect([second.action, second.resourceVersion]).toEqual([apiv1.Action.UNCHANGED, first.resourceVersion]);
      const shared = await apply(config, 'bob', { target });
      expect(owners(shared)).toEqual(expect.arrayContaining(['alice Apply', 'bob Apply']));
      expect(fieldsOf(shared, 'alice')).toEqual(fieldsOf(shared, 'bob'));
      const minimal = {
        apiVersion: config.apiVersion ?? '',
        kind: config.kind ?? '',
        metadata: { name: (config.metadata as JsonObject).name ?? '' },
      };
      const left = await send(minimal, 'alice', { target });
      const { metadata, ...rest } = JSON.parse(left.json?.toString() ?? '') as Shown;
      const { metadata: _before, ...same } = shared;
      expect(rest).toEqual(same);
      expect((metadata.managedFields ?? []).map(({ manager }) => manager)).not.toContain('alice');
    },
  );

  test('two managers who apply at once both get their fields', async () => {
    await apply({ apiVersion: 'v1', kind: 'ConfigMap', metadata: at('busy'), data: { start: '' } }, 'start');
    await Promise.all(
      Array.from({ length: 12 }, (_, i) =>
        apply({ apiVersion: 'v1', kind: 'ConfigMap', metadata: at('busy'), data: { [`k${i}`]: 'v' } }, `manager-${i}`),
      ),
    );
    const { data, metadata } = await client.get(KINDS.ConfigMap, at('busy'));
    expect(Object.keys(data ?? {})).toHaveLength(13);
    expect(metadata?.managedFields).toHaveLength(13);
    const raced = await Promise.allSettled(
      ['1', '2', '3', '4'].map((value) =>
        apply({ apiVersion: 'v1', kind: 'ConfigMap', metadata: at('busy'), data: { one: value } }, `racer-${value}`),
      ),
    );
    expect(raced.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });
});
