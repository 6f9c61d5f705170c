/** Server-side apply through gRPC and a real etcd: several managers of one object, as people and controllers meet there. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { GrpcConnection } from '../../lib/client/grpc-connection.ts';
import type { GrpcResourceClient } from '../../lib/client/grpc-resource-client.ts';
import { apiv1, type appsv1, type Json, type JsonObject, KINDS, toJson } from '../../proto/index.ts';
import { refusal } from '../harness/refusal.ts';
import { apiUnavailable, ServerUnderTest } from './api-server-under-test.ts';
import { type Applied, Appliers, fieldsOf, owners } from './appliers.ts';

const { ResourcesService } = apiv1;

describe.skipIf(apiUnavailable() !== undefined)('server-side apply', () => {
  let under: ServerUnderTest;
  let client: GrpcResourceClient;
  let appliers: Appliers;
  let connection: GrpcConnection;
  beforeAll(async () => {
    under = await ServerUnderTest.start();
    connection = under.connect();
    appliers = new Appliers(connection);
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
  const send: Appliers['send'] = (...args) => appliers.send(...args);
  const apply: Appliers['apply'] = (...args) => appliers.apply(...args);
  const at = (name: string): { namespace: string; name: string } => ({ namespace: 'default', name });
  const live = async (name: string): Promise<Applied> =>
    toJson('skiff.apps.v1.Deployment', await client.get(KINDS.Deployment, at(name))) as unknown as Applied;

  test('creates what is not there, records what was named, and does nothing the second time', async () => {
    const first = await send(deployment('made', { replicas: 2 }), 'alice');
    expect(first.action).toBe(apiv1.Action.CREATED);
    const made = JSON.parse(first.json?.toString() ?? '') as Applied;
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
    const moved = (await apply(config({ a: '9' }), 'skiff')) as unknown as { data: JsonObject } & Applied;
    expect(moved.data).toEqual({ a: '9', c: 'patched' });
    expect(owners(moved)).toEqual(['skiff Apply', 'before-first-apply Update']);
    const annotation = moved.metadata.annotations?.['kubectl.kubernetes.io/last-applied-configuration'];
    expect(JSON.parse(annotation ?? '')).toMatchObject({ data: { a: '9' } });
    // Back to client-side apply, which is an update, and forth again.
    const back = (await apply(config({ a: '10' }), '', { serverSide: false })) as unknown as {
      data: JsonObject;
    } & Applied;
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
});
