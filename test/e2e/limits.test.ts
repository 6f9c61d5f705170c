import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { clusterUnavailable, TestCluster } from '../harness/cluster.ts';
import { loadBusybox } from '../harness/images.ts';
import { apply, busyboxPod, type PodJson } from '../harness/objects.ts';
import { waitFor } from '../harness/wait.ts';

const reason = clusterUnavailable();

describe.skipIf(reason !== undefined)(`limits and isolation are real${reason ? ` (skipped: ${reason})` : ''}`, () => {
  let cluster: TestCluster;

  beforeAll(async () => {
    cluster = await TestCluster.start();
    await loadBusybox(cluster);
  });
  afterAll(() => cluster?.stop());

  const pod = (name: string): Promise<PodJson> => cluster.json<PodJson>('pod', name);
  const finished = (name: string): Promise<PodJson> =>
    waitFor(`pod ${name} to finish`, async () => {
      const p = await pod(name);
      return ['Succeeded', 'Failed'].includes(p.status.phase) ? p : undefined;
    });

  test('a container over its memory limit is OOMKilled with exit code 137', async () => {
    const script = 'exec dd if=/dev/zero of=/dev/null bs=300M count=1';
    const container = { resources: { limits: { memory: '32Mi' } } };
    await apply(cluster, busyboxPod('hog', script, { container, spec: { restartPolicy: 'Never' } }));
    const status = (await finished('hog')).status.containerStatuses?.[0];
    expect(status?.state.terminated).toMatchObject({ exitCode: 137, reason: 'OOMKilled' });
    const table = (await cluster.ok(['get', 'pod', 'hog'])).stdout;
    expect(table).toContain('OOMKilled');
  });

  test('a fork bomb stops at the pids limit and its pod can be deleted', async () => {
    await apply(cluster, busyboxPod('bomb', 'b() { b | b & }; b; sleep 1000', { spec: { restartPolicy: 'Never' } }));
    await apply(cluster, busyboxPod('neighbour', 'echo alive; sleep 1000'));
    await waitFor('the neighbour to answer', async () =>
      (await cluster.skiff(['logs', 'neighbour'])).stdout.includes('alive'),
    );
    await cluster.ok(['delete', 'pod', 'bomb', '--grace-period=0', '--force'], { timeoutMs: 60_000 });
    await waitFor('the bomb to be gone', async () => (await cluster.skiff(['get', 'pod', 'bomb'])).code !== 0);
    expect((await cluster.ok(['exec', 'neighbour', '--', 'echo', 'still', 'here'])).stdout).toBe('still here\n');
  });

  test('a busy loop limited to 100m uses about a tenth of a core', async () => {
    const container = { resources: { limits: { cpu: '100m' } } };
    await apply(cluster, busyboxPod('loop', 'while :; do :; done', { container }));
    await waitFor('the loop to run', async () => (await pod('loop')).status.phase === 'Running');
    const ticks = async (): Promise<number> => {
      const { stdout } = await cluster.ok(['exec', 'loop', '--', 'cat', '/proc/1/stat']);
      const fields = stdout.split(' ');
      return Number(fields[13]) + Number(fields[14]);
    };
    const started = Date.now();
    const before = await ticks();
    const seconds = await waitFor('five seconds of running', () => {
      const passed = (Date.now() - started) / 1000;
      return passed >= 5 ? passed : undefined;
    });
    const share = ((await ticks()) - before) / 100 / seconds;
    expect(share).toBeGreaterThan(0.04);
    expect(share).toBeLessThan(0.16);
  });

  test('a container sees only its own processes, host name, mounts and network', async () => {
    await apply(cluster, busyboxPod('alone', 'sleep 1000'));
    await waitFor('the pod to run', async () => (await pod('alone')).status.phase === 'Running');
    const inside = async (...argv: string[]): Promise<string> =>
      (await cluster.ok(['exec', 'alone', '--', ...argv])).stdout;
    const processes = (await inside('ps', '-o', 'pid,args')).trim().split('\n').slice(1);
    expect(processes.length).toBeLessThanOrEqual(2);
    expect(processes[0]).toMatch(/^\s*1 sleep 1000/);
    expect((await inside('hostname')).trim()).toBe('alone');
    expect(await inside('cat', '/proc/mounts')).not.toContain(cluster.run.dir);
    const links = (await inside('ls', '/sys/class/net')).trim().split(/\s+/).sort();
    expect(links).toEqual(['eth0', 'lo']);
    const ip = (await pod('alone')).status.podIP ?? '';
    expect(await inside('ip', '-4', 'addr', 'show', 'eth0')).toContain(`${ip}/`);
  });

  test('secure defaults are on: 14 capabilities, a seccomp filter, masked kernel files', async () => {
    const script =
      'grep -E "Cap(Bnd|Inh)|Seccomp:" /proc/self/status; wc -c < /proc/timer_list; echo 1 > /proc/sys/kernel/panic';
    const { stdout, stderr } = await cluster.skiff(['exec', 'alone', '--', 'sh', '-c', script]);
    expect(stdout).toContain('CapBnd:\t00000000a80425fb');
    expect(stdout).toContain('CapInh:\t0000000000000000');
    expect(stdout).toContain('Seccomp:\t2');
    expect(stdout.trim().split('\n').at(-1)).toBe('0');
    expect(stderr).toContain('Read-only file system');
  });
});
