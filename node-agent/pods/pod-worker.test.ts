import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type corev1, KINDS } from '../../proto/index.ts';
import { waitFor } from '../../test/harness/wait.ts';
import { ImageError } from '../images/image-store.ts';
import { nodePaths, podPaths } from '../paths.ts';
import { MemoryAgent } from '../testing/memory-agent.ts';

describe('pod workers', () => {
  let agent: MemoryAgent;
  let api: MemoryAgent['api'];
  let clock: MemoryAgent['clock'];
  let runtime: MemoryAgent['runtime'];
  let images: MemoryAgent['images'];
  let network: MemoryAgent['network'];
  let events: string[];

  beforeEach(async () => {
    agent = new MemoryAgent();
    ({ api, clock, runtime, images, network, events } = agent);
    await agent.start();
  });

  afterEach(() => agent.close());

  const create = (spec: corev1.PodSpec): Promise<corev1.Pod> => agent.createPod(spec);

  /** Waits in real time; `everyTurn` moves the fake one. */
  function until(what: string, holds: (pod: corev1.Pod) => boolean, advanceMs = 0): Promise<corev1.Pod> {
    return waitFor(
      what,
      async () => {
        if (advanceMs > 0) await clock.advance(advanceMs);
        const pod = await api.get(KINDS.Pod, { namespace: 'default', name: 'p' });
        return holds(pod) ? pod : undefined;
      },
      { timeoutMs: 5000, everyMs: 5 },
    );
  }

  const first = (pod: corev1.Pod): corev1.ContainerStatus | undefined => pod.status?.containerStatuses?.[0];
  const isRunning = (pod: corev1.Pod): boolean =>
    first(pod)?.state?.running !== undefined && first(pod)?.ready === true;
  const gone = (): Promise<unknown> =>
    waitFor('the pod to go', () => api.peek(KINDS.Pod).length === 0, { timeoutMs: 5000, everyMs: 5 });
  const C: corev1.Container = { name: 'c', image: 'app:1' };

  test('a pod is started with kubelet’s events and goes leaving nothing', async () => {
    const pod = await create({ containers: [C] });
    await until('running', isRunning);
    expect(events).toEqual([
      'Pulled: Container image "app:1" already present on machine',
      'Created: Created container: c',
      'Started: Started container c',
    ]);
    await api.delete(
      KINDS.Pod,
      { namespace: 'default', name: 'p' },
      { gracePeriodSeconds: 0, uid: pod.metadata?.uid ?? '' },
    );
    await gone();
    await waitFor('the sandbox to go', async () => (await runtime.listSandboxes()).length === 0);
    await waitFor('the root folders to go', () => images.mounted.size === 0);
    expect(network.attached.size).toBe(0);
  });

  test('a deletion waits for the grace period, then kills, and the object goes last', async () => {
    await create({ terminationGracePeriodSeconds: 20, containers: [C] });
    await until('running', isRunning);
    await api.delete(KINDS.Pod, { namespace: 'default', name: 'p' });
    await waitFor('TERM', () => runtime.calls.some((call) => call.includes('killContainer')));
    await clock.advance(19_000);
    expect(api.peek(KINDS.Pod)).toHaveLength(1);
    expect((await runtime.listContainers())[0]?.state).toBe('running');
    await clock.advance(2000);
    await gone();
    expect(events).toContain('Killing: Stopping container c');
    expect(await runtime.listSandboxes()).toEqual([]);
  });

  test('a second deletion shortens the grace of the first', async () => {
    await create({ terminationGracePeriodSeconds: 600, containers: [C] });
    await until('running', isRunning);
    await api.delete(KINDS.Pod, { namespace: 'default', name: 'p' });
    await waitFor('TERM', () => runtime.calls.some((call) => call.includes('killContainer')));
    await api.delete(KINDS.Pod, { namespace: 'default', name: 'p' }, { gracePeriodSeconds: 1 });
    await waitFor('the pod to go', async () => {
      await clock.advance(500);
      return api.peek(KINDS.Pod).length === 0;
    });
  });

  test('a crash restarts at once, the next after ten seconds', async () => {
    await create({ containers: [C] });
    const pod = await until('running', isRunning);
    const uid = pod.metadata?.uid ?? '';
    runtime.exit(`${uid}-0-c`, 1);
    await until('the first restart', (p) => isRunning(p) && first(p)?.restartCount === 1);
    runtime.exit(`${uid}-1-c`, 1);
    const held = await until('the back-off', (p) => first(p)?.state?.waiting?.reason === 'CrashLoopBackOff');
    expect(first(held)?.lastState?.terminated).toMatchObject({ exitCode: 1, reason: 'Error' });
    expect(events).toContain(`BackOff: Back-off restarting failed container c in pod p_default(${uid})`);
    await clock.advance(8000);
    expect((await runtime.listContainers(uid)).some(({ attempt }) => attempt === 2)).toBe(false);
    await until('the second restart', (p) => isRunning(p) && first(p)?.restartCount === 2, 500);
    expect(new Set((await runtime.listContainers(uid)).map(({ attempt }) => attempt))).toEqual(new Set([1, 2]));
  });

  test('a pod that ran to its end gives its address back and keeps its facts', async () => {
    images.add(['once:1'], { config: { cmd: ['true'] } });
    const pod = await create({ restartPolicy: 'Never', containers: [{ name: 'c', image: 'once:1' }] });
    const done = await until('its end', (p) => p.status?.phase === 'Succeeded');
    expect(first(done)?.state?.terminated).toMatchObject({ exitCode: 0, reason: 'Completed' });
    await waitFor('the address to be free', () => network.attached.size === 0);
    expect(await runtime.listContainers(pod.metadata?.uid)).toHaveLength(1);
  });

  test('a new agent goes on with the same containers, without the server too', async () => {
    await create({ containers: [C] });
    const before = await until('running', isRunning);
    await agent.stop();
    const calls = runtime.calls.length;
    api.intercept(() => {
      throw new Error('the server is away');
    });
    await agent.start();
    runtime.exit(`${before.metadata?.uid}-0-c`, 9);
    await waitFor('the restart', async () => {
      const all = await runtime.listContainers(before.metadata?.uid);
      return all.some(({ attempt, state }) => attempt === 1 && state === 'running');
    });
    expect(runtime.calls.slice(calls).filter((call) => call.startsWith('createSandbox'))).toEqual([]);
  });

  test('a container stays ready over a restart of the agent, even when its snapshot is older than what it reported', async () => {
    const readinessProbe = { exec: { command: ['true'] }, periodSeconds: 10 };
    const pod = await create({ containers: [{ ...C, readinessProbe }] });
    const snapshot = podPaths(nodePaths(agent.root), {
      uid: pod.metadata?.uid ?? '',
      namespace: 'default',
      name: 'p',
    }).snapshot;
    const early = await waitFor('a snapshot of the pod before it is ready', () =>
      existsSync(snapshot) ? readFileSync(snapshot) : undefined,
    );
    const before = await until('ready', isRunning, 100);
    await agent.stop();
    writeFileSync(snapshot, early);
    const seen: (boolean | undefined)[] = [];
    const watching = new AbortController();
    const watch = (async () => {
      const from = before.metadata?.resourceVersion ?? '';
      for await (const batch of api.watch(KINDS.Pod, from, { signal: watching.signal })) {
        for (const event of batch) if (event.type !== 'BOOKMARK') seen.push(first(event.object)?.ready);
      }
    })();
    await agent.start();
    await until('running', isRunning, 1000);
    for (let seconds = 0; seconds < 30; seconds += 1) await clock.advance(1000);
    watching.abort();
    await watch.catch(() => undefined);
    expect(seen).not.toContain(false);
    expect((await until('ready', isRunning)).status?.conditions).toEqual(before.status?.conditions);
  });

  test('what belongs to no known pod is removed at start', async () => {
    await create({ containers: [C] });
    const pod = await until('running', isRunning);
    await agent.stop();
    rmSync(join(agent.root, 'run/skiff/pods', pod.metadata?.uid ?? ''), { recursive: true });
    api.intercept(() => {
      throw new Error('the server is away');
    });
    await agent.start();
    expect(await runtime.listSandboxes()).toEqual([]);
  });

  test('a pod deleted while the agent was away is ended', async () => {
    const pod = await create({ containers: [C] });
    await until('running', isRunning);
    await agent.stop();
    await api.delete(
      KINDS.Pod,
      { namespace: 'default', name: 'p' },
      { gracePeriodSeconds: 0, uid: pod.metadata?.uid ?? '' },
    );
    await agent.start();
    await waitFor('the sandbox to go', async () => {
      await clock.advance(500);
      return (await runtime.listSandboxes()).length === 0;
    });
  });

  test('a pull that fails is named, then backed off, then tried again', async () => {
    images.publish('far:1', new ImageError('NotFound', 'nobody has it'));
    await create({ containers: [{ name: 'c', image: 'far:1' }] });
    await until('the failure', (p) => first(p)?.state?.waiting?.reason === 'ErrImagePull');
    const held = await until('the back-off', (p) => first(p)?.state?.waiting?.reason === 'ImagePullBackOff', 200);
    expect(first(held)?.state?.waiting?.message).toMatch(/^Back-off pulling image "far:1"/);
    expect(events).toContain('BackOff: Back-off pulling image "far:1"');
    expect(events).toContain('Failed: Error: ImagePullBackOff');
    images.publish('far:1', { config: { cmd: ['sleep', '9'] } });
    await until('running', isRunning, 500);
    expect(images.pulled).toHaveLength(2);
  });

  test('a deletion does not wait for a pull', async () => {
    images.publish('slow:1', { after: new Promise(() => undefined) });
    await create({ containers: [{ name: 'c', image: 'slow:1' }] });
    await waitFor('the pull', () => images.pulled.length === 1);
    await api.delete(KINDS.Pod, { namespace: 'default', name: 'p' });
    await gone();
  });

  test('a missing ConfigMap holds the container until it is there', async () => {
    await create({ containers: [{ ...C, envFrom: [{ configMapRef: { name: 'conf' } }] }] });
    const held = await until('the refusal', (p) => first(p)?.state?.waiting?.reason === 'CreateContainerConfigError');
    expect(first(held)?.state?.waiting?.message).toBe('configmap "conf" not found');
    await api.create(KINDS.ConfigMap, { metadata: { name: 'conf', namespace: 'default' }, data: { A: '1' } });
    await until('running', isRunning, 500);
  });

  test('a volume of an unknown type says so', async () => {
    await create({ containers: [C], volumes: [{ name: 'v', nfs: { server: 's', path: '/p' } }] });
    await waitFor('the event', () =>
      events.includes(
        'FailedMount: MountVolume.SetUp failed for volume "v" : volume type nfs is not supported by this node',
      ),
    );
    await api.delete(KINDS.Pod, { namespace: 'default', name: 'p' });
    await waitFor('the pod to go', async () => {
      await clock.advance(500);
      return api.peek(KINDS.Pod).length === 0;
    });
  });

  test('an unsafe sysctl is refused', async () => {
    await create({ containers: [C], securityContext: { sysctls: [{ name: 'kernel.msgmax', value: '1' }] } });
    const pod = await until('the refusal', (p) => p.status?.phase === 'Failed');
    expect(pod.status).toMatchObject({
      reason: 'SysctlForbidden',
      message: 'forbidden sysctl: "kernel.msgmax" not allowlisted',
    });
  });

  test('a pod past its deadline is ended and its object stays', async () => {
    await create({ activeDeadlineSeconds: 5, terminationGracePeriodSeconds: 1, containers: [C] });
    await until('running', isRunning);
    const pod = await until('its end', (p) => p.status?.phase === 'Failed', 500);
    expect(pod.status).toMatchObject({ reason: 'DeadlineExceeded' });
    await waitFor('the container to stop', async () => {
      await clock.advance(500);
      return (await runtime.listContainers())[0]?.state === 'exited';
    });
  });

  test('a status that meets a conflict is written on top of the newer object', async () => {
    const pod = await create({ containers: [C] });
    await until('running', isRunning);
    api.disconnectWatches();
    const current = await api.get(KINDS.Pod, { namespace: 'default', name: 'p' });
    await api.update(KINDS.Pod, { ...current, metadata: { ...current.metadata, labels: { new: 'yes' } } });
    runtime.exit(`${pod.metadata?.uid}-0-c`, 1);
    const after = await until('the restart', (p) => first(p)?.restartCount === 1 && isRunning(p), 100);
    expect(after.metadata?.labels).toEqual({ new: 'yes' });
  });
});
