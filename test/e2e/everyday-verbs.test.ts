/** Verbs that make, change and wait for real pods. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { clusterUnavailable, TestCluster } from '../harness/cluster.ts';
import { loadBusybox } from '../harness/images.ts';

const reason = clusterUnavailable();

describe.skipIf(reason !== undefined)(`everyday verbs${reason ? ` (skipped: ${reason})` : ''}`, () => {
  let cluster: TestCluster;

  beforeAll(async () => {
    cluster = await TestCluster.start();
    await loadBusybox(cluster);
  });
  afterAll(() => cluster?.stop());

  const printed = async (...args: string[]): Promise<string> => (await cluster.ok(args)).stdout;

  test('run a pod, wait until it is ready, delete it and wait until it is gone', async () => {
    const run = ['run', 'one', '--image=busybox:1.36', '--env=GREETING=hello'];
    expect(await printed(...run, '--command', '--', 'sh', '-c', 'echo $GREETING; exec sleep 3600')).toBe(
      'pod/one created\n',
    );
    expect(await printed('wait', '--for=condition=Ready', 'pod/one', '--timeout=60s')).toBe('pod/one condition met\n');
    expect(await printed('logs', 'one')).toBe('hello\n');
    const gone = cluster.ok(['wait', '--for=delete', 'pod/one', '--timeout=60s']);
    expect(await printed('delete', 'pod', 'one', '--now')).toBe('pod "one" deleted\n');
    await gone;
    expect(await printed('get', 'pods', '-o', 'name')).toBe('');
  });

  test('a pod that runs a command once is waited for by a field', async () => {
    await printed('run', 'once', '--image=busybox:1.36', '--restart=Never', '--command', '--', 'date');
    expect(
      await printed('wait', '--for=jsonpath={.status.phase}=Succeeded', 'pod', '-l', 'run=once', '--timeout=60s'),
    ).toBe('pod/once condition met\n');
  });

  test('a deployment made from arguments is scaled, patched and waited for', async () => {
    const create = ['create', 'deployment', 'web', '--image=busybox:1.36', '--port=8080'];
    expect(await printed(...create, '--', 'sleep', '3600')).toBe('deployment.apps/web created\n');
    await printed('wait', '--for=condition=Available', 'deploy/web', '--timeout=60s');
    expect(await printed('scale', 'deploy/web', '--replicas=3', '--timeout=60s')).toBe('deployment.apps/web scaled\n');
    const patch = '{"spec":{"template":{"metadata":{"annotations":{"changed":"yes"}}}}}';
    expect(await printed('patch', 'deploy', 'web', '-p', patch)).toBe('deployment.apps/web patched\n');
    await printed('rollout', 'status', 'deploy/web', '--timeout=60s');
    expect(await printed('wait', 'deploy/web', '--for=jsonpath={.status.updatedReplicas}=3', '--timeout=30s')).toBe(
      'deployment.apps/web condition met\n',
    );
    expect(
      await printed('expose', 'deploy', 'web', '--port=80', '--dry-run=client', '-o', 'jsonpath={.spec.ports}'),
    ).toBe('[{"port":80,"protocol":"TCP","targetPort":80}]');
  });
});
