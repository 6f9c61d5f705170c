/** A node closed, opened, tainted, labelled and emptied. One after the other: there is one node. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { clusterUnavailable, TestCluster } from '../harness/cluster.ts';
import { loadBusybox } from '../harness/images.ts';
import { apply, busyboxPod, sleepers, waitReady } from '../harness/objects.ts';
import { PodBoard } from '../harness/pods.ts';
import { waitFor } from '../harness/wait.ts';

const reason = clusterUnavailable();

describe.skipIf(reason !== undefined)(`a node in maintenance${reason ? ` (skipped: ${reason})` : ''}`, () => {
  let cluster: TestCluster;
  let board: PodBoard;

  beforeAll(async () => {
    cluster = await TestCluster.start({ upArgs: ['--agent-option=--node-labels=zone=attic'] });
    board = new PodBoard(cluster);
    await loadBusybox(cluster);
  });
  afterAll(() => cluster?.stop());

  /** Why the scheduler finds no node for the pod. */
  async function unschedulable(name: string): Promise<string> {
    const { status } = await board.until(name, 'be unschedulable', (pod) =>
      (pod.status.conditions ?? []).some((c) => c.type === 'PodScheduled' && c.reason === 'Unschedulable'),
    );
    expect(status.phase).toBe('Pending');
    return status.conditions?.find((c) => c.type === 'PodScheduled')?.message ?? '';
  }

  const gone = (name: string): Promise<unknown> =>
    waitFor(`pod ${name} to go`, async () => (await cluster.skiff(['get', 'pod', name])).code !== 0);

  test('a pod waits for a node with the label it asks for, and runs once there is one', async () => {
    await apply(cluster, busyboxPod('in-attic', 'sleep 1000', { spec: { nodeSelector: { zone: 'attic' } } }));
    await apply(cluster, busyboxPod('wants-ssd', 'sleep 1000', { spec: { nodeSelector: { disk: 'ssd' } } }));
    await board.running('in-attic');
    expect(await unschedulable('wants-ssd')).toMatch(
      /^0\/1 nodes are available: 1 node\(s\) didn't match Pod's node affinity\/selector\./,
    );
    const { message } = await board.event('wants-ssd', 'FailedScheduling');
    expect(message).toContain("didn't match Pod's node affinity/selector");
    expect((await cluster.ok(['label', 'node', 'node-1', 'disk=ssd'])).stdout).toBe('node/node-1 labeled\n');
    await board.running('wants-ssd');
    expect((await cluster.ok(['get', 'nodes', '-l', 'disk=ssd', '-o', 'name'])).stdout).toBe('node/node-1\n');
    await cluster.ok(['delete', 'pod', 'in-attic', 'wants-ssd']);
  });

  test('a cordoned node takes no new pod and keeps its own', async () => {
    await apply(cluster, busyboxPod('stays', 'sleep 1000'));
    await board.running('stays');
    expect((await cluster.ok(['cordon', 'node-1'])).stdout).toBe('node/node-1 cordoned\n');
    expect((await cluster.ok(['get', 'nodes'])).stdout).toMatch(/node-1 +Ready,SchedulingDisabled/);
    await apply(cluster, busyboxPod('waits', 'sleep 1000'));
    expect(await unschedulable('waits')).toMatch(/^0\/1 nodes are available: 1 node\(s\) were unschedulable\./);
    expect((await cluster.ok(['get', 'pod', 'waits'])).stdout).toMatch(/waits +0\/1 +Pending +0 /);
    expect((await board.pod('stays')).status.phase).toBe('Running');
    expect((await cluster.ok(['uncordon', 'node-1'])).stdout).toBe('node/node-1 uncordoned\n');
    await board.running('waits');
    await cluster.ok(['delete', 'pod', 'stays', 'waits']);
  });

  test('a NoSchedule taint keeps away what does not tolerate it', async () => {
    await cluster.ok(['taint', 'nodes', 'node-1', 'dedicated=db:NoSchedule']);
    const tolerations = [{ key: 'dedicated', operator: 'Equal', value: 'db', effect: 'NoSchedule' }];
    await apply(cluster, busyboxPod('tolerates', 'sleep 1000', { spec: { tolerations } }));
    await apply(cluster, busyboxPod('shuns', 'sleep 1000'));
    await board.running('tolerates');
    expect(await unschedulable('shuns')).toMatch(
      /^0\/1 nodes are available: 1 node\(s\) had untolerated taint \{dedicated: db\}\./,
    );
    await cluster.ok(['taint', 'nodes', 'node-1', 'dedicated-']);
    await board.running('shuns');
    await cluster.ok(['delete', 'pod', 'tolerates', 'shuns']);
  });

  test('a NoExecute taint evicts: at once, after the time tolerated, or never', async () => {
    const tolerate = (extra: object): object => ({
      spec: { tolerations: [{ key: 'fire', operator: 'Exists', effect: 'NoExecute', ...extra }] },
    });
    await apply(cluster, busyboxPod('leaves', 'sleep 1000'));
    await apply(cluster, busyboxPod('lingers', 'sleep 1000', tolerate({ tolerationSeconds: 6 })));
    await apply(cluster, busyboxPod('remains', 'sleep 1000', tolerate({})));
    for (const name of ['leaves', 'lingers', 'remains']) await board.running(name);
    await cluster.ok(['taint', 'nodes', 'node-1', 'fire=yes:NoExecute']);
    const tainted = Date.now();
    await board.event('leaves', 'TaintManagerEviction', /^Marking for deletion Pod default\/leaves$/);
    await gone('leaves');
    expect((await board.pod('lingers')).status.phase).toBe('Running');
    await gone('lingers');
    expect(Date.now() - tainted).toBeGreaterThan(5500);
    expect((await board.pod('remains')).metadata.deletionTimestamp).toBeUndefined();
    await cluster.ok(['taint', 'nodes', 'node-1', 'fire:NoExecute-']);
    await cluster.ok(['delete', 'pod', 'remains']);
  });

  test('drain refuses what would be lost, naming it, then moves the rest away', async () => {
    await apply(cluster, busyboxPod('bare', 'sleep 1000'));
    await apply(cluster, sleepers('owned', 2));
    const volumes = { volumes: [{ name: 'v', emptyDir: {} }] };
    await apply(cluster, sleepers('local', 1, { podSpec: volumes }));
    await waitReady(cluster, 'app=owned', 2);
    const [local] = await waitReady(cluster, 'app=local', 1);
    await board.running('bare');
    const drain = (...args: string[]) => cluster.skiff(['drain', 'node-1', '--timeout=40s', ...args]);

    const refused = await drain();
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain(
      'cannot delete Pods that declare no controller (use --force to override): default/bare',
    );
    expect(refused.stderr).toContain(
      `cannot delete Pods with local storage (use --delete-emptydir-data to override): default/${local?.metadata.name}`,
    );
    expect((await board.pod('bare')).metadata.deletionTimestamp).toBeUndefined();
    expect((await cluster.ok(['get', 'nodes'])).stdout).toContain('SchedulingDisabled');

    const drained = await drain('--force', '--delete-emptydir-data', '--ignore-daemonsets');
    expect(drained.stderr).toMatch(/Warning: deleting Pods that declare no controller: default\/bare\n/);
    expect(drained.code, drained.stderr).toBe(0);
    expect(drained.stdout).toMatch(/^node\/node-1 already cordoned\n/);
    expect(drained.stdout).toContain('evicting pod default/bare\n');
    expect(drained.stdout).toContain('pod/bare evicted\n');
    expect(drained.stdout).toMatch(/node\/node-1 drained\n$/);
    expect((await cluster.skiff(['get', 'pod', 'bare'])).stderr).toContain('pods "bare" not found');
    const waiting = await cluster.json<{ items: { status: { phase: string } }[] }>('pods', '-l', 'app=owned');
    expect(waiting.items.map(({ status }) => status.phase)).toEqual(['Pending', 'Pending']);
    await cluster.ok(['uncordon', 'node-1']);
    await waitReady(cluster, 'app=owned', 2);
  });

  test('describe node shows what it is, has and runs', async () => {
    const resources = { requests: { cpu: '150m', memory: '48Mi' }, limits: { memory: '96Mi' } };
    await apply(cluster, busyboxPod('counted', 'sleep 1000', { container: { resources } }));
    await board.running('counted');
    const text = (await cluster.ok(['describe', 'node', 'node-1'])).stdout;
    expect(text).toMatch(/^Name: +node-1$/m);
    expect(text).toContain('zone=attic');
    expect(text).toContain('kubernetes.io/hostname=node-1');
    expect(text).toMatch(/^Unschedulable: +false$/m);
    expect(text).toMatch(/^ +Ready +True .*KubeletReady/m);
    expect(text).toMatch(/containerRuntimeVersion: crun:\/\/\d/);
    expect(text).toMatch(/^ +default +counted +150m +0 +48Mi +96Mi/m);
    const node = await cluster.json<{
      status: { capacity: Record<string, string>; allocatable: Record<string, string> };
    }>('node', 'node-1');
    expect(Object.keys(node.status.capacity)).toEqual(expect.arrayContaining(['cpu', 'memory', 'pods']));
    expect(node.status.allocatable.pods).toBe('110');
  });

  test('after down and up the pods run again, counted as restarts, and what had finished stays finished', async () => {
    await apply(cluster, busyboxPod('survivor', 'echo run; sleep 1000'));
    await apply(cluster, busyboxPod('over', 'true', { spec: { restartPolicy: 'Never' } }));
    await board.running('survivor');
    const before = await board.finished('over');
    await cluster.down();
    await cluster.up();
    const { status } = await board.restarted('survivor');
    expect(status.containerStatuses?.[0]?.restartCount).toBe(1);
    await board.running('survivor');
    expect((await cluster.ok(['logs', 'survivor'])).stdout).toBe('run\n');
    expect((await board.pod('over')).status).toMatchObject({
      phase: 'Succeeded',
      podIP: before.status.podIP,
      containerStatuses: [{ restartCount: 0 }],
    });
    const { code, stderr } = await cluster.skiff(['logs', 'over']);
    expect(code).toBe(1);
    expect(stderr).toContain('unable to retrieve the logs of container "main" in pod "over": they are gone');
  });
});
