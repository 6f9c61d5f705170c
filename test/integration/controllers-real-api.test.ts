/** Controllers and scheduler over the real API and etcd: what the simulated cluster may have got wrong shows here. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LocalResourceClient } from '../../control-plane/api/local-client.ts';
import { LEADER_TASKS } from '../../control-plane/leader-tasks.ts';
import type { ResourceClient } from '../../lib/client/resource-client.ts';
import { rfc3339 } from '../../lib/clock.ts';
import { Informer } from '../../lib/informer.ts';
import { compareVersions } from '../../lib/resource-version.ts';
import { type appsv1, type corev1, KINDS } from '../../proto/index.ts';
import { apiUnavailable, ServerUnderTest } from './api-server-under-test.ts';
import { deployment, isReady, template } from './controllers-harness.ts';

const LIMIT_MS = 30_000;

describe.skipIf(apiUnavailable() !== undefined)('controllers and scheduler over the real API', () => {
  let under: ServerUnderTest;
  let client: ResourceClient;
  const stop = new AbortController();
  let pods: Informer<corev1.Pod>;
  let deployments: Informer<appsv1.Deployment>;
  let sets: Informer<appsv1.ReplicaSet>;
  let namespaces: Informer<corev1.Namespace>;
  let running: Promise<unknown>;

  beforeAll(async () => {
    under = await ServerUnderTest.start({ leaderTasks: LEADER_TASKS });
    client = new LocalResourceClient(under.server.services, 'system:test');
    pods = new Informer({ client, type: KINDS.Pod });
    deployments = new Informer({ client, type: KINDS.Deployment });
    sets = new Informer({ client, type: KINDS.ReplicaSet });
    namespaces = new Informer({ client, type: KINDS.Namespace });
    pods.addHandler({ onAdd: (pod) => void runPod(pod), onUpdate: (_, pod) => void runPod(pod) });
    running = Promise.all([pods, deployments, sets, namespaces].map((informer) => informer.run(stop.signal)));
    for (const name of ['n1', 'n2']) {
      const at = rfc3339(Date.now());
      const conditions = [{ type: 'Ready', status: 'True', lastHeartbeatTime: at, lastTransitionTime: at }];
      const allocatable = { cpu: '64', memory: '64Gi', pods: '500' };
      await client.create(KINDS.Node, { metadata: { name }, status: { conditions, allocatable } });
      await client.create(KINDS.Lease, {
        metadata: { name, namespace: 'kube-node-lease' },
        spec: { holderIdentity: name },
      });
    }
  });
  afterAll(async () => {
    stop.abort();
    await running;
    await under?.stop();
  });

  /** A node that says at once that its pods run, and lets them go at once. */
  async function runPod(pod: corev1.Pod): Promise<void> {
    const { namespace, name = '', uid = '', deletionTimestamp } = pod.metadata ?? {};
    try {
      if (deletionTimestamp !== undefined) {
        await client.delete(KINDS.Pod, { namespace, name }, { uid, gracePeriodSeconds: 0 });
      } else if ((pod.spec?.nodeName ?? '') !== '' && !isReady(pod)) {
        const ready = { type: 'Ready', status: 'True', lastTransitionTime: rfc3339(Date.now()) };
        const status = { ...pod.status, phase: 'Running', conditions: [...(pod.status?.conditions ?? []), ready] };
        await client.update(KINDS.Pod, { ...pod, status }, { subresource: 'status' });
      }
    } catch {
      // Gone or changed meanwhile: the next change brings it back.
    }
  }

  const limit = (): AbortSignal => AbortSignal.timeout(LIMIT_MS);
  const inNamespace = (object: appsv1.Deployment, namespace: string): appsv1.Deployment => ({
    ...object,
    metadata: { ...object.metadata, namespace },
  });
  const rolledOut = (namespace: string): Promise<void> =>
    deployments.waitUntil((informer) => {
      const { status, spec, metadata } = informer.get(`${namespace}/web`) ?? {};
      return (
        metadata !== undefined &&
        compareVersions(informer.resourceVersion, changed) >= 0 &&
        status?.observedGeneration === metadata.generation &&
        (status?.updatedReplicas ?? 0) === spec?.replicas &&
        (status?.availableReplicas ?? 0) === spec?.replicas &&
        (status?.replicas ?? 0) === spec?.replicas
      );
    }, limit());
  /** The version of the last change made here: the cache must have seen it before it is asked. */
  let changed = '';
  async function start(namespace: string, replicas: number): Promise<void> {
    await client.create(KINDS.Namespace, { metadata: { name: namespace } });
    const made = await client.create(KINDS.Deployment, inNamespace(deployment('web', { replicas }), namespace));
    changed = made.metadata?.resourceVersion ?? '';
    await rolledOut(namespace);
  }
  async function change(namespace: string, to: (spec: appsv1.DeploymentSpec) => appsv1.DeploymentSpec): Promise<void> {
    const current = await client.get(KINDS.Deployment, { namespace, name: 'web' });
    const metadata = { ...current.metadata, resourceVersion: undefined };
    const written = await client.update(KINDS.Deployment, { ...current, metadata, spec: to(current.spec ?? {}) });
    changed = written.metadata?.resourceVersion ?? '';
  }
  const podsIn = (namespace: string): corev1.Pod[] =>
    pods.list().filter((pod) => pod.metadata?.namespace === namespace);

  it('brings a deployment up, scales it to a hundred, rolls it and goes to nothing', async () => {
    await start('roll', 1);
    await change('roll', (spec) => ({ ...spec, replicas: 100 }));
    await rolledOut('roll');
    expect(podsIn('roll')).toHaveLength(100);
    const perNode = podsIn('roll').filter((pod) => pod.spec?.nodeName === 'n1').length;
    expect(perNode).toBe(50);
    await change('roll', (spec) => ({ ...spec, replicas: 10 }));
    await rolledOut('roll');
    await change('roll', (spec) => ({ ...spec, template: template('web', 'web:2') }));
    await rolledOut('roll');
    expect(sets.list().filter((set) => set.metadata?.namespace === 'roll')).toHaveLength(2);
    await change('roll', (spec) => ({ ...spec, replicas: 0 }));
    await pods.waitUntil(() => podsIn('roll').length === 0, limit());
  });

  it('does not make a new replica set when nothing that matters changes in the template', async () => {
    await start('same', 1);
    await change('same', (spec) => ({
      ...spec,
      template: { ...template('web', 'web:1'), metadata: { labels: { app: 'web' }, annotations: {} } },
    }));
    await rolledOut('same');
    expect(sets.list().filter((set) => set.metadata?.namespace === 'same')).toHaveLength(1);
  });

  it.each(['Background', 'Foreground'] as const)(
    'deletes everything of a deployment (%s)',
    async (propagationPolicy) => {
      const namespace = propagationPolicy.toLowerCase();
      await start(namespace, 5);
      await client.delete(KINDS.Deployment, { namespace, name: 'web' }, { propagationPolicy });
      await pods.waitUntil(() => podsIn(namespace).length === 0, limit());
      await sets.waitUntil(
        (informer) => informer.list().every((set) => set.metadata?.namespace !== namespace),
        limit(),
      );
      await deployments.waitUntil((informer) => informer.get(`${namespace}/web`) === undefined, limit());
    },
  );

  it('leaves the pods in an orphan deletion', async () => {
    await start('orphan', 2);
    await client.delete(KINDS.Deployment, { namespace: 'orphan', name: 'web' }, { propagationPolicy: 'Orphan' });
    await deployments.waitUntil((informer) => informer.get('orphan/web') === undefined, limit());
    await sets.waitUntil(
      (informer) =>
        informer
          .list()
          .some((set) => set.metadata?.namespace === 'orphan' && (set.metadata.ownerReferences ?? []).length === 0),
      limit(),
    );
    expect(podsIn('orphan')).toHaveLength(2);
  });

  it('empties and removes a namespace', async () => {
    await start('going', 3);
    await client.create(KINDS.ConfigMap, { metadata: { name: 'settings', namespace: 'going' }, data: { a: 'b' } });
    await client.delete(KINDS.Namespace, { name: 'going' });
    await namespaces.waitUntil((informer) => informer.get('going') === undefined, limit());
    expect(podsIn('going')).toEqual([]);
  });

  it('tells a pod that fits nowhere why', async () => {
    await client.create(KINDS.Namespace, { metadata: { name: 'big' } });
    const containers = [{ name: 'c', image: 'web:1', resources: { requests: { cpu: '100' } } }];
    await client.create(KINDS.Pod, { metadata: { name: 'big', namespace: 'big' }, spec: { containers } });
    await pods.waitUntil((informer) => informer.get('big/big')?.status?.conditions?.[0] !== undefined, limit());
    expect(pods.get('big/big')?.status?.conditions?.[0]).toMatchObject({
      type: 'PodScheduled',
      status: 'False',
      reason: 'Unschedulable',
      message: '0/2 nodes are available: 2 Insufficient cpu.',
    });
  });
});
