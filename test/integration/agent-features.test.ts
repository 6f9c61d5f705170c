import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type corev1, KINDS } from '../../proto/index.ts';
import { waitFor } from '../harness/wait.ts';
import { AgentWorld, agentUnavailable } from './agent-world/world.ts';

const why = agentUnavailable();
const IMAGE = 'busybox:1.36';

describe.skipIf(why !== undefined)(`what a pod may ask for${why === undefined ? '' : ` (skipped: ${why})`}`, () => {
  let world: AgentWorld;

  beforeAll(async () => {
    world = await AgentWorld.start();
  });

  afterAll(async () => {
    expect(await world?.stop()).toEqual([]);
  });

  function podLog(pod: corev1.Pod, container = 'c', attempt = 0): string {
    const { namespace, name, uid } = pod.metadata ?? {};
    const file = world.path('var/log/pods', `${namespace}_${name}_${uid}`, container, `${attempt}.log`);
    return readFileSync(file, 'utf8')
      .split('\n')
      .map((line) => line.split(' ').slice(3).join(' '))
      .join('\n');
  }

  /** Runs a script as a pod to its end and returns what it said. */
  async function runToEnd(
    name: string,
    script: string,
    change: { pod?: corev1.PodSpec; container?: corev1.Container } = {},
  ): Promise<string> {
    await world.createPod(name, {
      restartPolicy: 'Never',
      ...change.pod,
      containers: [{ name: 'c', image: IMAGE, command: ['sh', '-c', script], ...change.container }],
    });
    const pod = await world.pod(
      name,
      'to end',
      ({ status }) => status?.phase === 'Succeeded' || status?.phase === 'Failed',
    );
    const text = podLog(pod);
    await world.deletePod(name, 0);
    return text;
  }

  test('a container sees only its own processes, host name, mounts and network', async () => {
    const text = await runToEnd(
      'alone',
      'hostname; ls /proc | grep -c "^[0-9]"; ls /sys/class/net | xargs; cat /proc/1/cmdline | head -c 2; grep -c . /proc/mounts',
    );
    const [name, processes, links] = text.split('\n');
    expect(name).toBe('alone');
    expect(Number(processes)).toBeLessThan(8);
    expect(links).toBe('eth0 lo');
  });

  test('user, groups, capabilities, read-only root and no new privileges', async () => {
    const text = await runToEnd(
      'secured',
      'id -u; id -g; id -G; touch /x || echo read-only; grep -E "CapEff|NoNewPrivs" /proc/self/status; echo ok > /data/f; ls -ln /data | tail -1',
      {
        pod: {
          securityContext: { runAsUser: 1234, runAsGroup: 2345, fsGroup: 3456, supplementalGroups: [4567] },
          volumes: [{ name: 'd', emptyDir: {} }],
        },
        container: {
          volumeMounts: [{ name: 'd', mountPath: '/data' }],
          securityContext: {
            readOnlyRootFilesystem: true,
            allowPrivilegeEscalation: false,
            capabilities: { drop: ['ALL'] },
          },
        },
      },
    );
    const lines = text.split('\n');
    expect(lines.slice(0, 2)).toEqual(['1234', '2345']);
    expect(lines[2]?.split(' ').sort()).toEqual(['2345', '3456', '4567']);
    expect(text).toContain('read-only');
    expect(text).toMatch(/CapEff:\s+0000000000000000/);
    expect(text).toMatch(/NoNewPrivs:\s+1/);
    expect(text).toMatch(/1234\s+3456/);
  });

  test('host network, host paths of every kind and privileges', async () => {
    mkdirSync(world.path('given/sub'), { recursive: true });
    writeFileSync(world.path('given/file'), 'from the host\n');
    const text = await runToEnd(
      'hosted',
      'ip -o link | cut -d: -f2 | xargs; cat /given/file /one; echo back > /made/x; ls /dev | grep -c loop',
      {
        pod: {
          hostNetwork: true,
          volumes: [
            { name: 'given', hostPath: { path: world.path('given'), type: 'Directory' } },
            { name: 'made', hostPath: { path: world.path('made'), type: 'DirectoryOrCreate' } },
          ],
        },
        container: {
          securityContext: { privileged: true },
          volumeMounts: [
            { name: 'given', mountPath: '/given', readOnly: true },
            { name: 'given', mountPath: '/one', subPath: 'file' },
            { name: 'made', mountPath: '/made' },
          ],
        },
      },
    );
    expect(text).toContain(`k${world.run.id}0`);
    expect(text.match(/from the host/g)).toHaveLength(2);
    expect(readFileSync(world.path('made/x'), 'utf8')).toBe('back\n');
  });

  test('a fork bomb stays in its pod', async () => {
    await world.createPod('bomb', {
      containers: [{ name: 'c', image: IMAGE, command: ['sh', '-c', 'b() { b | b & }; b; sleep 1000'] }],
    });
    await world.pod('bomb', 'to run', ({ status }) => status?.phase === 'Running');
    await world.createPod('beside', { containers: [{ name: 'c', image: IMAGE, command: ['sleep', '1000'] }] });
    await world.ready('beside');
    await world.deletePod('bomb', 0);
    await world.deletePod('beside', 0);
  });

  test('a ConfigMap volume follows its ConfigMap; a missing one holds the pod until it is there', async () => {
    await world.createPod('follower', {
      containers: [
        { name: 'c', image: IMAGE, command: ['sleep', '1000'], volumeMounts: [{ name: 'm', mountPath: '/m' }] },
      ],
      volumes: [{ name: 'm', configMap: { name: 'late' } }],
    });
    await waitFor('the event', () => world.events('FailedMount').some((m) => m.includes('configmap "late" not found')));
    await world.api.create(KINDS.ConfigMap, { metadata: { name: 'late', namespace: 'default' }, data: { k: 'one' } });
    const pod = await world.ready('follower');
    const file = world.path('run/skiff/pods', pod.metadata?.uid ?? '', 'volumes/m/k');
    expect(readFileSync(file, 'utf8')).toBe('one');
    const map = await world.api.get(KINDS.ConfigMap, { namespace: 'default', name: 'late' });
    await world.api.update(KINDS.ConfigMap, { ...map, data: { k: 'two' } });
    await waitFor('the new content', () => readFileSync(file, 'utf8') === 'two', { timeoutMs: 45_000 });
    await world.deletePod('follower', 0);
  });

  test('preStop runs before TERM, TERM before KILL, all inside the grace period', async () => {
    await world.createPod('polite', {
      terminationGracePeriodSeconds: 10,
      volumes: [{ name: 'h', hostPath: { path: world.path('polite'), type: 'DirectoryOrCreate' } }],
      containers: [
        {
          name: 'c',
          image: IMAGE,
          command: ['sh', '-c', 'trap "echo term >> /h/log; exit 0" TERM; while true; do sleep 0.05; done'],
          volumeMounts: [{ name: 'h', mountPath: '/h' }],
          lifecycle: {
            postStart: { exec: { command: ['sh', '-c', 'echo start >> /h/log'] } },
            preStop: { exec: { command: ['sh', '-c', 'echo stop >> /h/log'] } },
          },
        },
      ],
    });
    await world.ready('polite');
    const began = Date.now();
    await world.deletePod('polite');
    expect(Date.now() - began).toBeLessThan(5000);
    expect(readFileSync(world.path('polite/log'), 'utf8')).toBe('start\nstop\nterm\n');
  });

  test('two containers share one process namespace when asked to', async () => {
    await world.createPod('shared', {
      shareProcessNamespace: true,
      containers: [
        { name: 'c', image: IMAGE, command: ['sleep', '4242'] },
        {
          name: 'd',
          image: IMAGE,
          command: ['sh', '-c', 'until ps | grep -q "[s]leep 4242"; do sleep 0.1; done; echo seen; sleep 1000'],
        },
      ],
    });
    const pod = await world.ready('shared');
    await waitFor('the other to be seen', () => podLog(pod, 'd').includes('seen'));
    await world.deletePod('shared', 0);
  });

  test('a sidecar runs before and beside the containers and ends after them', async () => {
    await world.createPod('helped', {
      restartPolicy: 'Never',
      volumes: [{ name: 'v', emptyDir: {} }],
      initContainers: [
        {
          name: 'side',
          image: IMAGE,
          restartPolicy: 'Always',
          command: ['sh', '-c', 'sleep 0.3; touch /v/up; exec sleep 1000'],
          startupProbe: { exec: { command: ['test', '-e', '/v/up'] }, periodSeconds: 1 },
          volumeMounts: [{ name: 'v', mountPath: '/v' }],
        },
      ],
      containers: [
        { name: 'c', image: IMAGE, command: ['test', '-e', '/v/up'], volumeMounts: [{ name: 'v', mountPath: '/v' }] },
      ],
    });
    const pod = await world.pod('helped', 'to succeed', ({ status }) => status?.phase === 'Succeeded');
    expect(pod.status?.containerStatuses?.[0]?.state?.terminated?.exitCode).toBe(0);
    await world.pod(
      'helped',
      'to have its sidecar stopped',
      ({ status }) => status?.initContainerStatuses?.[0]?.state?.terminated !== undefined,
    );
    await world.deletePod('helped', 0);
  });
});
