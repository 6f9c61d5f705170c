/** How Deployments roll: in what order, within which bounds, and what is said and remembered of it. */
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { clusterUnavailable, TestCluster } from '../harness/cluster.ts';
import { loadBusybox } from '../harness/images.ts';
import { apply, isReady, listPods, sleepers, waitReady } from '../harness/objects.ts';
import { waitFor } from '../harness/wait.ts';

vi.setConfig({ maxConcurrency: 4 });
const reason = clusterUnavailable();

interface DeploymentJson {
  readonly metadata: { readonly generation: number };
  readonly spec: { readonly replicas: number };
  readonly status: {
    readonly updatedReplicas?: number;
    readonly replicas?: number;
    readonly conditions?: readonly { readonly type: string; readonly status: string; readonly reason: string }[];
  };
}

interface ReplicaSetJson {
  readonly metadata: { readonly name: string; readonly annotations: Readonly<Record<string, string>> };
  readonly spec: { readonly replicas: number };
}

describe.skipIf(reason !== undefined).concurrent(`rollouts${reason ? ` (skipped: ${reason})` : ''}`, () => {
  let cluster: TestCluster;

  beforeAll(async () => {
    cluster = await TestCluster.start();
    await loadBusybox(cluster);
    mkdirSync(cluster.path('seen'));
  });
  afterAll(() => cluster?.stop());

  const version = (value: string): object => ({ env: [{ name: 'VERSION', value }] });
  const rolling = (maxSurge: number | string, maxUnavailable: number | string): object => ({
    strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge, maxUnavailable } },
  });
  const finish = (name: string): Promise<unknown> =>
    cluster.ok(['rollout', 'status', `deployment/${name}`, '--timeout=60s'], { timeoutMs: 70_000 });
  const deployment = (name: string): Promise<DeploymentJson> => cluster.json<DeploymentJson>('deployment', name);
  const replicaSets = async (name: string): Promise<readonly ReplicaSetJson[]> =>
    (await cluster.json<{ items: readonly ReplicaSetJson[] }>('replicasets', '-l', `app=${name}`)).items;
  const versionOf = (pod: unknown): string | undefined =>
    (pod as { spec: { containers: [{ env?: { value: string }[] }] } }).spec.containers[0].env?.[0]?.value;
  const versions = async (name: string): Promise<(string | undefined)[]> =>
    (await listPods(cluster, `app=${name}`)).map(versionOf);

  /** Waits until the pods have these versions: pods that are still ending are listed a moment longer than a rollout takes. */
  const becomes = (name: string, expected: readonly string[]): Promise<unknown> =>
    waitFor(`the pods of ${name} to be ${expected.join(', ')}`, async () => {
      const found = await versions(name);
      if (found.length === expected.length && found.every((value, at) => value === expected[at])) return true;
      throw new Error(`they are ${found.join(', ')}`);
    });

  /** A Deployment whose containers write "+VERSION" when they start and "-VERSION" when they end to a file of the machine. */
  function chronicler(name: string, replicas: number, value: string, spec: object): string {
    const script =
      `echo +$VERSION >> /seen/${name}; trap "echo -$VERSION >> /seen/${name}; exit 0" TERM; ` +
      'while :; do sleep 0.1; done';
    return sleepers(name, replicas, {
      spec,
      podSpec: {
        terminationGracePeriodSeconds: 10,
        volumes: [{ name: 'seen', hostPath: { path: cluster.path('seen') } }],
      },
      container: {
        command: ['sh', '-c', script],
        volumeMounts: [{ name: 'seen', mountPath: '/seen' }],
        ...version(value),
      },
    });
  }
  const chronicle = (name: string): string[] => {
    const path = cluster.path('seen', name);
    return existsSync(path) ? readFileSync(path, 'utf8').trim().split('\n') : [];
  };

  /** Looks at the pods again and again while `act` runs: the fewest Ready and the most alive. */
  async function bounds(name: string, act: () => Promise<unknown>): Promise<{ fewest: number; most: number }> {
    const done = new AbortController();
    const found = { fewest: Number.POSITIVE_INFINITY, most: 0 };
    const watching = (async () => {
      while (!done.signal.aborted) {
        const pods = await listPods(cluster, `app=${name}`);
        found.fewest = Math.min(found.fewest, pods.filter(isReady).length);
        found.most = Math.max(found.most, pods.filter((p) => p.metadata.deletionTimestamp === undefined).length);
      }
    })();
    await act().finally(() => done.abort());
    await watching;
    return found;
  }

  test('Recreate ends all old pods before it starts a new one', async () => {
    const spec = { strategy: { type: 'Recreate' } };
    await apply(cluster, chronicler('recreate', 3, 'one', spec));
    await waitReady(cluster, 'app=recreate', 3);
    await waitFor('three starts', () => chronicle('recreate').length === 3);
    await apply(cluster, chronicler('recreate', 3, 'two', spec));
    await finish('recreate');
    await waitFor('all starts', () => chronicle('recreate').length === 9);
    const all = ['+one', '-one', '+two'].flatMap((line) => [line, line, line]);
    expect(chronicle('recreate')).toEqual(all);
  });

  test('maxSurge 0, maxUnavailable 1: never more pods than asked for, one replaced after the other', async () => {
    const spec = rolling(0, 1);
    await apply(cluster, chronicler('inplace', 3, 'one', spec));
    await waitReady(cluster, 'app=inplace', 3);
    const { fewest, most } = await bounds('inplace', async () => {
      await apply(cluster, chronicler('inplace', 3, 'two', spec));
      await finish('inplace');
    });
    expect(most).toBeLessThanOrEqual(3);
    expect(fewest).toBeGreaterThanOrEqual(2);
    await becomes('inplace', ['two', 'two', 'two']);
  });

  test('maxSurge 1, maxUnavailable 0: never fewer ready pods than asked for', async () => {
    const change = (value: string): Promise<string> =>
      apply(
        cluster,
        sleepers('surging', 2, { spec: { ...rolling(1, 0), minReadySeconds: 1 }, container: version(value) }),
      );
    await change('one');
    await waitReady(cluster, 'app=surging', 2);
    await finish('surging');
    const { fewest, most } = await bounds('surging', async () => {
      await change('two');
      await finish('surging');
    });
    expect(fewest).toBe(2);
    expect(most).toBeLessThanOrEqual(3);
  });

  test('percentages: surge rounded up, unavailable rounded down', async () => {
    const spec = rolling('30%', '30%');
    await apply(cluster, sleepers('shares', 5, { spec, container: version('one') }));
    await waitReady(cluster, 'app=shares', 5);
    // A version that never gets ready takes all that is allowed, and stops there: 5 + 2 pods at most, 5 - 1 of them ready at least.
    const never = { ...version('two'), readinessProbe: { exec: { command: ['false'] } } };
    const { most, fewest } = await bounds('shares', async () => {
      await apply(cluster, sleepers('shares', 5, { spec, container: never }));
      await waitFor('the rollout to stand still', async () => {
        const pods = (await listPods(cluster, 'app=shares')).filter((p) => p.metadata.deletionTimestamp === undefined);
        return pods.length === 7 && pods.filter((p) => versionOf(p) === 'two').length === 3;
      });
    });
    expect(most).toBe(7);
    expect(fewest).toBe(4);
    await apply(cluster, sleepers('shares', 5, { spec, container: version('three') }));
    await finish('shares');
  });

  test('a paused Deployment scales but does not roll until it is resumed', async () => {
    await apply(cluster, sleepers('paused', 2, { container: version('one') }));
    await waitReady(cluster, 'app=paused', 2);
    expect((await cluster.ok(['rollout', 'pause', 'deployment/paused'])).stdout).toBe(
      'deployment.apps/paused paused\n',
    );
    const again = await cluster.skiff(['rollout', 'pause', 'deployment/paused']);
    expect(again).toMatchObject({ code: 1, stderr: 'error: deployments.apps "paused" is already paused\n' });
    await apply(cluster, sleepers('paused', 3, { container: version('two') }));
    await waitReady(cluster, 'app=paused', 3);
    await becomes('paused', ['one', 'one', 'one']);
    expect(await replicaSets('paused')).toHaveLength(1);
    expect((await cluster.skiff(['rollout', 'undo', 'deployment/paused'])).stderr).toContain(
      'you cannot rollback a paused deployment',
    );
    expect((await cluster.ok(['rollout', 'resume', 'deployment/paused'])).stdout).toBe(
      'deployment.apps/paused resumed\n',
    );
    await finish('paused');
    await becomes('paused', ['two', 'two', 'two']);
  });

  test('a rollout that gets nowhere is reported, with exit code 1, and the old pods stay', async () => {
    const stuck = { readinessProbe: { exec: { command: ['false'] }, periodSeconds: 1 } };
    await apply(cluster, sleepers('stuck', 2, { spec: { progressDeadlineSeconds: 600 } }));
    await waitReady(cluster, 'app=stuck', 2);
    await apply(cluster, sleepers('stuck', 2, { spec: { progressDeadlineSeconds: 2 }, container: stuck }));
    const result = await cluster.skiff(['rollout', 'status', 'deployment/stuck', '--timeout=60s']);
    expect(result.code).toBe(1);
    expect(result.stderr).toBe('error: deployment "stuck" exceeded its progress deadline\n');
    const progressing = (await deployment('stuck')).status.conditions?.find((c) => c.type === 'Progressing');
    expect(progressing).toMatchObject({ status: 'False', reason: 'ProgressDeadlineExceeded' });
    const pods = await listPods(cluster, 'app=stuck');
    expect(pods.filter(isReady)).toHaveLength(2);
  });

  test('a change during a rollout takes over: the half-way version goes', async () => {
    await apply(cluster, sleepers('over', 2, { container: version('one') }));
    await waitReady(cluster, 'app=over', 2);
    const never = { ...version('two'), image: 'nothing.local/none:1', imagePullPolicy: 'Never' };
    await apply(cluster, sleepers('over', 2, { container: never }));
    await waitFor('the second version to be on its way', async () => (await versions('over')).includes('two'));
    await apply(cluster, sleepers('over', 2, { container: version('three') }));
    await finish('over');
    await becomes('over', ['three', 'three']);
    const sets = await replicaSets('over');
    expect(sets.map(({ spec }) => spec.replicas).sort((a, b) => a - b)).toEqual([0, 0, 2]);
  });

  test('history, a single revision, undo to it, and no more revisions kept than the limit', async () => {
    const limit = { revisionHistoryLimit: 2 };
    for (const value of ['one', 'two', 'three', 'four']) {
      await apply(cluster, sleepers('past', 1, { spec: { ...limit, ...rolling(1, 1) }, container: version(value) }));
      await finish('past');
    }
    const history = (): Promise<string> =>
      cluster.ok(['rollout', 'history', 'deployment/past']).then(({ stdout }) => stdout);
    await waitFor('the first revision to be forgotten', async () => !/^1 /m.test(await history()));
    expect(await history()).toMatch(
      /^deployment\.apps\/past\s+REVISION\s+CHANGE-CAUSE\n2 +<none>\n3 +<none>\n4 +<none>/,
    );
    const third = (await cluster.ok(['rollout', 'history', 'deployment/past', '--revision=3'])).stdout;
    expect(third).toMatch(/^deployment\.apps\/past with revision #3\n/);
    expect(third).toMatch(/VERSION: +three/);
    const gone = await cluster.skiff(['rollout', 'undo', 'deployment/past', '--to-revision=1']);
    expect(gone.code).toBe(1);
    expect(gone.stderr).toContain('unable to find specified revision 1 in the history');
    await cluster.ok(['rollout', 'undo', 'deployment/past', '--to-revision=2']);
    await finish('past');
    await becomes('past', ['two']);
    expect(await history()).toMatch(/\n3 +<none>\n4 +<none>\n5 +<none>/);
  });

  test('scaling during a rollout ends with all pods new and as many as asked for last', async () => {
    const spec = { ...rolling(1, 0), minReadySeconds: 1 };
    await apply(cluster, sleepers('growing', 2, { spec, container: version('one') }));
    await waitReady(cluster, 'app=growing', 2);
    await apply(cluster, sleepers('growing', 2, { spec, container: version('two') }));
    await waitFor('the rollout to have begun', async () => ((await deployment('growing')).status.replicas ?? 0) > 2);
    await cluster.ok(['scale', 'deployment/growing', '--replicas=5']);
    await finish('growing');
    await becomes('growing', ['two', 'two', 'two', 'two', 'two']);
    expect((await deployment('growing')).spec.replicas).toBe(5);
  });

  test('restart replaces every pod, and status without following tells the state', async () => {
    await apply(cluster, sleepers('again', 2));
    const before = new Set((await waitReady(cluster, 'app=again', 2)).map((p) => p.metadata.uid));
    expect((await cluster.ok(['rollout', 'restart', 'deployment/again'])).stdout).toBe(
      'deployment.apps/again restarted\n',
    );
    await finish('again');
    const after = (await waitReady(cluster, 'app=again', 2)).map((p) => p.metadata.uid);
    expect(after.some((uid) => before.has(uid))).toBe(false);
    expect((await cluster.ok(['rollout', 'status', 'deployment/again', '--no-watch'])).stdout).toBe(
      'deployment "again" successfully rolled out\n',
    );
    expect((await cluster.skiff(['rollout', 'status', 'deployment/none'])).stderr).toContain(
      'deployments.apps "none" not found',
    );
  });
});
