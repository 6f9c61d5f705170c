import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { KINDS } from '../../proto/index.ts';
import { CliUnderTest, masked } from '../../test/harness/cli-under-test.ts';

let cli: CliUnderTest;

beforeAll(async () => {
  cli = await CliUnderTest.start();
});
afterAll(() => cli.stop());

beforeEach(async () => {
  await cli.run(['delete', 'nodes', '--all']);
  await cli.run(['delete', 'pods', '--all', '--force', '--grace-period=0']);
  await cli.apply({ apiVersion: 'v1', kind: 'Node', metadata: { name: 'n1', labels: { rack: 'a' } } });
});

const pod = (name: string, more: object = {}, owner?: string): object => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: {
    name,
    ...(owner === undefined
      ? {}
      : { ownerReferences: [{ apiVersion: 'apps/v1', kind: owner, name: 'o', uid: 'a-uid', controller: true }] }),
  },
  spec: { nodeName: 'n1', containers: [{ name: 'c', image: 'busybox' }], ...more },
});

test('cordon and uncordon say what they did, and when there was nothing to do', async () => {
  expect(await cli.ok('cordon', 'n1', '--dry-run=server')).toBe('node/n1 cordoned (server dry run)\n');
  expect(await cli.ok('cordon', 'n1')).toBe('node/n1 cordoned\n');
  expect(await cli.ok('cordon', '-l', 'rack=a')).toBe('node/n1 already cordoned\n');
  expect(masked(await cli.ok('get', 'node', 'n1', '--no-headers'))).toContain('SchedulingDisabled');
  expect(await cli.ok('uncordon', 'node/n1')).toBe('node/n1 uncordoned\n');
  expect(await cli.ok('uncordon', 'n1')).toBe('node/n1 already uncordoned\n');
  expect((await cli.run(['cordon', 'nope'])).stderr).toBe('Error from server (NotFound): nodes "nope" not found\n');
});

test('taints are set, changed and removed', async () => {
  const taints = async (): Promise<unknown> =>
    JSON.parse((await cli.ok('get', 'node', 'n1', '-o', 'jsonpath={.spec.taints}')) || '[]');
  expect(await cli.ok('taint', 'nodes', 'n1', 'dedicated=db:NoSchedule', 'slow:PreferNoSchedule')).toBe(
    'node/n1 tainted\n',
  );
  expect(await taints()).toEqual([
    { key: 'dedicated', value: 'db', effect: 'NoSchedule' },
    { key: 'slow', effect: 'PreferNoSchedule' },
  ]);
  expect((await cli.run(['taint', 'node', 'n1', 'dedicated=web:NoSchedule'])).stderr).toBe(
    'error: node n1 already has dedicated taint(s) with same effect(s) and --overwrite is false\n',
  );
  expect(await cli.ok('taint', 'node', 'n1', 'dedicated=web:NoSchedule', 'slow-', '--overwrite')).toBe(
    'node/n1 modified\n',
  );
  expect(await taints()).toEqual([{ key: 'dedicated', value: 'web', effect: 'NoSchedule' }]);
  expect(await cli.ok('taint', 'node', 'n1', 'dedicated:NoSchedule-')).toBe('node/n1 untainted\n');
  expect((await cli.run(['taint', 'node', 'n1', 'dedicated-'])).stderr).toBe('error: taint "dedicated" not found\n');
  expect((await cli.run(['taint', 'node', 'n1', 'a=b:Never'])).stderr).toBe(
    'error: invalid taint effect: Never, unsupported taint effect (it must be NoSchedule, PreferNoSchedule, NoExecute)\n',
  );
  expect((await cli.run(['taint', 'node', 'n1'])).stderr).toBe(
    'error: at least one taint update is required, such as key=value:NoSchedule\n',
  );
});

