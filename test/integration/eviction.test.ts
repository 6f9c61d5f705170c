/** Evictions over the real API with the controllers running: what budgets allow, refuse and count. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { LocalResourceClient } from '../../control-plane/api/local-client.ts';
import { LEADER_TASKS } from '../../control-plane/leader-tasks.ts';
import type { GrpcConnection } from '../../lib/client/grpc-connection.ts';
import type { ResourceClient } from '../../lib/client/resource-client.ts';
import { rfc3339 } from '../../lib/clock.ts';
import { apiv1, type corev1, type JsonObject, KINDS, type policyv1 } from '../../proto/index.ts';
import { waitFor } from '../harness/wait.ts';
import { apiUnavailable, ServerUnderTest } from './api-server-under-test.ts';

const REFUSED = "Cannot evict pod as it would violate the pod's disruption budget.";
const labels = { app: 'x' };

describe.skipIf(apiUnavailable() !== undefined)('evictions', () => {
  let under: ServerUnderTest;
  let client: ResourceClient;
  let connection: GrpcConnection;
  let count = 0;
  beforeAll(async () => {
    under = await ServerUnderTest.start({ leaderTasks: LEADER_TASKS });
    client = new LocalResourceClient(under.server.services, 'system:test');
    connection = under.connect();
  });
  afterAll(() => under?.stop());

  async function makeNamespace(): Promise<string> {
    count += 1;
    const name = `eviction-${count}`;
    await client.create(KINDS.Namespace, { metadata: { name } });
    return name;
  }

  /** A running pod on a node that does not exist: nobody ends or removes it meanwhile. */
  async function runPod(namespace: string, name: string, ready = true, owner?: corev1.Pod['metadata']): Promise<void> {
    const made = await client.create(KINDS.Pod, {
      metadata: { name, namespace, labels, ...owner },
      spec: { nodeName: 'nowhere', containers: [{ name: 'c', image: 'x' }] },
    });
    await setReady(made, ready);
  }
  async function setReady(pod: corev1.Pod, ready: boolean): Promise<void> {
    const condition = { type: 'Ready', status: ready ? 'True' : 'False', lastTransitionTime: rfc3339(Date.now()) };
    const status = { ...pod.status, phase: 'Running', conditions: [condition] };
    await client.update(KINDS.Pod, { ...pod, status }, { subresource: 'status' });
  }
  async function makeBudget(namespace: string, spec: policyv1.PodDisruptionBudgetSpec, name = 'budget'): Promise<void> {
    await client.create(KINDS.PodDisruptionBudget, {
      metadata: { name, namespace },
      spec: { selector: { matchLabels: labels }, ...spec },
    });
  }
  const budgetOf = (namespace: string) => client.get(KINDS.PodDisruptionBudget, { namespace, name: 'budget' });
  const settled = (namespace: string, wanted: Partial<policyv1.PodDisruptionBudgetStatus>) =>
    waitFor(`a budget of ${JSON.stringify(wanted)}`, async () => {
      const budget = await budgetOf(namespace);
      const status = (budget.status ?? {}) as Record<string, unknown>;
      if (budget.status?.observedGeneration !== budget.metadata?.generation) return undefined;
      return Object.entries(wanted).every(([key, value]) => (status[key] ?? 0) === value) ? budget : undefined;
    });
  const evict = (namespace: string, name: string, deleteOptions: JsonObject = {}, dryRun = false) =>
    connection.unary(apiv1.ResourcesService.create, {
      target: { apiVersion: 'v1', kind: 'Pod', namespace, name, subresource: 'eviction' },
      json: Buffer.from(
        JSON.stringify({ apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name, namespace }, deleteOptions }),
      ),
      dryRun,
    });
  const send = (object: JsonObject & { apiVersion: string; kind: string }) =>
    connection.unary(apiv1.ResourcesService.create, {
      target: { apiVersion: object.apiVersion, kind: object.kind },
      json: Buffer.from(JSON.stringify(object)),
      output: apiv1.Output.JSON,
    });
  const isGoing = async (namespace: string, name: string): Promise<boolean> =>
    (await client.get(KINDS.Pod, { namespace, name })).metadata?.deletionTimestamp !== undefined;

  test('go through while the budget allows, are refused with reasons, and go through once it allows again', async () => {
    const namespace = await makeNamespace();
    for (const name of ['a', 'b', 'c']) await runPod(namespace, name);
    await makeBudget(namespace, { minAvailable: '2' });
    const budget = await settled(namespace, {
      disruptionsAllowed: 1,
      currentHealthy: 3,
      desiredHealthy: 2,
      expectedPods: 3,
    });
    expect(budget.status?.conditions?.[0]).toMatchObject({ type: 'DisruptionAllowed', status: 'True' });

    await evict(namespace, 'a', {}, true);
    expect(await isGoing(namespace, 'a')).toBe(false);
    expect((await budgetOf(namespace)).status?.disruptionsAllowed).toBe(1);

    await evict(namespace, 'a');
    const going = await client.get(KINDS.Pod, { namespace, name: 'a' });
    expect(going.metadata?.deletionTimestamp).toBeDefined();
    expect(going.status?.conditions?.find((c) => c.type === 'DisruptionTarget')).toMatchObject({
      status: 'True',
      reason: 'EvictionByEvictionAPI',
    });
    await expect(evict(namespace, 'b')).rejects.toMatchObject({
      reason: 'TooManyRequests',
      message: REFUSED,
      retryAfterMs: 10_000,
      causes: [
        { reason: 'DisruptionBudget', message: expect.stringContaining('The disruption budget budget ') as string },
      ],
    });
    // One that goes already needs no leave.
    await evict(namespace, 'a');
    await settled(namespace, { disruptionsAllowed: 0, currentHealthy: 2 });
    const patch = { type: 'merge' as const, body: { spec: { minAvailable: 1 } } };
    await client.patch(KINDS.PodDisruptionBudget, { namespace, name: 'budget' }, patch);
    await settled(namespace, { disruptionsAllowed: 1 });
    await evict(namespace, 'b');
    expect(await isGoing(namespace, 'b')).toBe(true);
  });

  test('of many at once never use one allowance twice', async () => {
    const namespace = await makeNamespace();
    const names = Array.from({ length: 12 }, (_, i) => `p${i}`);
    await Promise.all(names.map((name) => runPod(namespace, name)));
    await makeBudget(namespace, { minAvailable: '9' });
    await settled(namespace, { disruptionsAllowed: 3 });
    const results = await Promise.allSettled(names.map((name) => evict(namespace, name)));
    expect(results.filter((result) => result.status === 'fulfilled')).toHaveLength(3);
    const going = await Promise.all(names.map((name) => isGoing(namespace, name)));
    expect(going.filter(Boolean)).toHaveLength(3);
  });

  test('respect preconditions and do not count what they refuse', async () => {
    const namespace = await makeNamespace();
    await runPod(namespace, 'a');
    await makeBudget(namespace, { maxUnavailable: '1' });
    const wrong = { preconditions: { uid: '00000000-0000-4000-8000-000000000000' } };
    await expect(evict(namespace, 'a', wrong)).rejects.toMatchObject({ reason: 'Conflict' });
    await expect(evict(namespace, 'none')).rejects.toMatchObject({ reason: 'NotFound' });
    // Nobody owns the pod, so nobody says how many there should be: nothing may go.
    await settled(namespace, { disruptionsAllowed: 0, expectedPods: 0 });
    await expect(evict(namespace, 'a')).rejects.toMatchObject({ reason: 'TooManyRequests' });
  });

  test('of pods that several budgets select are an error of the server, as in Kubernetes', async () => {
    const namespace = await makeNamespace();
    await runPod(namespace, 'a');
    await makeBudget(namespace, { minAvailable: '0' });
    await makeBudget(namespace, { minAvailable: '0' }, 'another');
    await settled(namespace, { currentHealthy: 1 });
    await expect(evict(namespace, 'a')).rejects.toMatchObject({
      reason: 'InternalError',
      message: 'This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.',
    });
  });

  test('of pods that are not ready depend on the policy for these', async () => {
    const namespace = await makeNamespace();
    await runPod(namespace, 'ready');
    await runPod(namespace, 'unready', false);
    await makeBudget(namespace, { minAvailable: '2' });
    await settled(namespace, { currentHealthy: 1, disruptionsAllowed: 0 });
    await expect(evict(namespace, 'unready')).rejects.toMatchObject({ reason: 'TooManyRequests' });
    const patch = { type: 'merge' as const, body: { spec: { unhealthyPodEvictionPolicy: 'AlwaysAllow' } } };
    await client.patch(KINDS.PodDisruptionBudget, { namespace, name: 'budget' }, patch);
    await evict(namespace, 'unready');
    expect(await isGoing(namespace, 'unready')).toBe(true);
  });

  test('count the pods that a Deployment wants, also those that are missing', async () => {
    const namespace = await makeNamespace();
    await makeBudget(namespace, { maxUnavailable: '1' });
    await client.create(KINDS.Deployment, {
      metadata: { name: 'web', namespace },
      spec: {
        replicas: 3,
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'x' }] } },
      },
    });
    await settled(namespace, { expectedPods: 3, desiredHealthy: 2, currentHealthy: 0, disruptionsAllowed: 0 });
    const { items } = await client.list(KINDS.Pod, { namespace });
    expect(items).toHaveLength(3);
    // Pods that have not started yet may always go.
    await evict(namespace, items[0]?.metadata?.name ?? '');
    await client.patch(
      KINDS.Deployment,
      { namespace, name: 'web' },
      { type: 'merge', body: { spec: { replicas: 5 } } },
    );
    await settled(namespace, { expectedPods: 5, desiredHealthy: 4 });
  });

  test('count what any owner that can be scaled wants, and allow nothing when an owner cannot say', async () => {
    const namespace = await makeNamespace();
    await send({
      apiVersion: 'apiextensions.k8s.io/v1',
      kind: 'CustomResourceDefinition',
      metadata: { name: 'crews.evict.example.com' },
      spec: {
        group: 'evict.example.com',
        scope: 'Namespaced',
        names: { plural: 'crews', singular: 'crew', kind: 'Crew' },
        versions: [
          {
            name: 'v1',
            served: true,
            storage: true,
            schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
            subresources: { scale: { specReplicasPath: '.spec.hands', statusReplicasPath: '.status.hands' } },
          },
        ],
      },
    });
    const crew = { apiVersion: 'evict.example.com/v1', kind: 'Crew', metadata: { name: 'c', namespace } };
    const made = await waitFor('the kind', () => send({ ...crew, spec: { hands: 4 } }).catch(() => undefined));
    const { metadata } = JSON.parse(made.json?.toString() ?? '') as { metadata: { uid: string } };
    const owner = (uid: string, kind: string, apiVersion: string) => ({
      ownerReferences: [{ apiVersion, kind, name: 'c', uid, controller: true }],
    });
    for (const name of ['a', 'b', 'c', 'd']) {
      await runPod(namespace, name, true, owner(metadata.uid, 'Crew', 'evict.example.com/v1'));
    }
    await makeBudget(namespace, { maxUnavailable: '25%' });
    await settled(namespace, { expectedPods: 4, desiredHealthy: 3, disruptionsAllowed: 1 });
    const config = await client.create(KINDS.ConfigMap, { metadata: { name: 'c', namespace } });
    await runPod(namespace, 'e', true, owner(config.metadata?.uid ?? '', 'ConfigMap', 'v1'));
    const failed = await settled(namespace, { disruptionsAllowed: 0 });
    expect(failed.status?.conditions?.[0]).toMatchObject({
      reason: 'SyncFailed',
      message: `ConfigMap.v1 ${namespace}/c does not implement the scale subresource`,
    });
  });
});
