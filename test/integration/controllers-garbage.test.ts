import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { deploymentController } from '../../control-plane/controllers/deployment/deployment.ts';
import { garbageCollector } from '../../control-plane/controllers/garbage-collector/garbage-collector.ts';
import { namespaceController } from '../../control-plane/controllers/namespace/namespace.ts';
import { replicaSetController } from '../../control-plane/controllers/replica-set/replica-set.ts';
import { type ServedKinds, servedKinds } from '../../control-plane/controllers/served-kinds.ts';
import { allDefinitions, findDefinition } from '../../control-plane/resources/registry.ts';
import { type corev1, KINDS, type metav1 } from '../../proto/index.ts';
import { deployment, SimulatedCluster } from './controllers-harness.ts';

describe('garbage collector', () => {
  let cluster: SimulatedCluster;

  beforeEach(async () => {
    cluster = new SimulatedCluster({
      controllers: [deploymentController, replicaSetController, garbageCollector, namespaceController],
    });
    await cluster.start();
  });
  afterEach(() => cluster.stop());

  const at = (name: string, namespace = 'default') => ({ namespace, name });
  const ownedBy = (owner: corev1.ConfigMap, more: metav1.OwnerReference = {}): metav1.OwnerReference => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    name: owner.metadata?.name,
    uid: owner.metadata?.uid,
    ...more,
  });
  const create = (name: string, ownerReferences: metav1.OwnerReference[] = [], more: metav1.ObjectMeta = {}) =>
    cluster.client.create(KINDS.ConfigMap, { metadata: { name, namespace: 'default', ownerReferences, ...more } });
  const names = (): string[] =>
    cluster.client
      .peek(KINDS.ConfigMap)
      .map((o) => o.metadata?.name ?? '')
      .sort((a, b) => (a < b ? -1 : 1));
  const rolledOut = async (): Promise<void> => {
    await cluster.client.create(KINDS.Deployment, deployment('web', { replicas: 3 }));
    await cluster.until(() => cluster.readyPods().length === 3, 'three ready pods');
  };

  it('deletes replica sets and pods of a deployment in the background', async () => {
    await rolledOut();
    await cluster.client.delete(KINDS.Deployment, at('web'), { propagationPolicy: 'Background' });
    expect(cluster.client.peek(KINDS.Deployment)).toEqual([]);
    await cluster.until(
      () => cluster.client.peek(KINDS.ReplicaSet).length + cluster.pods().length === 0,
      'nothing left',
    );
  });

  it('keeps the deployment until its pods are gone in a foreground deletion', async () => {
    await rolledOut();
    await cluster.client.delete(KINDS.Deployment, at('web'), { propagationPolicy: 'Foreground' });
    let ownerGoneFirst = false;
    cluster.onPodChange = () => {
      const owners = cluster.client.peek(KINDS.Deployment).length + cluster.client.peek(KINDS.ReplicaSet).length;
      ownerGoneFirst ||= cluster.pods().length > 0 && owners < 2;
    };
    await cluster.until(() => cluster.client.peek(KINDS.Deployment).length === 0, 'deployment gone');
    expect([cluster.pods().length, cluster.client.peek(KINDS.ReplicaSet).length, ownerGoneFirst]).toEqual([
      0,
      0,
      false,
    ]);
  });

  it('leaves replica sets and pods alone in an orphan deletion', async () => {
    await rolledOut();
    await cluster.client.delete(KINDS.Deployment, at('web'), { propagationPolicy: 'Orphan' });
    await cluster.until(() => cluster.client.peek(KINDS.Deployment).length === 0, 'deployment gone');
    await cluster.clock.advance(10_000);
    const [set] = cluster.client.peek(KINDS.ReplicaSet);
    expect(set?.metadata?.ownerReferences ?? []).toEqual([]);
    expect(cluster.readyPods()).toHaveLength(3);
  });

  it('lets a new deployment adopt what an orphan deletion left', async () => {
    await rolledOut();
    const before = cluster.pods().map((p) => p.metadata?.uid);
    await cluster.client.delete(KINDS.Deployment, at('web'), { propagationPolicy: 'Orphan' });
    await cluster.until(() => cluster.client.peek(KINDS.Deployment).length === 0, 'deployment gone');
    await cluster.client.create(KINDS.Deployment, deployment('web', { replicas: 3 }));
    await cluster.clock.advance(10_000);
    expect(cluster.pods().map((p) => p.metadata?.uid)).toEqual(before);
    expect(cluster.client.peek(KINDS.Deployment)[0]?.status?.availableReplicas).toBe(3);
  });

  it('deletes an object only when all its owners are gone, and forgets those that are', async () => {
    const [a, b] = [await create('a'), await create('b')];
    await create('child', [ownedBy(a), ownedBy(b)]);
    await cluster.client.delete(KINDS.ConfigMap, at('a'));
    await cluster.clock.advance(1000);
    expect(names()).toEqual(['b', 'child']);
    const child = await cluster.client.get(KINDS.ConfigMap, at('child'));
    expect(child.metadata?.ownerReferences?.map((o) => o.name)).toEqual(['b']);
    await cluster.client.delete(KINDS.ConfigMap, at('b'));
    await cluster.until(() => names().length === 0, 'child gone');
  });

  it('deletes an object made with an owner that never was, not one whose owner is a namesake with the right uid', async () => {
    const owner = await create('owner');
    await create('orphan', [{ ...ownedBy(owner), uid: 'never-was' }]);
    await create('child', [ownedBy(owner)]);
    await cluster.clock.advance(1000);
    expect(names()).toEqual(['child', 'owner']);
  });

  it('collects a ring of owners', async () => {
    const a = await create('a');
    const b = await create('b', [ownedBy(a, { blockOwnerDeletion: true })]);
    const c = await create('c', [ownedBy(b, { blockOwnerDeletion: true })]);
    await cluster.client.update(KINDS.ConfigMap, {
      ...a,
      metadata: { ...a.metadata, ownerReferences: [ownedBy(c, { blockOwnerDeletion: true })] },
    });
    await cluster.clock.advance(1000);
    expect(names()).toEqual(['a', 'b', 'c']);
    await cluster.client.delete(KINDS.ConfigMap, at('a'), { propagationPolicy: 'Foreground' });
    await cluster.until(() => names().length === 0, 'ring gone');
  });

  it('keeps a dependent that has another owner when one is deleted in the foreground', async () => {
    const [a, b] = [await create('a'), await create('b')];
    await create('child', [ownedBy(a, { blockOwnerDeletion: true }), ownedBy(b)]);
    await cluster.client.delete(KINDS.ConfigMap, at('a'), { propagationPolicy: 'Foreground' });
    await cluster.until(() => names().join() === 'b,child', 'a gone and child there');
    await cluster.clock.advance(5000);
    expect(names()).toEqual(['b', 'child']);
  });

  it('does not wait for a dependent that does not block', async () => {
    const a = await create('a');
    await create('child', [ownedBy(a)], { finalizers: ['example.test/hold'] });
    await cluster.client.delete(KINDS.ConfigMap, at('a'), { propagationPolicy: 'Foreground' });
    await cluster.until(() => names().join() === 'child', 'owner gone');
  });

  it('takes an owner in another namespace for absent and says so', async () => {
    const other = await cluster.client.create(KINDS.ConfigMap, { metadata: { name: 'far', namespace: 'other' } });
    await create('child', [ownedBy(other)]);
    await cluster.until(() => names().join() === 'far', 'child gone');
    expect(cluster.eventMessages('OwnerRefInvalidNamespace')[0]).toContain('does not exist in namespace "default"');
  });

  it('never deletes a cluster-scoped object for a namespaced owner, nor one whose owner has a kind nobody serves', async () => {
    const owner = await create('owner');
    await cluster.client.create(KINDS.Node, { metadata: { name: 'n1', ownerReferences: [ownedBy(owner)] } });
    await create('strange', [{ apiVersion: 'example.test/v1', kind: 'Widget', name: 'w', uid: 'u' }]);
    await cluster.client.delete(KINDS.ConfigMap, at('owner'));
    await cluster.clock.advance(10_000);
    expect(cluster.client.peek(KINDS.Node)).toHaveLength(1);
    expect(names()).toEqual(['strange']);
  });

  it('collects what lost its owner while no collector ran', async () => {
    const owner = await create('owner');
    await create('child', [ownedBy(owner)]);
    await cluster.stop();
    await cluster.client.delete(KINDS.ConfigMap, at('owner'));
    await cluster.start();
    await cluster.until(() => names().length === 0, 'child gone');
  });
});