describe('drain', () => {
  test('refuses what would be lost, naming the pods and the option', async () => {
    await cli.apply(
      pod('alone'),
      pod('keeper', {}, 'DaemonSet'),
      pod('data', { volumes: [{ name: 'v', emptyDir: {} }] }, 'ReplicaSet'),
    );
    const { code, stdout, stderr } = await cli.run(['drain', 'n1']);
    expect(code).toBe(1);
    expect(stdout).toBe('node/n1 cordoned\n');
    expect(stderr).toContain('There are pending nodes to be drained:\n n1\n');
    expect(stderr).toContain('cannot delete Pods that declare no controller (use --force to override): default/alone');
    expect(stderr).toContain(
      'cannot delete DaemonSet-managed Pods (use --ignore-daemonsets to ignore): default/keeper',
    );
    expect(stderr).toContain(
      'cannot delete Pods with local storage (use --delete-emptydir-data to override): default/data',
    );
    expect(await cli.ok('get', 'pods', '-o', 'name')).toBe('pod/alone\npod/data\npod/keeper\n');
  });

  test('evicts and waits until the pods are gone', async () => {
    await cli.apply(pod('web', { terminationGracePeriodSeconds: 0 }, 'ReplicaSet'), pod('keeper', {}, 'DaemonSet'));
    const result = await cli.run(['drain', 'n1', '--ignore-daemonsets', '--grace-period=0', '--timeout=10s']);
    expect(result).toEqual({
      code: 0,
      stdout: 'node/n1 cordoned\nevicting pod default/web\npod/web evicted\nnode/n1 drained\n',
      stderr: 'Warning: ignoring DaemonSet-managed Pods: default/keeper\n',
    });
    expect(await cli.ok('get', 'pods', '-o', 'name')).toBe('pod/keeper\n');
  });

  test('asks again when a disruption budget refuses', async () => {
    await cli.apply(pod('web', { terminationGracePeriodSeconds: 0 }, 'ReplicaSet'));
    const at = { namespace: 'default', name: 'web' };
    const web = await cli.system.get(KINDS.Pod, at);
    const running = { ...web.status, phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] };
    await cli.system.update(KINDS.Pod, { ...web, status: running }, { subresource: 'status' });
    const budget = await cli.system.create(KINDS.PodDisruptionBudget, {
      metadata: { name: 'keep', namespace: 'default' },
      spec: { minAvailable: '1', selector: {} },
    });
    const counted = { observedGeneration: 1, currentHealthy: 1, desiredHealthy: 1, expectedPods: 1 };
    const allow = (disruptionsAllowed: number) =>
      cli.system.update(
        KINDS.PodDisruptionBudget,
        {
          ...budget,
          metadata: { ...budget.metadata, resourceVersion: '' },
          status: { ...counted, disruptionsAllowed },
        },
        { subresource: 'status' },
      );
    await allow(0);
    let allowed: Promise<unknown> | undefined;
    const result = await cli.run(['drain', 'n1', '--timeout=20s'], {
      onOutput: (all) => {
        if (all.includes('will retry after 5s')) allowed ??= allow(1);
      },
    });
    await allowed;
    expect(result).toEqual({
      code: 0,
      stdout: 'node/n1 cordoned\nevicting pod default/web\npod/web evicted\nnode/n1 drained\n',
      stderr:
        'error when evicting pods/"web" -n "default" (will retry after 5s): ' +
        "Cannot evict pod as it would violate the pod's disruption budget.\n",
    });
    const { status } = await cli.system.get(KINDS.PodDisruptionBudget, { ...at, name: 'keep' });
    expect(status?.disruptionsAllowed ?? 0).toBe(0);
    expect(Object.keys(status?.disruptedPods ?? {})).toEqual(['web']);
  });

  test('gives up after its time', async () => {
    await cli.apply(pod('slow', {}, 'ReplicaSet'));
    const result = await cli.run(['drain', 'n1', '--timeout=200ms']);
    expect(result.code).toBe(1);
    expect(result.stderr).toContain('error: timed out draining; the nodes stay cordoned\n');
  });
});

test('describing a node adds up what its pods ask for', async () => {
  const resources = { requests: { cpu: '250m', memory: '64Mi' }, limits: { memory: '128Mi' } };
  await cli.apply(pod('p', { containers: [{ name: 'c', image: 'busybox', resources }] }));
  await cli.patchStatus('nodes', 'n1', {
    allocatable: { cpu: '2', memory: '1Gi', pods: '110' },
    capacity: { cpu: '2', memory: '1Gi', pods: '110' },
    conditions: [{ type: 'Ready', status: 'True', reason: 'KubeletReady', message: 'the agent is ready' }],
    addresses: [{ type: 'InternalIP', address: '10.0.0.7' }],
  });
  expect(masked(await cli.ok('describe', 'node', 'n1'))).toContain(`Taints:             <none>
Unschedulable:      false
PodCIDR:            10.42.0.0/24
Addresses:          InternalIP: 10.0.0.7
Capacity:           cpu: 2
                    memory: 1Gi
                    pods: 110
Allocatable:        cpu: 2
                    memory: 1Gi
                    pods: 110
System Info:        <none>
Conditions:
  Type   Status  Reason        Message
  Ready  True    KubeletReady  the agent is ready
Pods (1 in total):
  Namespace  Name  CPU Requests  CPU Limits  Memory Requests  Memory Limits  Age
  default    p     250m          0           64Mi             128Mi          Ns
Allocated resources:
  Resource  Requests    Limits
  cpu       250m (12%)  0 (0%)
  memory    64Mi (6%)   128Mi (12%)
Events:  <none>
`);
});
