import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MemoryResourceClient } from '../../lib/client/memory-resource-client.ts';
import { FakeClock } from '../../lib/clock.ts';
import { ApiError } from '../../lib/errors.ts';
import { type corev1, KINDS } from '../../proto/index.ts';
import { runScheduler } from './run-scheduler.ts';

const log = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

describe('scheduler', () => {
  let clock: FakeClock;
  let client: MemoryResourceClient;
  let abort: AbortController;
  let running: Promise<void>;

  const start = async (): Promise<void> => {
    abort = new AbortController();
    running = runScheduler(client, { log, clock }, abort.signal);
    await clock.advance(0);
  };
  const stop = async (): Promise<void> => {
    abort.abort();
    await running;
  };

  beforeEach(() => {
    clock = new FakeClock();
    client = new MemoryResourceClient({ clock });
  });
  afterEach(stop);

  const addNode = (
    name: string,
    more: corev1.NodeSpec = {},
    allocatable: Record<string, string> = {},
  ): Promise<corev1.Node> =>
    client.create(KINDS.Node, {
      metadata: { name },
      spec: more,
      status: { allocatable: { cpu: '1', memory: '1Gi', pods: '110', ...allocatable } },
    });
  const addPod = (name: string, cpu: string, more: corev1.PodSpec = {}): Promise<corev1.Pod> =>
    client.create(KINDS.Pod, {
      metadata: { name, namespace: 'default' },
      spec: { containers: [{ name: 'c', image: 'web:1', resources: { requests: { cpu } } }], ...more },
    });
  const pod = (name: string): Promise<corev1.Pod> => client.get(KINDS.Pod, { namespace: 'default', name });
  const nodeOf = async (name: string): Promise<string> => (await pod(name)).spec?.nodeName ?? '';
  const scheduledCondition = async (name: string): Promise<corev1.PodCondition | undefined> =>
    (await pod(name)).status?.conditions?.find((c) => c.type === 'PodScheduled');
  /** The most CPU asked for on one node, in millicores. */
  const fullest = (): number => {
    const sums = new Map<string, number>();
    for (const { spec } of client.peek(KINDS.Pod)) {
      const cpu = Number((spec?.containers?.[0]?.resources?.requests?.cpu ?? '0m').slice(0, -1));
      if (spec?.nodeName !== undefined) sums.set(spec.nodeName, (sums.get(spec.nodeName) ?? 0) + cpu);
    }
    return Math.max(0, ...sums.values());
  };

  it('binds a pod and says where', async () => {
    await addNode('n1');
    await start();
    await addPod('a', '100m');
    await clock.advance(0);
    expect(await nodeOf('a')).toBe('n1');
    const messages = client.peek(KINDS.Event).map((e) => `${e.type} ${e.reason}: ${e.message}`);
    expect(messages).toEqual(['Normal Scheduled: Successfully assigned default/a to n1']);
  });

  it('spreads equal pods over equal nodes', async () => {
    for (const name of ['n1', 'n2', 'n3']) await addNode(name);
    await start();
    for (let i = 0; i < 9; i += 1) await addPod(`p${i}`, '100m');
    await clock.advance(0);
    expect(fullest()).toBe(300);
  });

  it('says with counts per reason why a pod fits nowhere', async () => {
    await addNode('n1');
    await addNode('n2');
    await addNode('n3', { taints: [{ key: 'dedicated', value: 'db', effect: 'NoSchedule' }] });
    await start();
    await addPod('big', '3000m');
    await clock.advance(0);
    const message = '0/3 nodes are available: 1 node(s) had untolerated taint {dedicated: db}, 2 Insufficient cpu.';
    expect(await scheduledCondition('big')).toMatchObject({ status: 'False', reason: 'Unschedulable', message });
    expect(client.peek(KINDS.Event)).toMatchObject([{ type: 'Warning', reason: 'FailedScheduling', message }]);
  });

  it('says that there are no nodes', async () => {
    await start();
    await addPod('a', '100m');
    await clock.advance(0);
    expect(await scheduledCondition('a')).toMatchObject({ message: 'no nodes available to schedule pods' });
  });

  it.each([
    ['a node comes', async () => void (await addNode('n2', {}, { cpu: '4' }))],
    [
      'room is freed',
      async () =>
        void (await client.delete(KINDS.Pod, { namespace: 'default', name: 'first' }, { gracePeriodSeconds: 0 })),
    ],
    [
      'a pod ends',
      async () =>
        void (await client.update(
          KINDS.Pod,
          { ...(await pod('first')), status: { phase: 'Succeeded' } },
          { subresource: 'status' },
        )),
    ],
    [
      'the node grows',
      async () => {
        const node = await client.get(KINDS.Node, { name: 'n1' });
        await client.update(
          KINDS.Node,
          { ...node, status: { allocatable: { cpu: '4', memory: '1Gi', pods: '110' } } },
          { subresource: 'status' },
        );
      },
    ],
  ])('tries a waiting pod again when %s, after its back-off', async (_what, help) => {
    await addNode('n1');
    await start();
    await addPod('first', '900m');
    await addPod('second', '800m');
    await clock.advance(5000);
    expect([await nodeOf('first'), await nodeOf('second')]).toEqual(['n1', '']);
    await help();
    await clock.advance(0);
    expect(await nodeOf('second')).not.toBe('');
    expect(await scheduledCondition('second')).toMatchObject({ status: 'True' });
  });

  it('leaves a waiting pod alone when what happens cannot help', async () => {
    await addNode('n1', { unschedulable: true });
    await start();
    await addPod('a', '100m');
    await clock.advance(5000);
    const version = (await pod('a')).metadata?.resourceVersion;
    const node = await client.get(KINDS.Node, { name: 'n1' });
    await client.update(KINDS.Node, { ...node, metadata: { ...node.metadata, labels: { new: 'label' } } });
    await clock.advance(5000);
    expect((await pod('a')).metadata?.resourceVersion).toBe(version);
    const cordoned = await client.get(KINDS.Node, { name: 'n1' });
    await client.update(KINDS.Node, { ...cordoned, spec: {} });
    await clock.advance(0);
    expect(await nodeOf('a')).toBe('n1');
  });

  it('puts the more important pod first', async () => {
    await addNode('n1');
    await addPod('low', '800m', { priority: 1 });
    await addPod('high', '800m', { priority: 9 });
    await start();
    expect([await nodeOf('low'), await nodeOf('high')]).toEqual(['', 'n1']);
  });

  it('leaves alone pods of other schedulers, gated ones and ones that are going', async () => {
    await addNode('n1');
    await addPod('other', '1m', { schedulerName: 'mine' });
    await addPod('gated', '1m', { schedulingGates: [{ name: 'wait' }] });
    await start();
    expect([await nodeOf('other'), await nodeOf('gated')]).toEqual(['', '']);
    const gated = await pod('gated');
    await client.update(KINDS.Pod, { ...gated, spec: { ...gated.spec, schedulingGates: [] } });
    await clock.advance(0);
    expect(await nodeOf('gated')).toBe('n1');
  });

  it('counts what was bound before it started', async () => {
    await addNode('n1');
    await addPod('a', '700m', { nodeName: 'n1' });
    await addPod('b', '700m');
    await start();
    expect(await nodeOf('b')).toBe('');
  });

  it('never fills a node beyond what it has, across restarts at any moment', async () => {
    for (let i = 0; i < 5; i += 1) await addNode(`n${i}`);
    for (let i = 0; i < 40; i += 1) await addPod(`p${i}`, '300m');
    for (let restart = 0; restart < 6; restart += 1) {
      await start();
      await addPod(`later${restart}`, '300m');
      await stop();
      expect(fullest()).toBeLessThanOrEqual(1000);
    }
    await start();
    expect(fullest()).toBe(900);
    expect(client.peek(KINDS.Pod).filter((p) => p.spec?.nodeName !== undefined)).toHaveLength(15);
  });

  it('keeps the room reserved when the answer to a binding is lost, and binds each pod once', async () => {
    await addNode('n1');
    const original = client.bind.bind(client);
    let lost = 0;
    client.bind = async (bindings, signal) => {
      lost += 1;
      if (lost === 1) {
        await original(bindings, signal);
        throw new ApiError('ServiceUnavailable', 'connection lost');
      }
      if (lost === 2) throw new ApiError('Timeout', 'not written');
      return original(bindings, signal);
    };
    await start();
    await addPod('a', '600m');
    await clock.advance(0);
    await addPod('b', '300m');
    await addPod('c', '300m');
    await clock.advance(15_000);
    expect(await nodeOf('a')).toBe('n1');
    expect([await nodeOf('b'), await nodeOf('c')].sort((a, b) => a.length - b.length)).toEqual(['', 'n1']);
    expect(fullest()).toBe(900);
  });
});
