/** Deletion as Kubernetes does it: preconditions, grace, finalizers, propagation, collections; and dry runs of every write. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { GrpcConnection } from '../../lib/client/grpc-connection.ts';
import type { GrpcResourceClient } from '../../lib/client/grpc-resource-client.ts';
import { apiv1, type corev1, KINDS } from '../../proto/index.ts';
import { refusal } from '../harness/refusal.ts';
import { apiUnavailable, ServerUnderTest } from './api-server-under-test.ts';

const { ResourcesService } = apiv1;
const { Action } = apiv1;

describe.skipIf(apiUnavailable() !== undefined)('deletion', () => {
  let under: ServerUnderTest;
  let client: GrpcResourceClient;
  let connection: GrpcConnection;
  beforeAll(async () => {
    under = await ServerUnderTest.start();
    connection = under.connect();
    client = under.client();
  });
  afterAll(() => under?.stop());

  const at = (name: string) => ({ namespace: 'default', name });
  const target = (resource: string, name: string, subresource = ''): apiv1.Target => ({
    resource,
    namespace: 'default',
    name,
    subresource,
  });
  const configMap = (name: string, metadata: object = {}): Promise<corev1.ConfigMap> =>
    client.create(KINDS.ConfigMap, { metadata: { ...at(name), ...metadata } });
  const boundPod = (name: string): Promise<corev1.Pod> =>
    client.create(KINDS.Pod, {
      metadata: at(name),
      spec: { nodeName: 'n1', terminationGracePeriodSeconds: 40, containers: [{ name: 'c', image: 'i' }] },
    });
  const remove = (name: string, more: apiv1.DeleteRequest = {}, resource = 'cm'): Promise<apiv1.ObjectReply> =>
    connection.unary(ResourcesService.delete, { target: target(resource, name), ...more });

  test('preconditions that do not hold are conflicts naming both, and change nothing', async () => {
    const made = await configMap('pre');
    const { uid = '', resourceVersion = '' } = made.metadata ?? {};
    const byUid = await refusal(remove('pre', { uid: 'another' }));
    expect([byUid.reason, byUid.message]).toEqual([
      'Conflict',
      `Operation cannot be fulfilled on configmaps "pre": Precondition failed: UID in precondition: another, UID in object meta: ${uid}`,
    ]);
    const byVersion = await refusal(remove('pre', { uid, resourceVersion: '1024' }));
    expect(byVersion.message).toContain(
      `ResourceVersion in precondition: 1024, ResourceVersion in object meta: ${resourceVersion}`,
    );
    expect(await client.get(KINDS.ConfigMap, at('pre'))).toEqual(made);
    expect((await remove('pre', { uid, resourceVersion })).action).toBe(Action.DELETED);
    expect((await refusal(remove('pre'))).reason).toBe('NotFound');
  });

  test('a grace period can be shortened, never lengthened, and without a word stays as it is', async () => {
    await boundPod('graceful');
    const left = async (more: apiv1.DeleteRequest): Promise<[number | undefined, number]> => {
      expect((await remove('graceful', more, 'pods')).action).toBe(Action.DELETING);
      const { deletionGracePeriodSeconds, deletionTimestamp = '' } =
        (await client.get(KINDS.Pod, at('graceful'))).metadata ?? {};
      return [deletionGracePeriodSeconds, Date.parse(deletionTimestamp) / 1000];
    };
    const [first, firstAt] = await left({ gracePeriodSeconds: 60 });
    const [second, secondAt] = await left({});
    const [third] = await left({ gracePeriodSeconds: 90 });
    const [fourth, fourthAt] = await left({ gracePeriodSeconds: 5 });
    expect([first, second, third, fourth]).toEqual([60, 60, 60, 5]);
    expect([secondAt - firstAt, fourthAt - firstAt]).toEqual([0, -55]);
    expect((await remove('graceful', { gracePeriodSeconds: 0 }, 'pods')).action).toBe(Action.DELETED);
    expect((await refusal(client.get(KINDS.Pod, at('graceful')))).reason).toBe('NotFound');
    await boundPod('own');
    await remove('own', {}, 'pods');
    expect((await client.get(KINDS.Pod, at('own'))).metadata?.deletionGracePeriodSeconds).toBe(40);
    expect((await refusal(remove('own', { gracePeriodSeconds: -1 }, 'pods'))).reason).toBe('BadRequest');
  });

  test('finalizers hold an object until the last is removed; nobody adds one to it then', async () => {
    const held = await configMap('held', { finalizers: ['example.test/a', 'example.test/b'] });
    expect((await remove('held')).action).toBe(Action.DELETING);
    const marked = await client.get(KINDS.ConfigMap, at('held'));
    expect(marked.metadata).toMatchObject({ deletionTimestamp: expect.any(String), uid: held.metadata?.uid });
    const finalizers = (names: readonly string[]): Promise<corev1.ConfigMap> =>
      client.patch(KINDS.ConfigMap, at('held'), { type: 'merge', body: { metadata: { finalizers: [...names] } } });
    const added = await refusal(finalizers(['example.test/a', 'example.test/b', 'example.test/c']));
    expect([added.reason, added.message]).toEqual(['Invalid', expect.stringContaining('finalizers')]);
    expect((await refusal(client.create(KINDS.ConfigMap, { metadata: at('held') }))).reason).toBe('AlreadyExists');
    await finalizers(['example.test/b']);
    expect((await client.get(KINDS.ConfigMap, at('held'))).metadata?.finalizers).toEqual(['example.test/b']);
    await finalizers([]);
    expect((await refusal(client.get(KINDS.ConfigMap, at('held')))).reason).toBe('NotFound');
  });

  test('policies become finalizers; a later one replaces the earlier; another word is refused', async () => {
    const policyOf = async (name: string): Promise<string> =>
      ((await client.get(KINDS.ConfigMap, at(name))).metadata?.finalizers ?? []).join();
    await configMap('policy', { finalizers: ['example.test/a'] });
    await remove('policy', { propagationPolicy: 'Foreground' });
    expect(await policyOf('policy')).toBe('example.test/a,foregroundDeletion');
    await remove('policy');
    expect(await policyOf('policy')).toBe('example.test/a,foregroundDeletion');
    await remove('policy', { propagationPolicy: 'Orphan' });
    expect(await policyOf('policy')).toBe('example.test/a,orphan');
    await remove('policy', { propagationPolicy: 'Background' });
    expect(await policyOf('policy')).toBe('example.test/a');
    expect((await refusal(remove('policy', { propagationPolicy: 'Sideways' }))).reason).toBe('BadRequest');
  });

  test('a collection goes by its selectors, in pages, and says what went', async () => {
    for (let i = 0; i < 9; i++) await configMap(`col-${i}`, { labels: { col: i < 7 ? 'in' : 'out' } });
    const page = (more: apiv1.DeleteCollectionRequest): Promise<apiv1.DeleteCollectionReply> =>
      connection.unary(ResourcesService.deleteCollection, {
        target: target('cm', ''),
        labelSelector: 'col=in',
        ...more,
      });
    const dry = await page({ dryRun: true });
    expect(dry.deleted).toHaveLength(7);
    expect((await client.list(KINDS.ConfigMap, { labelSelector: 'col=in' })).items).toHaveLength(7);
    const first = await page({ limit: 4 });
    await configMap('col-0', { labels: { col: 'in' } });
    const second = await page({ limit: 4, continue: first.continue ?? '' });
    expect([first.deleted?.length, second.deleted?.length, second.continue ?? '']).toEqual([4, 3, '']);
    const left = await client.list(KINDS.ConfigMap, { labelSelector: 'col' });
    expect(left.items.map((o) => o.metadata?.name)).toEqual(['col-0', 'col-7', 'col-8']);
    const { uid = '' } = left.items[0]?.metadata ?? {};
    expect((await refusal(page({ labelSelector: 'col', uid }))).reason).toBe('Conflict');
    const one = await page({ fieldSelector: 'metadata.name=col-8', labelSelector: 'col=out' });
    expect(one.deleted?.map(({ name, uid: gone }) => [name, gone])).toEqual([['col-8', left.items[2]?.metadata?.uid]]);
  });

  describe('a dry run', () => {
    const json = (object: object): Buffer => Buffer.from(JSON.stringify(object));
    const deployment = (replicas: number) => ({
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'dry', namespace: 'default' },
      spec: {
        replicas,
        selector: { matchLabels: { app: 'dry' } },
        template: { metadata: { labels: { app: 'dry' } }, spec: { containers: [{ name: 'c', image: 'i' }] } },
      },
    });
    const dryRun = true;
    const output = apiv1.Output.JSON;

    test('of every write says what would be, checks it, and writes nothing', async () => {
      await connection.unary(ResourcesService.create, { target: target('deploy', ''), json: json(deployment(2)) });
      await client.create(KINDS.Pod, { metadata: at('dry'), spec: { containers: [{ name: 'c', image: 'i' }] } });
      await client.create(KINDS.ConfigMap, { metadata: { ...at('dry'), finalizers: ['example.test/a'] } });
      const merge = apiv1.PatchType.MERGE;
      const { create, update, patch, apply } = ResourcesService;
      const status = { ...deployment(2), status: { replicas: 7 } };
      const before = await under.server.services.store.currentVersion();
      const replies = await Promise.all([
        connection.unary(create, {
          target: target('cm', ''),
          json: json({ metadata: { name: 'new' } }),
          dryRun,
          output,
        }),
        connection.unary(update, { target: target('deploy', 'dry'), json: json(deployment(5)), dryRun, output }),
        connection.unary(update, { target: target('deploy', 'dry', 'status'), json: json(status), dryRun, output }),
        connection.unary(update, {
          target: target('deploy', 'dry', 'scale'),
          json: json({ spec: { replicas: 5 } }),
          dryRun,
          output,
        }),
        connection.unary(patch, {
          target: target('deploy', 'dry'),
          type: merge,
          patch: json({ spec: { replicas: 5 } }),
          dryRun,
          output,
        }),
        connection.unary(patch, {
          target: target('deploy', 'dry', 'scale'),
          type: merge,
          patch: json({ spec: { replicas: 5 } }),
          dryRun,
          output,
        }),
        connection.unary(apply, { json: json(deployment(5)), dryRun, output }),
        connection.unary(apply, {
          json: json(deployment(2)),
          fieldManager: 'm',
          serverSide: true,
          force: true,
          dryRun,
          output,
        }),
        connection.unary(create, {
          target: target('pods', 'dry', 'binding'),
          json: json({ target: { name: 'n1' } }),
          dryRun,
          output,
        }),
        connection.unary(create, { target: target('pods', 'dry', 'eviction'), dryRun, output }),
        connection.unary(ResourcesService.delete, { target: target('deploy', 'dry'), dryRun, output }),
        connection.unary(ResourcesService.delete, { target: target('cm', 'dry'), dryRun, output }),
      ]);
      await connection.unary(ResourcesService.deleteCollection, { target: target('pods', ''), dryRun });
      expect(await under.server.services.store.currentVersion()).toBe(before);
      const shown = replies.map((reply) => JSON.parse(reply.json?.toString() ?? '{}'));
      expect([1, 4, 6].map((i) => shown[i].spec.replicas)).toEqual([5, 5, 5]);
      expect([3, 5].map((i) => shown[i].spec.replicas)).toEqual([5, 5]);
      expect(shown[2].status.replicas).toBe(7);
      expect(shown[8].spec.nodeName).toBe('n1');
      expect(shown[11].metadata.deletionTimestamp).toMatch(/Z$/);
      expect((await client.get(KINDS.Pod, at('dry'))).spec?.nodeName ?? '').toBe('');
    });

    test('refuses what the write itself would be refused for', async () => {
      const { create, update, apply } = ResourcesService;
      const bad = { ...deployment(2), spec: { ...deployment(2).spec, replicas: -1 } };
      const reasons = await Promise.all(
        [
          connection.unary(create, { target: target('cm', ''), json: json({ metadata: { name: 'No' } }), dryRun }),
          connection.unary(create, { target: target('cm', ''), json: json({ metadata: { name: 'dry' } }), dryRun }),
          connection.unary(update, { target: target('deploy', 'dry'), json: json(bad), dryRun }),
          connection.unary(apply, { json: json(bad), dryRun }),
          connection.unary(update, {
            target: target('deploy', 'dry', 'scale'),
            json: json({ spec: { replicas: -1 } }),
            dryRun,
          }),
          connection.unary(ResourcesService.delete, { target: target('cm', 'nobody'), dryRun }),
          connection.unary(ResourcesService.delete, { target: target('cm', 'dry'), uid: 'other', dryRun }),
          connection.unary(create, { target: target('pods', 'nobody', 'eviction'), dryRun }),
        ].map(async (reply) => (await refusal(reply)).reason),
      );
      expect(reasons).toEqual([
        'Invalid',
        'AlreadyExists',
        'Invalid',
        'Invalid',
        'Invalid',
        'NotFound',
        'Conflict',
        'NotFound',
      ]);
    });
  });
});