describe('namespace controller', () => {
  let cluster: SimulatedCluster;

  beforeEach(async () => {
    cluster = new SimulatedCluster({
      controllers: [deploymentController, replicaSetController, garbageCollector, namespaceController],
    });
    await cluster.start();
    await cluster.client.create(KINDS.Namespace, { metadata: { name: 'default' } });
  });
  afterEach(() => cluster.stop());

  const namespace = (): corev1.Namespace | undefined => cluster.client.peek(KINDS.Namespace)[0];

  it('removes pods first, then the rest, then the namespace', async () => {
    await cluster.client.create(KINDS.Deployment, deployment('web', { replicas: 3 }));
    await cluster.client.create(KINDS.ConfigMap, { metadata: { name: 'settings', namespace: 'default' } });
    await cluster.until(() => cluster.readyPods().length === 3, 'three ready pods');
    cluster.behaviour.goneAfterMs = () => 3000;
    let restFirst = false;
    cluster.onPodChange = () => {
      restFirst ||= cluster.pods().length > 0 && cluster.client.peek(KINDS.ConfigMap).length === 0;
    };
    await cluster.client.delete(KINDS.Namespace, { name: 'default' });
    await cluster.clock.advance(1000);
    expect(namespace()?.status).toMatchObject({ phase: 'Terminating' });
    const remaining = namespace()?.status?.conditions?.find((c) => c.type === 'NamespaceContentRemaining');
    expect(remaining).toMatchObject({ status: 'True', reason: 'SomeResourcesRemain' });
    expect(remaining?.message).toBe('Some resources are remaining: pods. has 3 resource instances');
    await cluster.until(() => namespace() === undefined, 'namespace gone');
    expect([cluster.pods().length, cluster.client.peek(KINDS.ConfigMap).length, restFirst]).toEqual([0, 0, false]);
    expect(cluster.client.peek(KINDS.Deployment)).toEqual([]);
  });

  it('removes what came in as the namespace went, and nothing from one that has been made again', async () => {
    const inside = (name: string) => ({ metadata: { name, namespace: 'default' } });
    await cluster.client.delete(KINDS.Namespace, { name: 'default' });
    await cluster.until(() => namespace() === undefined, 'namespace gone');
    await cluster.client.create(KINDS.ConfigMap, inside('late'));
    await cluster.until(() => cluster.client.peek(KINDS.ConfigMap).length === 0, 'what came late gone');
    await cluster.client.create(KINDS.Namespace, { metadata: { name: 'default' } });
    await cluster.client.delete(KINDS.Namespace, { name: 'default' });
    await cluster.until(() => namespace() === undefined, 'namespace gone');
    await cluster.client.create(KINDS.Namespace, { metadata: { name: 'default' } });
    await cluster.client.create(KINDS.ConfigMap, inside('anew'));
    await cluster.clock.advance(20_000);
    expect(cluster.client.peek(KINDS.ConfigMap).map((o) => o.metadata?.name)).toEqual(['anew']);
  });

  it('waits for finalizers and names them', async () => {
    const finalizers = ['example.test/hold'];
    await cluster.client.create(KINDS.ConfigMap, { metadata: { name: 'held', namespace: 'default', finalizers } });
    await cluster.client.delete(KINDS.Namespace, { name: 'default' });
    await cluster.clock.advance(6000);
    expect(namespace()?.status?.conditions?.find((c) => c.type === 'NamespaceFinalizersRemaining')?.message).toBe(
      'Some content in the namespace has finalizers remaining: example.test/hold in 1 resource instances',
    );
    const held = await cluster.client.get(KINDS.ConfigMap, { namespace: 'default', name: 'held' });
    await cluster.client.update(KINDS.ConfigMap, { ...held, metadata: { ...held.metadata, finalizers: [] } });
    await cluster.until(() => namespace() === undefined, 'namespace gone');
  });
});

