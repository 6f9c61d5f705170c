import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fencingController } from '../../control-plane/controllers/fencing/fencing.ts';
import { nodeLifecycleController } from '../../control-plane/controllers/node-lifecycle/node-lifecycle.ts';
import { podGarbageCollector } from '../../control-plane/controllers/pod-garbage/pod-garbage.ts';
import { replicaSetController } from '../../control-plane/controllers/replica-set/replica-set.ts';
import { taintEvictionController } from '../../control-plane/controllers/taint-eviction/taint-eviction.ts';
import { rfc3339, rfc3339Micro } from '../../lib/clock.ts';
import { ApiError } from '../../lib/errors.ts';
import { type corev1, KINDS } from '../../proto/index.ts';
import { isReady, readyNode, SimulatedCluster, template } from './controllers-harness.ts';

const LEASES = 'kube-node-lease';
const TOLERATIONS = ['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable'].map(
  (key): corev1.Toleration => ({ key, operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 5 }),
);

describe('failure of a machine', () => {
  let cluster: SimulatedCluster;
  /** Nodes whose agents live. */
  let alive: Set<string>;
  /** What their renewals promise. */
  let deadMan: Map<string, string>;
  let seconds: number;

  beforeEach(() => {
    cluster = new SimulatedCluster({
      controllers: [
        replicaSetController,
        nodeLifecycleController,
        taintEvictionController,
        fencingController,
        podGarbageCollector,
      ],
    });
    alive = new Set();
    deadMan = new Map();
    seconds = 0;
  });
  afterEach(() => cluster.stop());

  const now = (): string => rfc3339(cluster.clock.now());
  async function renew(name: string): Promise<void> {
    const annotations = deadMan.has(name) ? { 'skiff.dev/dead-man-seconds': deadMan.get(name) ?? '' } : {};
    const lease = {
      metadata: { name, namespace: LEASES, annotations },
      spec: { holderIdentity: name, renewTime: rfc3339Micro(cluster.clock.now()) },
    };
    if (cluster.client.peek(KINDS.Lease).some((one) => one.metadata?.name === name))
      await cluster.client.update(KINDS.Lease, lease);
    else await cluster.client.create(KINDS.Lease, lease);
  }
  async function addNodes(...names: string[]): Promise<void> {
    for (const name of names) {
      alive.add(name);
      const made = readyNode(name, now());
      await cluster.client.create(KINDS.Node, {
        ...made,
        status: { ...made.status, nodeInfo: { bootID: `${name}-1` } },
      });
      await renew(name);
    }
  }
  /** Lets time pass while living agents renew every three seconds; `each` runs after every second. */
  async function live(forSeconds: number, each: () => void = () => undefined): Promise<void> {
    for (let passed = 0; passed < forSeconds; passed += 1) {
      if (seconds % 3 === 0) for (const name of alive) await renew(name);
      await cluster.clock.advance(1000);
      seconds += 1;
      each();
    }
  }
  const node = (name: string): corev1.Node => {
    const found = cluster.client.peek(KINDS.Node).find((n) => n.metadata?.name === name);
    if (found === undefined) throw new Error(`there is no node ${name}`);
    return found;
  };
  const isEvicting = (name: string): boolean => node(name).spec?.taints?.some((t) => t.effect === 'NoExecute') === true;
  const readyOf = (name: string): string | undefined =>
    node(name).status?.conditions?.find((c) => c.type === 'Ready')?.status;
  async function report(name: string, bootID = `${name}-1`): Promise<void> {
    const condition = { type: 'Ready', status: 'True', lastHeartbeatTime: now(), lastTransitionTime: now() };
    const status = { conditions: [condition], nodeInfo: { bootID } };
    await cluster.client.update(KINDS.Node, { ...node(name), status }, { subresource: 'status' });
  }
  async function addPod(name: string, onNode: string, kind = 'StatefulSet'): Promise<void> {
    const made = await cluster.client.create(KINDS.Pod, {
      metadata: { name, namespace: 'default', ownerReferences: [{ kind, name: 'db', uid: 'u', controller: true }] },
      spec: { nodeName: onNode, tolerations: TOLERATIONS },
    });
    const status = { phase: 'Running', conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: now() }] };
    await cluster.client.update(KINDS.Pod, { ...made, status }, { subresource: 'status' });
  }
  const pod = (name: string): corev1.Pod | undefined => cluster.pods().find((p) => p.metadata?.name === name);
  const isGoing = (name: string): boolean => pod(name)?.metadata?.deletionTimestamp !== undefined;

  it('replaces a stateless pod on another machine within 20 s of the death of its own', async () => {
    await cluster.start();
    await addNodes('n1', 'n2', 'n3');
    cluster.behaviour.goneAfterMs = (one) => (alive.has(one.spec?.nodeName ?? '') ? 500 : undefined);
    const pods = template('web', 'web:1');
    await cluster.client.create(KINDS.ReplicaSet, {
      metadata: { name: 'web', namespace: 'default' },
      spec: {
        replicas: 2,
        selector: { matchLabels: { app: 'web' } },
        template: { ...pods, spec: { ...pods.spec, tolerations: TOLERATIONS } },
      },
    });
    await live(6);
    expect(cluster.readyPods().map((p) => p.spec?.nodeName)).toEqual(['n1', 'n2']);
    alive.delete('n2');
    const begun = seconds;
    const seen: Record<string, number> = {};
    const note = (what: string, holds: boolean): void => {
      if (holds && seen[what] === undefined) seen[what] = seconds - begun;
    };
    await live(20, () => {
      note('not ready', readyOf('n2') === 'Unknown');
      note(
        'out of services',
        cluster.readyPods().every((p) => p.spec?.nodeName !== 'n2'),
      );
      note(
        'evicted',
        cluster.pods().some((p) => p.metadata?.deletionTimestamp !== undefined),
      );
      note('replaced', cluster.readyPods().length === 2);
    });
    expect(seen['not ready']).toBeLessThanOrEqual(11);
    expect(seen['out of services']).toBe(seen['not ready']);
    expect(seen.evicted).toBeLessThanOrEqual(16);
    expect(seen.replaced).toBeLessThanOrEqual(18);
    expect(cluster.readyPods().map((p) => p.spec?.nodeName)).toEqual(['n1', 'n3']);
  });

  it('lets two machines of three lose their pods a minute apart', async () => {
    await cluster.start({ kubelet: false });
    await addNodes('n1', 'n2', 'n3');
    await addPod('a', 'n2', 'ReplicaSet');
    await addPod('b', 'n3', 'ReplicaSet');
    alive = new Set(['n1']);
    await live(13);
    expect(['n1', 'n2', 'n3'].map(readyOf)).toEqual(['True', 'Unknown', 'Unknown']);
    expect(['a', 'b'].map((name) => isReady(pod(name) ?? {}))).toEqual([false, false]);
    expect(['n2', 'n3'].filter(isEvicting)).toHaveLength(1);
    await live(50);
    expect(['a', 'b'].filter(isGoing)).toHaveLength(1);
    await live(20);
    expect(['a', 'b'].filter(isGoing)).toHaveLength(2);
  });

  it('marks the pods of a lost machine, going ones too, and does not stumble over caches that are behind', async () => {
    let seed = 7;
    cluster.lag(300, () => {
      seed = (seed * 1103515245 + 12345) % 2 ** 31;
      return seed / 2 ** 31;
    });
    await cluster.start({ kubelet: false });
    await addNodes('n1', 'n2');
    for (let i = 0; i < 5; i += 1) await addPod(`p${i}`, 'n2', 'ReplicaSet');
    await cluster.client.delete(KINDS.Pod, { namespace: 'default', name: 'p0' });
    await live(6);
    alive.delete('n2');
    await live(14);
    expect(cluster.pods().map(isReady)).toEqual([false, false, false, false, false]);
    expect([isEvicting('n2'), cluster.warnings]).toEqual([true, []]);
  });

  it('bears a link that is up and down every three seconds: nothing is evicted and nothing written but leases', async () => {
    await cluster.start({ kubelet: false });
    await addNodes('n1', 'n2');
    await addPod('a', 'n2');
    await live(6);
    const before = [node('n2'), pod('a')].map((object) => object?.metadata?.resourceVersion);
    for (let round = 0; round < 20; round += 1) {
      alive.delete('n2');
      await live(3);
      alive.add('n2');
      await live(3);
    }
    expect([node('n2'), pod('a')].map((object) => object?.metadata?.resourceVersion)).toEqual(before);
  });

  it('writes little for a link that is down long enough to matter, again and again', async () => {
    await cluster.start({ kubelet: false });
    await addNodes('n1', 'n2');
    await addPod('a', 'n2', 'ReplicaSet');
    await live(6);
    let writes = 0;
    cluster.client.observe((type) => {
      if (type.kind === 'Node' || type.kind === 'Pod') writes += 1;
    });
    for (let round = 0; round < 10; round += 1) {
      alive.delete('n2');
      await live(9);
      expect(readyOf('n2')).toBe('Unknown');
      alive.add('n2');
      await report('n2');
      await live(6);
    }
    expect(isGoing('a')).toBe(false);
    // Per round: the condition, its taints, one pod, the node's own report, the taints taken back.
    expect(writes).toBeLessThanOrEqual(10 * 6);
  });

  it('a new leader evicts nobody before it has waited itself', async () => {
    await cluster.start({ kubelet: false });
    await addNodes('n1', 'n2');
    await addPod('a', 'n2');
    alive.delete('n2');
    await live(9);
    await cluster.stop();
    cluster.clock.jumpWall(3_600_000);
    await cluster.start({ kubelet: false });
    await live(9);
    expect([readyOf('n2'), isGoing('a')]).toEqual(['True', false]);
    await live(12);
    expect(isGoing('a')).toBe(true);
  });

  describe('a stateful pod', () => {
    beforeEach(async () => {
      await cluster.start({ kubelet: false });
    });

    it('waits without a proof, for as long as it takes, and says once for what', async () => {
      await addNodes('n1', 'n2');
      await addPod('db-0', 'n2');
      alive.delete('n2');
      await live(600);
      expect(isGoing('db-0')).toBe(true);
      expect(cluster.eventMessages('FencingWaits')).toEqual([
        expect.stringMatching(/^Node n2 is unreachable since .* no dead-man armed.*skiff node fence n2$/),
      ]);
    });

    it('goes when the dead-man must have fired, and not before', async () => {
      await addNodes('n1', 'n2');
      deadMan.set('n2', '30');
      await addPod('db-0', 'n2');
      await live(7);
      alive.delete('n2');
      await live(33);
      expect(isGoing('db-0')).toBe(true);
      await live(6);
      expect(pod('db-0')).toBeUndefined();
      expect(cluster.eventMessages('Fenced')).toEqual([
        expect.stringContaining('the dead-man of node n2 was armed with 30 s'),
      ]);
    });

    it('waits when the last renewal took the promise back', async () => {
      await addNodes('n1', 'n2');
      deadMan.set('n2', '30');
      await addPod('db-0', 'n2');
      await live(6);
      deadMan.clear();
      await live(4);
      alive.delete('n2');
      await live(120);
      expect(isGoing('db-0')).toBe(true);
    });

    it('stays while the watch of leases is behind: a renewal that was not heard of counts', async () => {
      await addNodes('n1', 'n2');
      deadMan.set('n2', '30');
      await addPod('db-0', 'n2');
      await live(7);
      alive.delete('n2');
      // From now on no lease is heard of, as the watch stands still.
      const undo = cluster.client.intercept(({ verb, type }) => {
        if (verb === 'watch' && type.kind === 'Lease') throw new ApiError('ServiceUnavailable', 'away');
      });
      await live(20);
      expect(isGoing('db-0')).toBe(true);
      cluster.client.disconnectWatches(KINDS.Lease);
      await renew('n2');
      await live(40);
      expect(isGoing('db-0')).toBe(true);
      undo();
      await live(60);
      expect(pod('db-0')).toBeUndefined();
    });

    it('goes when its machine was started anew', async () => {
      await addNodes('n1', 'n2');
      await addPod('db-0', 'n2');
      alive.delete('n2');
      await live(30);
      alive.add('n2');
      await report('n2', 'n2-2');
      await live(2);
      expect(pod('db-0')).toBeUndefined();
      expect(cluster.eventMessages('Fenced')).toEqual([expect.stringContaining('node n2 was started anew')]);
    });

    it('is left to its node when that comes back as it was', async () => {
      await addNodes('n1', 'n2');
      await addPod('db-0', 'n2');
      alive.delete('n2');
      await live(30);
      alive.add('n2');
      await report('n2');
      await live(60);
      expect(isGoing('db-0')).toBe(true);
    });

    it('goes when the operator declares the node out of service', async () => {
      await addNodes('n1', 'n2');
      await addPod('db-0', 'n2');
      alive.delete('n2');
      await live(30);
      const taint = { key: 'node.kubernetes.io/out-of-service', value: 'nodeshutdown', effect: 'NoExecute' };
      const spec = { ...node('n2').spec, taints: [...(node('n2').spec?.taints ?? []), taint] };
      await cluster.client.update(KINDS.Node, { ...node('n2'), spec });
      await live(2);
      expect(pod('db-0')).toBeUndefined();
      expect(cluster.eventMessages('Fenced')).toEqual([expect.stringContaining('declared out of service')]);
    });

    it('of a ReplicaSet that asks for it is not replaced while it goes', async () => {
      await addNodes('n1', 'n2');
      const annotated = { labels: { app: 'one' }, annotations: { 'skiff.dev/fenced': 'true' } };
      await cluster.client.create(KINDS.ReplicaSet, {
        metadata: { name: 'one', namespace: 'default' },
        spec: {
          replicas: 1,
          selector: { matchLabels: { app: 'one' } },
          template: {
            metadata: annotated,
            spec: { tolerations: TOLERATIONS, containers: [{ name: 'c', image: 'i' }] },
          },
        },
      });
      await live(1);
      const [made] = cluster.pods();
      const { name = '', uid = '' } = made?.metadata ?? {};
      await cluster.client.bind([{ namespace: 'default', name, uid, node: 'n2' }]);
      deadMan.set('n2', '30');
      await live(4);
      alive.delete('n2');
      await live(25);
      expect([isGoing(name), cluster.pods().length]).toEqual([true, 1]);
      await live(30);
      expect(cluster.pods().map((p) => p.metadata?.uid === uid)).toEqual([false]);
    });
  });
});
