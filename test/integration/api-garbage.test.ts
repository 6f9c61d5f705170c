/** Garbage collection and the emptying of namespaces, by the server's own controllers over real etcd, seen from outside. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { LEADER_TASKS } from '../../control-plane/leader-tasks.ts';
import type { GrpcConnection } from '../../lib/client/grpc-connection.ts';
import type { GrpcResourceClient } from '../../lib/client/grpc-resource-client.ts';
import { apiv1, type corev1, KINDS, type metav1 } from '../../proto/index.ts';
import { waitFor } from '../harness/wait.ts';
import { apiUnavailable, ServerUnderTest } from './api-server-under-test.ts';

const { ResourcesService } = apiv1;

describe.skipIf(apiUnavailable() !== undefined)('garbage collection by a real server', () => {
  let under: ServerUnderTest;
  let client: GrpcResourceClient;
  let connection: GrpcConnection;
  let namespaces = 0;

  function connect(): void {
    connection = under.connect();
    client = under.client();
  }
  beforeAll(async () => {
    under = await ServerUnderTest.start({ leaderTasks: LEADER_TASKS });
    connect();
  });
  afterAll(() => under?.stop());

  type Owners = readonly metav1.OwnerReference[];
  /** A namespace of its own, and what a test does in it. */
  async function inNamespace() {
    namespaces += 1;
    const namespace = `gc-${namespaces}`;
    await client.create(KINDS.Namespace, { metadata: { name: namespace } });
    const make = (name: string, owners: Owners = [], more: metav1.ObjectMeta = {}): Promise<corev1.ConfigMap> =>
      client.create(KINDS.ConfigMap, { metadata: { namespace, name, ownerReferences: [...owners], ...more } });
    const names = async (): Promise<string> =>
      (await client.list(KINDS.ConfigMap, { namespace })).items.map((o) => o.metadata?.name ?? '').join();
    return {
      namespace,
      make,
      names,
      get: (name: string) => client.get(KINDS.ConfigMap, { namespace, name }),
      until: (wanted: string) => waitFor(`"${wanted}" to be left`, async () => (await names()) === wanted),
      remove: (name: string, propagationPolicy?: 'Foreground' | 'Background' | 'Orphan') =>
        client.delete(
          KINDS.ConfigMap,
          { namespace, name },
          propagationPolicy === undefined ? {} : { propagationPolicy },
        ),
      own: (name: string, ownerReferences: Owners) =>
        client.patch(
          KINDS.ConfigMap,
          { namespace, name },
          {
            type: 'merge',
            body: { metadata: { ownerReferences: ownerReferences.map((each) => ({ ...each })) as never } },
          },
        ),
      release: (name: string) =>
        client.patch(KINDS.ConfigMap, { namespace, name }, { type: 'merge', body: { metadata: { finalizers: null } } }),
    };
  }
  const of = (owner: corev1.ConfigMap, more: metav1.OwnerReference = {}): metav1.OwnerReference => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    name: owner.metadata?.name,
    uid: owner.metadata?.uid,
    ...more,
  });
  const blocking = { blockOwnerDeletion: true };
  const warned = (namespace: string, reason: string): Promise<string> =>
    waitFor(`the event ${reason}`, async () => {
      const { items } = await client.list(KINDS.Event, { namespace });
      return items.find((event) => event.reason === reason)?.message;
    });

  test('background: the owner goes at once, a chain of dependents follows', async () => {
    const at = await inNamespace();
    const a = await at.make('a');
    const b = await at.make('b', [of(a)]);
    await at.make('c', [of(b, blocking)]);
    await at.remove('a', 'Background');
    await at.until('');
  });

  test('missing owners: an absent name and a name with another uid are collected, one with the right uid is kept', async () => {
    const at = await inNamespace();
    const owner = await at.make('owner');
    await at.make('absent', [{ ...of(owner), name: 'nobody', uid: 'never-was' }]);
    await at.make('namesake', [{ ...of(owner), uid: 'another' }]);
    await at.make('right', [of(owner)]);
    await at.until('owner,right');
  });

  test('one owner of several alive keeps the object, and the references to the others go', async () => {
    const at = await inNamespace();
    const [a, b] = [await at.make('a'), await at.make('b')];
    await at.make('child', [of(a), of(b), { ...of(a), name: 'gone', uid: 'never-was' }]);
    await at.remove('a', 'Foreground');
    await waitFor('only b to be named', async () => (await at.get('child')).metadata?.ownerReferences?.length === 1);
    expect((await at.get('child')).metadata?.ownerReferences?.map(({ name }) => name)).toEqual(['b']);
    await at.until('b,child');
    await at.remove('b');
    await at.until('');
  });

  test('an owner in another namespace counts as absent, and an event says so', async () => {
    const [here, there] = [await inNamespace(), await inNamespace()];
    const far = await there.make('far');
    await here.make('child', [of(far)]);
    await here.until('');
    expect(await warned(here.namespace, 'OwnerRefInvalidNamespace')).toBe(
      `ownerRef [v1/ConfigMap, name: far, uid: ${far.metadata?.uid}] does not exist in namespace "${here.namespace}"`,
    );
    expect(await there.names()).toBe('far');
  });

  test('a cluster-scoped owner is followed; a namespaced owner of a cluster-scoped object never deletes it', async () => {
    const at = await inNamespace();
    const node = await client.create(KINDS.Node, { metadata: { name: 'gc-owner' } });
    const reference = { apiVersion: 'v1', kind: 'Node', name: 'gc-owner', uid: node.metadata?.uid };
    await at.make('child', [reference]);
    const owner = await at.make('owner');
    await client.create(KINDS.Node, { metadata: { name: 'gc-dependent', ownerReferences: [of(owner)] } });
    await at.remove('owner');
    await client.delete(KINDS.Node, { name: 'gc-owner' });
    await at.until('');
    expect(await warned('default', 'OwnerRefInvalidNamespace')).toContain('is namespaced');
    expect((await client.get(KINDS.Node, { name: 'gc-dependent' })).metadata?.deletionTimestamp).toBeUndefined();
    await client.delete(KINDS.Node, { name: 'gc-dependent' });
  });

  test('an owner of a kind that nobody serves is never taken for absent', async () => {
    const at = await inNamespace();
    await at.make('strange', [{ apiVersion: 'example.test/v1', kind: 'Nothing', name: 'n', uid: 'u' }]);
    const marker = await at.make('marker');
    await at.make('sign', [of(marker)]);
    await at.remove('marker');
    // What came later has been collected, so the collector has been here.
    await at.until('strange');
  });

  test('foreground: the owner waits for what blocks, not for the rest', async () => {
    const at = await inNamespace();
    const owner = await at.make('owner');
    const hold = { finalizers: ['example.test/hold'] };
    await at.make('blocker', [of(owner, blocking)], hold);
    await at.make('free', [of(owner)], hold);
    await at.make('leaf', [of(owner, blocking)]);
    await at.remove('owner', 'Foreground');
    await at.until('blocker,free,owner');
    expect((await at.get('owner')).metadata).toMatchObject({
      deletionTimestamp: expect.any(String),
      finalizers: ['foregroundDeletion'],
    });
    await waitFor('both to be marked', async () =>
      (await Promise.all(['blocker', 'free'].map(at.get))).every((o) => o.metadata?.deletionTimestamp !== undefined),
    );
    await at.release('blocker');
    await at.until('free');
    await at.release('free');
    await at.until('');
  });

  test('foreground through levels: a blocker with dependents of its own goes before its owner', async () => {
    const at = await inNamespace();
    const top = await at.make('top');
    const middle = await at.make('middle', [of(top, blocking)]);
    await at.make('bottom', [of(middle, blocking)], { finalizers: ['example.test/hold'] });
    await at.remove('top', 'Foreground');
    await waitFor('the middle to wait', async () =>
      (await at.get('middle')).metadata?.finalizers?.includes('foregroundDeletion'),
    );
    expect(await at.names()).toBe('bottom,middle,top');
    await at.release('bottom');
    await at.until('');
  });

  test('orphan: dependents stay and forget the owner, whoever else owns them', async () => {
    const at = await inNamespace();
    const [owner, other] = [await at.make('owner'), await at.make('other')];
    await at.make('one', [of(owner)]);
    await at.make('two', [of(owner, blocking), of(other)]);
    await at.remove('owner', 'Orphan');
    await at.until('one,other,two');
    expect((await at.get('one')).metadata?.ownerReferences ?? []).toEqual([]);
    expect((await at.get('two')).metadata?.ownerReferences?.map(({ name }) => name)).toEqual(['other']);
  });

  test.each(['Foreground', 'Background'] as const)('a ring of owners goes (%s)', async (policy) => {
    const at = await inNamespace();
    const a = await at.make('a');
    const b = await at.make('b', [of(a, blocking)]);
    const c = await at.make('c', [of(b, blocking)]);
    await at.own('a', [of(c, blocking)]);
    await at.make('self', []);
    const self = await at.get('self');
    await at.own('self', [of(self, blocking)]);
    await at.remove('a', policy);
    await at.remove('self', policy);
    await at.until('');
    // All of a ring may be deleted before the collector has looked at any.
    const [x, y] = [await at.make('x'), await at.make('y')];
    await Promise.all([at.own('x', [of(y, blocking)]), at.own('y', [of(x, blocking)])]);
    await Promise.all([at.remove('x', policy), at.remove('y', policy)]);
    await at.until('');
  });

  test('what a server began, another ends: restarted between mark and release', async () => {
    const at = await inNamespace();
    const owner = await at.make('owner');
    await at.make('held', [of(owner, blocking)], { finalizers: ['example.test/hold'] });
    const lonely = await at.make('lonely');
    await at.make('child', [of(lonely)]);
    await at.remove('owner', 'Foreground');
    await waitFor('the mark', async () => (await at.get('held')).metadata?.deletionTimestamp !== undefined);
    await at.remove('lonely', 'Orphan');
    await under.halt();
    await under.boot();
    connect();
    await at.release('held');
    await at.until('child');
    expect((await at.get('child')).metadata?.ownerReferences ?? []).toEqual([]);
  });

  describe('namespaces', () => {
    const condition = (namespace: corev1.Namespace, type: string) =>
      namespace.status?.conditions?.find((each) => each.type === type);

    test('pods go first, then the rest; conditions say what is left; finalizers are honoured', async () => {
      const at = await inNamespace();
      const name = at.namespace;
      const spec = { nodeName: 'nowhere', containers: [{ name: 'c', image: 'i' }] };
      await client.create(KINDS.Pod, { metadata: { namespace: name, name: 'p' }, spec });
      await at.make('plain');
      await at.make('held', [], { finalizers: ['example.test/hold'] });
      await client.delete(KINDS.Namespace, { name });
      const withPod = await waitFor('the condition about the pod', async () => {
        const namespace = await client.get(KINDS.Namespace, { name });
        return condition(namespace, 'NamespaceContentRemaining')?.status === 'True' ? namespace : undefined;
      });
      expect(withPod.status?.phase).toBe('Terminating');
      expect(condition(withPod, 'NamespaceContentRemaining')).toMatchObject({
        reason: 'SomeResourcesRemain',
        message: 'Some resources are remaining: pods. has 1 resource instances',
      });
      expect((await client.get(KINDS.Pod, { namespace: name, name: 'p' })).metadata?.deletionTimestamp).toMatch(/Z$/);
      expect((await at.get('plain')).metadata?.deletionTimestamp).toBeUndefined();
      await client.delete(KINDS.Pod, { namespace: name, name: 'p' }, { gracePeriodSeconds: 0 });
      await waitFor(
        'the plain object to go',
        async () => (await at.names()).includes('held') && !(await at.names()).includes('plain'),
      );
      const held = await waitFor('the condition about finalizers', async () => {
        const namespace = await client.get(KINDS.Namespace, { name });
        return condition(namespace, 'NamespaceFinalizersRemaining')?.status === 'True' ? namespace : undefined;
      });
      expect(condition(held, 'NamespaceFinalizersRemaining')?.message).toBe(
        'Some content in the namespace has finalizers remaining: example.test/hold in 1 resource instances',
      );
      await at.release('held');
      await waitFor('the namespace to go', () =>
        client.get(KINDS.Namespace, { name }).then(
          () => false,
          () => true,
        ),
      );
    });

    test('kinds that come at run time are collected, and emptied out of namespaces', async () => {
      const at = await inNamespace();
      const apply = (object: object): Promise<apiv1.ObjectReply> =>
        connection.unary(ResourcesService.apply, { json: Buffer.from(JSON.stringify(object)) });
      const schema = { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } };
      await apply({
        apiVersion: 'apiextensions.k8s.io/v1',
        kind: 'CustomResourceDefinition',
        metadata: { name: 'widgets.example.test' },
        spec: {
          group: 'example.test',
          scope: 'Namespaced',
          names: { plural: 'widgets', singular: 'widget', kind: 'Widget', listKind: 'WidgetList' },
          versions: [{ name: 'v1', served: true, storage: true, schema }],
        },
      });
      const owner = await at.make('owner');
      const widget = (name: string, ownerReferences: Owners = []) => ({
        apiVersion: 'example.test/v1',
        kind: 'Widget',
        metadata: { name, namespace: at.namespace, ownerReferences },
        spec: { size: 1 },
      });
      await waitFor('the new kind to be served', async () => (await apply(widget('owned', [of(owner)]))) !== undefined);
      const made = await apply(widget('loose'));
      await at.make('child', [
        { apiVersion: 'example.test/v1', kind: 'Widget', name: 'loose', uid: made.identity?.uid },
      ]);
      const widgets = async (): Promise<number> => {
        const target = { apiVersion: 'example.test/v1', kind: 'Widget', namespace: at.namespace };
        return (await connection.unary(ResourcesService.list, { target })).items?.length ?? 0;
      };
      await at.remove('owner');
      await waitFor('the owned widget to go', async () => (await widgets()) === 1);
      const target = { apiVersion: 'example.test/v1', kind: 'Widget', namespace: at.namespace, name: 'loose' };
      await connection.unary(ResourcesService.delete, { target });
      await at.until('');
      await apply(widget('left'));
      await client.delete(KINDS.Namespace, { name: at.namespace });
      await waitFor('the namespace to go', () =>
        client.get(KINDS.Namespace, { name: at.namespace }).then(
          () => false,
          () => true,
        ),
      );
      expect(await widgets()).toBe(0);
    });
  });
});