describe('kinds that come and go while controllers run', () => {
  /** Everything but Secrets, until `serve` says otherwise. */
  class GrowingKinds implements ServedKinds {
    #secrets = false;
    readonly #listeners = new Set<() => void>();
    readonly #all = servedKinds({ definitions: allDefinitions(), findDefinition });

    list = () => this.#all.list().filter((type) => this.#secrets || type.kind !== 'Secret');
    find = (apiVersion: string, kind: string) =>
      this.#secrets || kind !== 'Secret' ? this.#all.find(apiVersion, kind) : undefined;
    onChange = (listener: () => void) => {
      this.#listeners.add(listener);
      return () => void this.#listeners.delete(listener);
    };
    serve(secrets: boolean): void {
      this.#secrets = secrets;
      for (const listener of this.#listeners) listener();
    }
    get listeners(): number {
      return this.#listeners.size;
    }
  }
  const at = (name: string) => ({ namespace: 'default', name });

  it('are collected, waited for, and emptied out of namespaces from then on; before, their dependents are kept', async () => {
    const kinds = new GrowingKinds();
    const cluster = new SimulatedCluster({ controllers: [garbageCollector, namespaceController], kinds });
    await cluster.start();
    await cluster.client.create(KINDS.Namespace, { metadata: { name: 'default' } });
    const owner = await cluster.client.create(KINDS.Secret, { metadata: at('owner') });
    const reference = { apiVersion: 'v1', kind: 'Secret', name: 'owner', uid: owner.metadata?.uid };
    await cluster.client.create(KINDS.ConfigMap, { metadata: { ...at('child'), ownerReferences: [reference] } });
    const lost = { ...reference, uid: 'never-was' };
    await cluster.client.create(KINDS.ConfigMap, { metadata: { ...at('lost'), ownerReferences: [lost] } });
    await cluster.clock.advance(10_000);
    expect(cluster.client.peek(KINDS.ConfigMap)).toHaveLength(2);
    expect(cluster.warnings.filter((line) => line.includes('owner is of a kind that is not served'))).toHaveLength(1);
    kinds.serve(true);
    await cluster.until(() => cluster.client.peek(KINDS.ConfigMap).length === 1, 'what has no owner gone');
    expect(cluster.client.peek(KINDS.ConfigMap)[0]?.metadata?.name).toBe('child');
    await cluster.client.delete(KINDS.Secret, at('owner'));
    await cluster.until(() => cluster.client.peek(KINDS.ConfigMap).length === 0, 'the child gone');
    await cluster.client.create(KINDS.Secret, { metadata: at('left') });
    await cluster.client.delete(KINDS.Namespace, { name: 'default' });
    await cluster.until(() => cluster.client.peek(KINDS.Namespace).length === 0, 'the namespace gone');
    expect(cluster.client.peek(KINDS.Secret)).toEqual([]);
    kinds.serve(false);
    await cluster.clock.advance(1_000);
    expect(cluster.client.watchCount(KINDS.Secret)).toBe(0);
    await cluster.stop();
    expect(kinds.listeners).toBe(0);
  });
});
