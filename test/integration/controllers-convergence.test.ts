/**
 * Random operations on a Deployment while caches lag, pods fail, watches are cut and the controllers are killed and started
 * again. Whatever happens: the bounds hold, and in the end everything is as asked. A failure prints its seed; run that one
 * with `SEED=<n>`.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { deploymentController } from '../../control-plane/controllers/deployment/deployment.ts';
import { rolloutBounds } from '../../control-plane/controllers/deployment/rollout-math.ts';
import { garbageCollector } from '../../control-plane/controllers/garbage-collector/garbage-collector.ts';
import { replicaSetController } from '../../control-plane/controllers/replica-set/replica-set.ts';
import { type appsv1, KINDS } from '../../proto/index.ts';
import { deployment, isReady, SimulatedCluster, template } from './controllers-harness.ts';

const RUNS = Number(process.env.RUNS ?? 30);
const FIRST_SEED = Number(process.env.SEED ?? Math.floor(Math.random() * 1_000_000));

/** A small generator of numbers in [0, 1) from a seed (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

describe('convergence', () => {
  let cluster: SimulatedCluster | undefined;
  afterEach(() => cluster?.stop());

  const seeds = Array.from({ length: process.env.SEED === undefined ? RUNS : 1 }, (_, i) => FIRST_SEED + i);

  it.each(seeds)('keeps the bounds of rollouts and reaches what was asked (seed %i)', async (seed) => {
    const random = randomFrom(seed);
    const pick = (min: number, max: number): number => min + Math.floor(random() * (max - min + 1));
    const sim = new SimulatedCluster({ controllers: [deploymentController, replicaSetController, garbageCollector] });
    cluster = sim;
    sim.lag(pick(0, 1) * 400, random);
    sim.behaviour.readyAfterMs = () => pick(100, 2000);
    sim.behaviour.goneAfterMs = () => pick(100, 2000);
    await sim.start();
    const replicas = pick(1, 10);
    const rollingUpdate = {
      maxSurge: pick(0, 1) === 0 ? `${pick(0, 60)}%` : `${pick(0, 4)}`,
      maxUnavailable: pick(0, 1) === 0 ? `${pick(0, 60)}%` : `${pick(1, 4)}`,
    };
    await sim.client.create(
      KINDS.Deployment,
      deployment('web', { replicas, strategy: { type: 'RollingUpdate', rollingUpdate } }),
    );
    const current = (): appsv1.Deployment => sim.client.peek(KINDS.Deployment)[0] ?? {};
    const settled = (): boolean => {
      const { status, spec, metadata } = current();
      const image = spec?.template?.spec?.containers?.[0]?.image;
      const ready = sim.readyPods();
      return (
        status?.observedGeneration === metadata?.generation &&
        (status?.availableReplicas ?? 0) === spec?.replicas &&
        (status?.replicas ?? 0) === spec?.replicas &&
        ready.length === spec?.replicas &&
        sim.pods().length === ready.length &&
        ready.every((p) => p.spec?.containers?.[0]?.image === image)
      );
    };
    await sim.until(settled, 'first rollout');

    // Only rollouts are bounded: changes of size and failures of pods move the counts by themselves.
    for (let round = 0; round < 4; round += 1) {
      const { maxSurge, maxUnavailable } = rolloutBounds(current());
      const wanted = current().spec?.replicas ?? 1;
      const broken: string[] = [];
      sim.onPodChange = () => {
        const active = sim.pods().filter((p) => p.metadata?.deletionTimestamp === undefined);
        const available = active.filter(isReady).length;
        if (active.length > wanted + maxSurge) broken.push(`${active.length} pods of ${wanted} + ${maxSurge}`);
        if (available < wanted - maxUnavailable) broken.push(`${available} available of ${wanted} - ${maxUnavailable}`);
      };
      const rollouts = pick(1, 3);
      for (let i = 0; i < rollouts; i += 1) {
        const image = `web:${pick(1, 4)}`;
        await sim.changeDeployment('web', (spec) => ({ ...spec, template: template('web', image) }));
        await sim.clock.advance(pick(0, 3000));
        if (random() < 0.3) sim.client.disconnectWatches();
        if (random() < 0.2) sim.client.expireHistory();
        if (random() < 0.3) {
          await sim.stop();
          await sim.start();
        }
      }
      await sim.until(settled, `rollout in round ${round}`);
      expect(broken, 'bounds broken').toEqual([]);
      sim.onPodChange = () => undefined;
      await disturb(sim, { random, pick });
      await sim.until(settled, `recovery in round ${round}`);
    }
  });

  async function disturb(
    sim: SimulatedCluster,
    { random, pick }: { random: () => number; pick: (min: number, max: number) => number },
  ): Promise<void> {
    for (let i = 0; i < 3; i += 1) {
      const pods = sim.activePods();
      const victim = pods[pick(0, Math.max(0, pods.length - 1))];
      if (random() < 0.5 && victim !== undefined) {
        await sim.client.delete(KINDS.Pod, { namespace: 'default', name: victim.metadata?.name ?? '' });
      } else {
        const size = pick(0, 12);
        await sim.changeDeployment('web', (spec) => ({ ...spec, replicas: size }));
      }
      await sim.clock.advance(pick(0, 1500));
    }
  }

  it('makes not one pod too many with a cache that lags', async () => {
    const sim = new SimulatedCluster({ controllers: [replicaSetController] });
    cluster = sim;
    sim.lag(500, randomFrom(FIRST_SEED));
    await sim.start();
    let most = 0;
    let made = 0;
    sim.client.intercept(({ verb, type }) => {
      if (verb === 'create' && type.kind === 'Pod') made += 1;
    });
    sim.onPodChange = () => {
      most = Math.max(most, sim.activePods().length);
    };
    const spec = { replicas: 5, selector: { matchLabels: { app: 'web' } }, template: template('web', 'web:1') };
    const set = await sim.client.create(KINDS.ReplicaSet, { metadata: { name: 'web', namespace: 'default' }, spec });
    for (const replicas of [20, 21, 22, 60]) {
      await sim.clock.advance(150);
      const metadata = { name: 'web', namespace: 'default', uid: set.metadata?.uid };
      await sim.client.update(KINDS.ReplicaSet, { metadata, spec: { ...spec, replicas } });
    }
    await sim.until(() => sim.readyPods().length === 60, 'sixty ready pods');
    await sim.clock.advance(5000);
    expect([most, made]).toEqual([60, 60]);
  });
});
