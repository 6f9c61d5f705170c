import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { nodeLifecycleController } from '../../control-plane/controllers/node-lifecycle/node-lifecycle.ts';
import { podGarbageCollector } from '../../control-plane/controllers/pod-garbage/pod-garbage.ts';
import { taintEvictionController } from '../../control-plane/controllers/taint-eviction/taint-eviction.ts';
import { rfc3339, rfc3339Micro } from '../../lib/clock.ts';
import { type corev1, KINDS } from '../../proto/index.ts';
import { isReady, readyNode, SimulatedCluster } from './controllers-harness.ts';

const LEASES = 'kube-node-lease';

describe('node controllers', () => {
  let cluster: SimulatedCluster;
  /** Nodes whose agents live. */
  let alive: Set<string>;

  beforeEach(async () => {
    cluster = new SimulatedCluster({
      controllers: [nodeLifecycleController, taintEvictionController, podGarbageCollector],
    });
    alive = new Set();
    await cluster.start({ kubelet: false });
  });
  afterEach(() => cluster.stop());

  const now = (): string => rfc3339(cluster.clock.now());
  const renewTime = (): string => rfc3339Micro(cluster.clock.now());
  async function addNode(name: string): Promise<void> {
    alive.add(name);
    await cluster.client.create(KINDS.Node, readyNode(name, now()));
    await cluster.client.create(KINDS.Lease, {
      metadata: { name, namespace: LEASES },
      spec: { holderIdentity: name, renewTime: renewTime() },
    });
  }
  /** Lets time pass while living agents renew their leases every three seconds. */
  async function live(seconds: number): Promise<void> {
    for (let passed = 0; passed < seconds; passed += 1) {
      await cluster.clock.advance(1000);
      if (passed % 3 !== 0) continue;
      for (const name of alive) {
        await cluster.client.update(KINDS.Lease, {
          metadata: { name, namespace: LEASES },
          spec: { holderIdentity: name, renewTime: renewTime() },
        });
      }
    }
    await cluster.clock.advance(0);
  }
  const node = (name: string): corev1.Node => {
    const found = cluster.client.peek(KINDS.Node).find((n) => n.metadata?.name === name);
    if (found === undefined) throw new Error(`there is no node ${name}`);
    return found;
  };
  const taints = (name: string): string[] => (node(name).spec?.taints ?? []).map((t) => `${t.key}:${t.effect}`);
  const ready = (name: string) => node(name).status?.conditions?.find((c) => c.type === 'Ready');
  async function report(name: string, status: string): Promise<void> {
    const current = node(name);
    const condition = { type: 'Ready', status, lastHeartbeatTime: now(), lastTransitionTime: now() };
    await cluster.client.update(
      KINDS.Node,
      { ...current, status: { conditions: [condition] } },
      { subresource: 'status' },
    );
  }
  async function addPod(
    name: string,
    onNode: string,
    tolerationSeconds: number | 'forever' | 'none' = 5,
  ): Promise<void> {
    const keys = ['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable'];
    const tolerations = keys.map(
      (key): corev1.Toleration => ({
        key,
        operator: 'Exists',
        effect: 'NoExecute',
        ...(typeof tolerationSeconds === 'number' ? { tolerationSeconds } : {}),
      }),
    );
    const made = await cluster.client.create(KINDS.Pod, {
      metadata: { name, namespace: 'default' },
      spec: { nodeName: onNode, tolerations: tolerationSeconds === 'none' ? [] : tolerations },
    });
    const conditions = [{ type: 'Ready', status: 'True', lastTransitionTime: now() }];
    await cluster.client.update(
      KINDS.Pod,
      { ...made, status: { phase: 'Running', conditions } },
      { subresource: 'status' },
    );
  }
  const pod = (name: string): corev1.Pod | undefined => cluster.pods().find((p) => p.metadata?.name === name);
  const isGoing = (name: string): boolean => pod(name)?.metadata?.deletionTimestamp !== undefined;

  it('leaves living nodes alone', async () => {
    await addNode('n1');
    await addNode('n2');
    await addPod('a', 'n1');
    const version = node('n1').metadata?.resourceVersion;
    await live(60);
    expect([node('n1').metadata?.resourceVersion, isGoing('a')]).toEqual([version, false]);
  });

  it('finds a silent node unknown after its grace and evicts its pods after what they tolerate', async () => {
    await addNode('n1');
    await addNode('n2');
    await addPod('short', 'n2', 5);
    await addPod('long', 'n2', 60);
    await addPod('always', 'n2', 'forever');
    await addPod('elsewhere', 'n1', 5);
    alive.delete('n2');
    await live(9);
    expect(ready('n2')?.status).toBe('True');
    await live(3);
    expect(ready('n2')).toMatchObject({
      status: 'Unknown',
      reason: 'NodeStatusUnknown',
      message: 'Kubelet stopped posting node status.',
    });
    expect(taints('n2')).toEqual([
      'node.kubernetes.io/unreachable:NoSchedule',
      'node.kubernetes.io/unreachable:NoExecute',
    ]);
    expect(cluster.pods().map((p) => `${p.metadata?.name} ${isReady(p)}`)).toEqual([
      'short false',
      'long false',
      'always false',
      'elsewhere true',
    ]);
    expect(isGoing('short')).toBe(false);
    await live(5);
    expect(['short', 'long', 'always', 'elsewhere'].map(isGoing)).toEqual([true, false, false, false]);
    expect(pod('short')?.status?.conditions?.find((c) => c.type === 'DisruptionTarget')).toMatchObject({
      reason: 'DeletionByTaintManager',
    });
    await live(60);
    expect(['long', 'always', 'elsewhere'].map(isGoing)).toEqual([true, false, false]);
  });

  it('takes everything back when the node is heard again in time', async () => {
    await addNode('n1');
    await addNode('n2');
    await addPod('a', 'n2', 20);
    alive.delete('n2');
    await live(14);
    expect(taints('n2')).toContain('node.kubernetes.io/unreachable:NoExecute');
    alive.add('n2');
    await report('n2', 'True');
    await live(40);
    expect([taints('n2'), isGoing('a')]).toEqual([[], false]);
  });

  it('evicts nobody when all nodes are late', async () => {
    for (const name of ['n1', 'n2', 'n3']) await addNode(name);
    await addPod('a', 'n1', 0);
    alive.clear();
    await live(120);
    expect(['n1', 'n2', 'n3'].map((name) => ready(name)?.status)).toEqual(['Unknown', 'Unknown', 'Unknown']);
    expect(['n1', 'n2', 'n3'].flatMap(taints)).not.toContain('node.kubernetes.io/unreachable:NoExecute');
    expect([isGoing('a'), isReady(pod('a') ?? {})]).toEqual([false, true]);
  });

  it('evicts from the others when one of several late nodes comes back', async () => {
    for (const name of ['n1', 'n2']) await addNode(name);
    await addPod('a', 'n2', 5);
    alive.clear();
    await live(30);
    expect(isGoing('a')).toBe(false);
    alive.add('n1');
    await report('n1', 'True');
    await live(10);
    expect([taints('n1'), isGoing('a')]).toEqual([[], true]);
  });

  it('evicts nobody early after a restart of the server, however old the leases', async () => {
    await addNode('n1');
    await addNode('n2');
    await addPod('a', 'n2', 5);
    await cluster.stop();
    cluster.clock.jumpWall(3_600_000);
    await cluster.start({ kubelet: false });
    await cluster.clock.advance(9000);
    expect([ready('n2')?.status, isGoing('a')]).toEqual(['True', false]);
  });

  it('is not misled by a wall clock that jumps', async () => {
    await addNode('n1');
    await addNode('n2');
    await addPod('a', 'n2', 5);
    cluster.clock.jumpWall(86_400_000);
    await live(30);
    cluster.clock.jumpWall(-2 * 86_400_000);
    await live(30);
    expect([ready('n2')?.status, isGoing('a')]).toEqual(['True', false]);
  });

  it('taints a node that says it is not ready, and evicts while another is ready', async () => {
    await addNode('n1');
    await addNode('n2');
    await addPod('a', 'n2', 5);
    await report('n2', 'False');
    await live(2);
    expect(taints('n2')).toEqual(['node.kubernetes.io/not-ready:NoSchedule', 'node.kubernetes.io/not-ready:NoExecute']);
    await live(6);
    expect(isGoing('a')).toBe(true);
  });

  it('mirrors cordon and pressure as taints and keeps those of others', async () => {
    await addNode('n1');
    const current = node('n1');
    await cluster.client.update(KINDS.Node, {
      ...current,
      spec: { unschedulable: true, taints: [{ key: 'mine', effect: 'NoSchedule' }] },
    });
    const conditions = [...(node('n1').status?.conditions ?? []), { type: 'DiskPressure', status: 'True' }];
    await cluster.client.update(KINDS.Node, { ...node('n1'), status: { conditions } }, { subresource: 'status' });
    await live(1);
    expect(taints('n1')).toEqual([
      'mine:NoSchedule',
      'node.kubernetes.io/unschedulable:NoSchedule',
      'node.kubernetes.io/disk-pressure:NoSchedule',
    ]);
    await cluster.client.update(KINDS.Node, { ...node('n1'), spec: { ...node('n1').spec, unschedulable: false } });
    await live(1);
    expect(taints('n1')).not.toContain('node.kubernetes.io/unschedulable:NoSchedule');
  });

  it('drives off pods that do not tolerate a NoExecute taint at all', async () => {
    await addNode('n1');
    await addPod('a', 'n1', 'none');
    await cluster.client.update(KINDS.Node, { ...node('n1'), spec: { taints: [{ key: 'out', effect: 'NoExecute' }] } });
    await live(1);
    expect(isGoing('a')).toBe(true);
    expect(cluster.eventMessages('TaintManagerEviction')).toEqual(['Marking for deletion Pod default/a']);
  });

  it('removes pods of a deleted node, after a while in which the node may come back', async () => {
    await addNode('n1');
    await addNode('n2');
    await addPod('a', 'n2');
    alive.delete('n2');
    await cluster.client.delete(KINDS.Node, { name: 'n2' });
    await live(30);
    expect(pod('a')).toBeDefined();
    await live(15);
    expect(pod('a')).toBeUndefined();
  });

  it('keeps pods of a node that is registered anew in time', async () => {
    await addNode('n1');
    await addPod('a', 'n1');
    await cluster.client.delete(KINDS.Node, { name: 'n1' });
    await live(20);
    await cluster.client.create(KINDS.Node, readyNode('n1', now()));
    await live(60);
    expect([pod('a') === undefined, isGoing('a')]).toEqual([false, false]);
  });

  it('removes going pods of a node that is declared out of service', async () => {
    await addNode('n1');
    await addNode('n2');
    await addPod('a', 'n2', 5);
    alive.delete('n2');
    await live(20);
    expect(isGoing('a')).toBe(true);
    const spec = {
      ...node('n2').spec,
      taints: [
        ...(node('n2').spec?.taints ?? []),
        { key: 'node.kubernetes.io/out-of-service', value: 'nodeshutdown', effect: 'NoExecute' },
      ],
    };
    await cluster.client.update(KINDS.Node, { ...node('n2'), spec });
    await live(1);
    expect(pod('a')).toBeUndefined();
  });
});

describe('collector of ended pods', () => {
  it('removes the oldest ended pods beyond the number that is kept', async () => {
    const cluster = new SimulatedCluster({ controllers: [podGarbageCollector], settings: { endedPodsKept: 2 } });
    await cluster.start({ kubelet: false });
    for (const name of ['a', 'b', 'c', 'd']) {
      const made = await cluster.client.create(KINDS.Pod, { metadata: { name, namespace: 'default' } });
      if (name !== 'd')
        await cluster.client.update(KINDS.Pod, { ...made, status: { phase: 'Failed' } }, { subresource: 'status' });
      await cluster.clock.advance(1000);
    }
    expect(cluster.pods().map((p) => p.metadata?.name)).toEqual(['b', 'c', 'd']);
    await cluster.stop();
  });
});
