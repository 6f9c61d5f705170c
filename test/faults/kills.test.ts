import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isAlive, type ProcessRef, processRef, signalProcess } from '../../lib/process.ts';
import { clusterUnavailable, TestCluster } from '../harness/cluster.ts';
import { loadBusybox } from '../harness/images.ts';
import { apply, listPods, type PodJson, sleepers, waitReady } from '../harness/objects.ts';
import { cgroupRoot } from '../harness/traces.ts';
import { waitFor } from '../harness/wait.ts';

const reason = clusterUnavailable();
const PODS = 20;
/** Kills of each program; ten with SKIFF_KILL_ROUNDS=10, as a soak. */
const ROUNDS = Number(process.env.SKIFF_KILL_ROUNDS ?? 3);

describe.skipIf(reason !== undefined)(
  `nothing is lost when a part is killed${reason ? ` (skipped: ${reason})` : ''}`,
  () => {
    let cluster: TestCluster;

    beforeAll(async () => {
      cluster = await TestCluster.start();
      await loadBusybox(cluster);
      await apply(cluster, sleepers('steady', PODS));
      await waitReady(cluster, 'app=steady', PODS);
    });
    afterAll(() => cluster?.stop());

    /** Pids of the containers' first processes, with start times, found from outside through the pods' cgroups. */
    function containerProcesses(): string[] {
      const out = execFileSync(
        'sh',
        ['-c', `grep -l '/${cgroupRoot(cluster.run)}/' /proc/[0-9]*/cgroup 2>/dev/null || true`],
        { encoding: 'utf8' },
      );
      const refs: string[] = [];
      for (const file of out.split('\n').filter(Boolean)) {
        const pid = Number(file.split('/')[2]);
        const ref = processRef(pid);
        if (ref !== null && commandOf(pid).startsWith('sh -c trap')) refs.push(`${ref.pid}@${ref.startTime}`);
      }
      return refs.sort();
    }

    function commandOf(pid: number): string {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
      } catch {
        return '';
      }
    }

    const restarts = (pods: readonly PodJson[]): number[] =>
      pods.flatMap((p) => (p.status.containerStatuses ?? []).map((c) => c.restartCount));

    function etcd(): ProcessRef | undefined {
      const out = execFileSync('sh', ['-c', `grep -l '^etcd$' /proc/[0-9]*/comm 2>/dev/null || true`], {
        encoding: 'utf8',
      });
      const pid = out
        .split('\n')
        .filter(Boolean)
        .map((f) => Number(f.split('/')[2]))
        .find((p) => commandOf(p).includes(cluster.run.dir));
      return pid === undefined ? undefined : (processRef(pid) ?? undefined);
    }

    async function kill(find: () => ProcessRef | undefined): Promise<void> {
      const victim = await waitFor('the process to kill', find);
      expect(signalProcess(victim, 'SIGKILL')).toBe(true);
      await waitFor('a new process in its place', () => {
        const now = find();
        return !isAlive(victim) && now !== undefined && now.pid !== victim.pid;
      });
    }

    const victims: readonly [string, () => ProcessRef | undefined][] = [
      ['agent', () => cluster.process('agent')],
      ['server', () => cluster.process('server')],
      ['etcd', etcd],
    ];

    test.each(victims)(
      `SIGKILL of the %s ten times: same processes, no restart, writes kept`,
      async (name, find) => {
        const before = containerProcesses();
        expect(before).toHaveLength(PODS);
        for (let round = 0; round < ROUNDS; round++) {
          const marker = `kept-${name}-${round}`;
          await apply(
            cluster,
            JSON.stringify({
              apiVersion: 'v1',
              kind: 'ConfigMap',
              metadata: { name: marker },
              data: { round: String(round) },
            }),
          );
          await kill(find);
          await waitFor(
            `the cluster to answer after kill ${round + 1} of the ${name}`,
            async () => (await cluster.skiff(['get', 'configmap', marker])).code === 0,
          );
        }
        const pods = await waitReady(cluster, 'app=steady', PODS);
        expect(restarts(pods)).toEqual(Array.from({ length: PODS }, () => 0));
        expect(containerProcesses()).toEqual(before);
        const maps = await cluster.json<{ items: { metadata: { name: string } }[] }>('configmaps');
        expect(maps.items.filter((m) => m.metadata.name.startsWith(`kept-${name}-`))).toHaveLength(ROUNDS);
        // The cluster still does new work.
        await apply(cluster, sleepers(`after-${name}`, 2));
        await waitReady(cluster, `app=after-${name}`, 2);
        await cluster.ok(['delete', 'deployment', `after-${name}`]);
        await waitFor('the new pods to go', async () => (await listPods(cluster, `app=after-${name}`)).length === 0);
      },
      300_000,
    );

    test('a container killed from outside is running again within a second, and counted', async () => {
      const [first] = containerProcesses();
      const pid = Number(first?.split('@')[0]);
      const ref = processRef(pid);
      expect(ref).not.toBeNull();
      const killed = Date.now();
      if (ref !== null) signalProcess(ref, 'SIGKILL');
      await waitFor(
        'a new process',
        () => containerProcesses().length === PODS && !containerProcesses().includes(first ?? ''),
        { timeoutMs: 5000, everyMs: 10 },
      );
      expect(Date.now() - killed).toBeLessThan(1000);
      await waitFor(
        'the restart to be counted',
        async () => restarts(await listPods(cluster, 'app=steady')).reduce((a, b) => a + b, 0) === 1,
      );
      await waitReady(cluster, 'app=steady', PODS);
    });
  },
);
