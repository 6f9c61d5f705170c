import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { deploymentController } from '../../control-plane/controllers/deployment/deployment.ts';
import { garbageCollector } from '../../control-plane/controllers/garbage-collector/garbage-collector.ts';
import { replicaSetController } from '../../control-plane/controllers/replica-set/replica-set.ts';
import { type appsv1, KINDS } from '../../proto/index.ts';
import { deployment, SimulatedCluster, template } from './controllers-harness.ts';

describe('Deployment and ReplicaSet controllers', () => {
  let cluster: SimulatedCluster;

  beforeEach(async () => {
    cluster = new SimulatedCluster({ controllers: [deploymentController, replicaSetController, garbageCollector] });
    await cluster.start();
  });
  afterEach(() => cluster.stop());

  const create = (object: appsv1.Deployment): Promise<unknown> => cluster.client.create(KINDS.Deployment, object);
  const current = (): appsv1.Deployment => {
    const [found] = cluster.client.peek(KINDS.Deployment);
    if (found === undefined) throw new Error('there is no deployment');
    return found;
  };
  const condition = (type: string): appsv1.DeploymentCondition | undefined =>
    current().status?.conditions?.find((c) => c.type === type);
  const isRolledOut = (): boolean => {
    const { status, spec, metadata } = current();
    return (
      status?.observedGeneration === metadata?.generation &&
      (status?.updatedReplicas ?? 0) === spec?.replicas &&
      (status?.availableReplicas ?? 0) === spec?.replicas &&
      (status?.replicas ?? 0) === spec?.replicas
    );
  };
  const rolledOut = (): Promise<void> => cluster.until(isRolledOut, 'complete rollout');
  const images = (): string[] =>
    [...new Set(cluster.activePods().map((p) => p.spec?.containers?.[0]?.image ?? ''))].sort();
  const setsBySize = (): number[] =>
    cluster.client
      .peek(KINDS.ReplicaSet)
      .map((s) => s.spec?.replicas ?? 0)
      .sort((a, b) => b - a);

  it('brings up the pods of a new deployment and says so', async () => {
    await create(deployment('web', { replicas: 3 }));
    await rolledOut();
    expect(cluster.readyPods()).toHaveLength(3);
    const [set] = cluster.client.peek(KINDS.ReplicaSet);
    expect(set?.metadata?.name).toMatch(/^web-[a-z0-9]{10}$/);
    expect(set?.metadata?.annotations).toEqual({
      'deployment.kubernetes.io/desired-replicas': '3',
      'deployment.kubernetes.io/max-replicas': '4',
      'deployment.kubernetes.io/revision': '1',
    });
    expect(current().metadata?.annotations).toEqual({ 'deployment.kubernetes.io/revision': '1' });
    expect(condition('Available')).toMatchObject({ status: 'True', reason: 'MinimumReplicasAvailable' });
    expect(condition('Progressing')).toMatchObject({
      status: 'True',
      reason: 'NewReplicaSetAvailable',
      message: `ReplicaSet "${set?.metadata?.name}" has successfully progressed.`,
    });
    expect(cluster.eventMessages('ScalingReplicaSet')).toEqual([
      `Scaled up replica set ${set?.metadata?.name} to 3 from 0`,
    ]);
    expect(cluster.eventMessages('SuccessfulCreate')).toHaveLength(3);
    expect(cluster.warnings).toEqual([]);
  });

  it('keeps the bounds while it rolls to a new image', async () => {
    await create(deployment('web', { replicas: 8 }));
    await rolledOut();
    let fewest = 8;
    let most = 8;
    cluster.onPodChange = () => {
      fewest = Math.min(fewest, cluster.readyPods().length);
      most = Math.max(most, cluster.activePods().length);
    };
    await cluster.changeDeployment('web', (spec) => ({ ...spec, template: template('web', 'web:2') }));
    await rolledOut();
    expect(images()).toEqual(['web:2']);
    expect(fewest).toBe(6);
    expect(most).toBe(10);
    expect(setsBySize()).toEqual([8, 0]);
    expect(current().metadata?.annotations?.['deployment.kubernetes.io/revision']).toBe('2');
  });

  it('finds the old replica set again when the template goes back, with a new revision', async () => {
    await create(deployment('web', { replicas: 2 }));
    await rolledOut();
    await cluster.changeDeployment('web', (spec) => ({ ...spec, template: template('web', 'web:2') }));
    await rolledOut();
    await cluster.changeDeployment('web', (spec) => ({ ...spec, template: template('web', 'web:1') }));
    await rolledOut();
    expect(images()).toEqual(['web:1']);
    const sets = cluster.client.peek(KINDS.ReplicaSet);
    expect(
      sets.map((s) => Number(s.metadata?.annotations?.['deployment.kubernetes.io/revision'])).sort((a, b) => a - b),
    ).toEqual([2, 3]);
    const back = sets.find((s) => s.spec?.replicas === 2);
    expect(back?.metadata?.annotations?.['deployment.kubernetes.io/revision-history']).toBe('1');
  });

  it('recreates: no new pod before the last old one is gone', async () => {
    await create(deployment('web', { replicas: 3, strategy: { type: 'Recreate' } }));
    await rolledOut();
    let mixed = false;
    cluster.onPodChange = () => {
      const all = new Set(cluster.pods().map((p) => p.spec?.containers?.[0]?.image));
      mixed ||= all.size > 1;
    };
    await cluster.changeDeployment('web', (spec) => ({ ...spec, template: template('web', 'web:2') }));
    await rolledOut();
    expect(images()).toEqual(['web:2']);
    expect(mixed).toBe(false);
  });

  it('does nothing but scale while paused, and goes on when resumed', async () => {
    await create(deployment('web', { replicas: 2 }));
    await rolledOut();
    await cluster.changeDeployment('web', (spec) => ({ ...spec, paused: true, template: template('web', 'web:2') }));
    await cluster.clock.advance(5000);
    expect(images()).toEqual(['web:1']);
    expect(condition('Progressing')).toMatchObject({ status: 'Unknown', reason: 'DeploymentPaused' });
    await cluster.changeDeployment('web', (spec) => ({ ...spec, replicas: 4 }));
    await cluster.until(() => cluster.readyPods().length === 4, 'scaled up while paused');
    expect(images()).toEqual(['web:1']);
    await cluster.changeDeployment('web', (spec) => ({ ...spec, paused: false }));
    await rolledOut();
    expect(images()).toEqual(['web:2']);
  });

  it('says that a rollout missed its deadline, and recovers with a better template', async () => {
    cluster.behaviour.readyAfterMs = (pod) => (pod.spec?.containers?.[0]?.image === 'broken' ? undefined : 1000);
    await create(deployment('web', { replicas: 4, progressDeadlineSeconds: 30 }));
    await rolledOut();
    await cluster.changeDeployment('web', (spec) => ({ ...spec, template: template('web', 'broken') }));
    await cluster.until(() => condition('Progressing')?.status === 'False', 'missed deadline');
    expect(condition('Progressing')).toMatchObject({ reason: 'ProgressDeadlineExceeded' });
    expect(condition('Progressing')?.message).toMatch(/^ReplicaSet "web-[a-z0-9]+" has timed out progressing\.$/);
    expect(cluster.readyPods()).toHaveLength(3);
    await cluster.changeDeployment('web', (spec) => ({ ...spec, template: template('web', 'web:3') }));
    await rolledOut();
    expect(images()).toEqual(['web:3']);
    expect(condition('Progressing')).toMatchObject({ status: 'True', reason: 'NewReplicaSetAvailable' });
  });

  it('spreads a new size over the sets of a rollout under way', async () => {
    await create(
      deployment('web', {
        replicas: 10,
        strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: '3', maxUnavailable: '2' } },
      }),
    );
    await rolledOut();
    cluster.behaviour.readyAfterMs = (pod) => (pod.spec?.containers?.[0]?.image === 'broken' ? undefined : 1000);
    await cluster.changeDeployment('web', (spec) => ({ ...spec, template: template('web', 'broken') }));
    await cluster.until(() => setsBySize().join() === '8,5', 'stuck rollout at 8 and 5');
    await cluster.changeDeployment('web', (spec) => ({ ...spec, replicas: 30 }));
    await cluster.until(() => setsBySize().join() === '20,13', 'proportional sizes 20 and 13');
  });

  it('rolls over to a third template while the second is not up yet', async () => {
    await create(deployment('web', { replicas: 4 }));
    await rolledOut();
    cluster.behaviour.readyAfterMs = () => 3000;
    await cluster.changeDeployment('web', (spec) => ({ ...spec, template: template('web', 'web:2') }));
    await cluster.clock.advance(500);
    await cluster.changeDeployment('web', (spec) => ({ ...spec, template: template('web', 'web:3') }));
    let fewest = 4;
    cluster.onPodChange = () => {
      fewest = Math.min(fewest, cluster.readyPods().length);
    };
    await rolledOut();
    expect(images()).toEqual(['web:3']);
    expect(fewest).toBeGreaterThanOrEqual(3);
  });

  it('counts a pod as available only after minReadySeconds', async () => {
    await create(deployment('web', { replicas: 2, minReadySeconds: 10 }));
    await cluster.until(() => cluster.readyPods().length === 2, 'ready pods');
    await cluster.clock.advance(8000);
    expect(current().status?.availableReplicas ?? 0).toBe(0);
    expect(condition('Available')).toMatchObject({ status: 'False' });
    await cluster.clock.advance(3000);
    expect(current().status?.availableReplicas).toBe(2);
    expect(condition('Available')).toMatchObject({ status: 'True' });
  });

  it('keeps as many old replica sets as the history limit says', async () => {
    await create(deployment('web', { replicas: 1, revisionHistoryLimit: 2 }));
    for (let i = 1; i <= 5; i += 1) {
      await cluster.changeDeployment('web', (spec) => ({ ...spec, template: template('web', `web:${i}`) }));
      await rolledOut();
    }
    await cluster.until(() => cluster.client.peek(KINDS.ReplicaSet).length === 3, 'old sets cleaned up');
    const revisions = cluster.client
      .peek(KINDS.ReplicaSet)
      .map((s) => Number(s.metadata?.annotations?.['deployment.kubernetes.io/revision']));
    expect(revisions.sort((a, b) => a - b)).toEqual([3, 4, 5]);
  });

  it('chooses another name when its own is taken by another template', async () => {
    await create(deployment('web', { replicas: 1 }));
    await rolledOut();
    const [set] = cluster.client.peek(KINDS.ReplicaSet);
    await cluster.stop();
    await cluster.client.delete(KINDS.Deployment, { namespace: 'default', name: 'web' });
    await cluster.client.update(KINDS.ReplicaSet, {
      ...set,
      metadata: { ...set?.metadata, resourceVersion: undefined, ownerReferences: [], labels: { other: 'set' } },
      spec: {
        ...set?.spec,
        selector: { matchLabels: { other: 'set' } },
        template: template('other', 'other:1'),
        replicas: 0,
      },
    });
    await cluster.start();
    await create(deployment('web', { replicas: 1 }));
    await rolledOut();
    expect(current().status?.collisionCount).toBe(1);
    expect(images()).toEqual(['web:1']);
  });

  it('replaces a pod that failed or was deleted', async () => {
    await create(deployment('web', { replicas: 2 }));
    await rolledOut();
    const [first, second] = cluster.readyPods();
    await cluster.client.delete(KINDS.Pod, { namespace: 'default', name: first?.metadata?.name ?? '' });
    const failed = {
      ...second,
      metadata: { ...second?.metadata, resourceVersion: undefined },
      status: { phase: 'Failed' },
    };
    await cluster.client.update(KINDS.Pod, failed, { subresource: 'status' });
    await cluster.until(() => cluster.readyPods().length === 2, 'replacements');
    expect(cluster.readyPods().map((p) => p.metadata?.uid)).not.toContain(first?.metadata?.uid);
  });

  it('adopts a matching pod that nobody controls and lets go of one whose labels change', async () => {
    await create(deployment('web', { replicas: 2 }));
    await rolledOut();
    const [pod] = cluster.readyPods();
    const free = { ...pod, metadata: { ...pod?.metadata, resourceVersion: undefined, labels: { app: 'other' } } };
    await cluster.client.update(KINDS.Pod, free);
    await cluster.until(() => cluster.readyPods().length === 3, 'a replacement beside the released pod');
    const released = cluster.pods().find((p) => p.metadata?.uid === pod?.metadata?.uid);
    expect(released?.metadata?.ownerReferences ?? []).toEqual([]);
    const back = {
      ...released,
      metadata: { ...released?.metadata, resourceVersion: undefined, labels: pod?.metadata?.labels },
    };
    await cluster.client.update(KINDS.Pod, back);
    await cluster.until(() => cluster.readyPods().length === 2, 'the surplus pod removed again');
  });

  it('scales from one to a hundred and to nothing, never making one too many', async () => {
    await create(deployment('web', { replicas: 1 }));
    await rolledOut();
    let most = 0;
    cluster.onPodChange = () => {
      most = Math.max(most, cluster.activePods().length);
    };
    await cluster.changeDeployment('web', (spec) => ({ ...spec, replicas: 100 }));
    await rolledOut();
    expect(most).toBe(100);
    await cluster.changeDeployment('web', (spec) => ({ ...spec, replicas: 0 }));
    await cluster.until(() => cluster.pods().length === 0, 'no pods');
    await rolledOut();
  });

  it('makes no pod twice when the answer to its creation was lost', async () => {
    let lost = 3;
    const original = cluster.client.create.bind(cluster.client);
    cluster.client.create = async (type, object, options) => {
      const made = await original(type, object, options);
      if (type.kind === 'Pod' && lost > 0) {
        lost -= 1;
        throw new Error('connection lost');
      }
      return made;
    };
    let most = 0;
    cluster.onPodChange = () => {
      most = Math.max(most, cluster.activePods().length);
    };
    await create(deployment('web', { replicas: 5 }));
    await rolledOut();
    expect([most, lost]).toEqual([5, 0]);
  });

  it('reports that pods cannot be made, and takes it back', async () => {
    const allow = cluster.client.intercept(({ verb, type }) => {
      if (verb === 'create' && type.kind === 'Pod') throw new Error('exceeded quota');
    });
    await create(deployment('web', { replicas: 2 }));
    await cluster.until(() => condition('ReplicaFailure') !== undefined, 'ReplicaFailure');
    expect(condition('ReplicaFailure')).toMatchObject({
      status: 'True',
      reason: 'FailedCreate',
      message: 'exceeded quota',
    });
    expect(cluster.eventMessages('FailedCreate')[0]).toBe('Error creating: exceeded quota');
    allow();
    await rolledOut();
    await cluster.until(() => condition('ReplicaFailure') === undefined, 'end of ReplicaFailure');
  });
});
