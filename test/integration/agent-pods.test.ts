import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type corev1, KINDS } from '../../proto/index.ts';
import { waitFor } from '../harness/wait.ts';
import { AgentWorld, agentUnavailable } from './agent-world/world.ts';

const why = agentUnavailable();
const IMAGE = 'busybox:1.36';
const shell = (script: string): readonly string[] => ['sh', '-c', script];

/** Process 1 of a container, on the node, by a marker in its command line. */
function pidOf(marker: string): number {
  for (const entry of readdirSync('/proc')) {
    try {
      const line = readFileSync(`/proc/${entry}/cmdline`, 'utf8');
      if (line.includes(marker) && !line.includes('conmon') && !line.includes('crun')) return Number(entry);
    } catch {
      // Not a process, or gone.
    }
  }
  throw new Error(`no process with ${marker}`);
}

describe.skipIf(why !== undefined)(`pods on a real machine${why === undefined ? '' : ` (skipped: ${why})`}`, () => {
  let world: AgentWorld;

  beforeAll(async () => {
    world = await AgentWorld.start();
  });

  afterAll(async () => {
    expect(await world?.stop()).toEqual([]);
  });

  const statusOf = (pod: corev1.Pod, name = 'c'): corev1.ContainerStatus | undefined =>
    [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])].find(
      (s) => s.name === name,
    );

  const podLog = (pod: corev1.Pod, container = 'c', attempt = 0): string => {
    const { namespace, name, uid } = pod.metadata ?? {};
    return readFileSync(world.path('var/log/pods', `${namespace}_${name}_${uid}`, container, `${attempt}.log`), 'utf8');
  };

  test('a pod runs, is ready with its address, and deleting it leaves nothing', async () => {
    await world.createPod('plain', {
      containers: [{ name: 'c', image: IMAGE, command: [...shell('echo hello; sleep 1000')] }],
    });
    const pod = await world.ready('plain');
    expect(pod.status).toMatchObject({ phase: 'Running', qosClass: 'BestEffort', hostIP: '127.0.0.1' });
    expect(pod.status?.podIP).toMatch(/^10\.42\.0\.\d+$/);
    expect(statusOf(pod)).toMatchObject({
      ready: true,
      started: true,
      restartCount: 0,
      image: 'docker.io/library/busybox:1.36',
    });
    await waitFor('the output', () => podLog(pod).includes('stdout F hello'));
    expect(world.tracesOf(pod.metadata?.uid ?? '').length).toBeGreaterThan(5);
    await world.deletePod('plain');
    expect(world.tracesOf(pod.metadata?.uid ?? '')).toEqual([]);
  });

  test('init containers, two containers, volumes, environment and probes together', async () => {
    await world.api.create(KINDS.ConfigMap, {
      metadata: { name: 'conf', namespace: 'default' },
      data: { 'app.conf': 'color=red\n', COLOR: 'red' },
    });
    await world.api.create(KINDS.Secret, {
      metadata: { name: 'cred', namespace: 'default' },
      data: { password: Buffer.from('s3cret') },
    });
    await world.createPod(
      'whole',
      {
        volumes: [
          { name: 'shared', emptyDir: {} },
          { name: 'fast', emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } },
          { name: 'conf', configMap: { name: 'conf' } },
          { name: 'cred', secret: { secretName: 'cred', defaultMode: 0o400 } },
          { name: 'info', downwardAPI: { items: [{ path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } }] } },
        ],
        initContainers: [
          {
            name: 'first',
            image: IMAGE,
            command: [...shell('echo one > /shared/index.html')],
            volumeMounts: [{ name: 'shared', mountPath: '/shared' }],
          },
          {
            name: 'second',
            image: IMAGE,
            command: [...shell('cat /shared/index.html && echo two >> /shared/index.html')],
            volumeMounts: [{ name: 'shared', mountPath: '/shared' }],
          },
        ],
        containers: [
          {
            name: 'web',
            image: IMAGE,
            command: ['httpd', '-f', '-p', '8080', '-h', '/www'],
            ports: [{ name: 'http', containerPort: 8080 }],
            volumeMounts: [{ name: 'shared', mountPath: '/www' }],
            readinessProbe: { httpGet: { path: '/index.html', port: 'http' }, periodSeconds: 1 },
            livenessProbe: { tcpSocket: { port: '8080' }, periodSeconds: 1 },
          },
          {
            name: 'side',
            image: IMAGE,
            command: [
              ...shell(
                'env; cat /etc/conf/app.conf /etc/cred/password /etc/info/labels; cat /one; df /fast | tail -1; exec sleep 1000',
              ),
            ],
            env: [
              { name: 'A', value: 'a' },
              { name: 'B', value: '$(A)b $$(A) $(NONE)' },
              { name: 'NODE', valueFrom: { fieldRef: { fieldPath: 'spec.nodeName' } } },
              { name: 'IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
              { name: 'PASSWORD', valueFrom: { secretKeyRef: { name: 'cred', key: 'password' } } },
              { name: 'LIMIT', valueFrom: { resourceFieldRef: { resource: 'limits.memory', divisor: '1Mi' } } },
            ],
            envFrom: [{ prefix: 'CONF_', configMapRef: { name: 'conf' } }],
            resources: { limits: { memory: '64Mi' } },
            volumeMounts: [
              { name: 'conf', mountPath: '/etc/conf' },
              { name: 'cred', mountPath: '/etc/cred' },
              { name: 'info', mountPath: '/etc/info' },
              { name: 'fast', mountPath: '/fast' },
              { name: 'conf', mountPath: '/one', subPath: 'app.conf' },
            ],
            startupProbe: { exec: { command: ['true'] }, periodSeconds: 1 },
          },
        ],
      },
      { labels: { app: 'whole' } },
    );
    const pod = await world.ready('whole');
    expect(statusOf(pod, 'first')).toMatchObject({
      ready: true,
      state: { terminated: { exitCode: 0, reason: 'Completed' } },
    });
    expect(pod.status?.qosClass).toBe('Burstable');
    expect(world.command(['busybox', 'wget', '-q', '-O', '-', `http://${pod.status?.podIP}:8080/`])).toBe('one\ntwo\n');
    const text = await waitFor('the output', () =>
      podLog(pod, 'side').includes('/fast') ? podLog(pod, 'side') : undefined,
    );
    for (const line of [
      'B=ab $(A) $(NONE)',
      'NODE=node-1',
      `IP=${pod.status?.podIP}`,
      'PASSWORD=s3cret',
      'LIMIT=64',
      'CONF_COLOR=red',
      'color=red',
      's3cret',
      'app="whole"',
      ' 1024 ',
    ]) {
      expect(text).toContain(line);
    }
    await world.deletePod('whole', 0);
    expect(world.tracesOf(pod.metadata?.uid ?? '')).toEqual([]);
  });

  test('a container over its memory limit is OOMKilled with 137', async () => {
    await world.createPod('greedy', {
      restartPolicy: 'Never',
      containers: [
        {
          name: 'c',
          image: IMAGE,
          command: [...shell('dd if=/dev/zero of=/dev/null bs=64M count=4')],
          resources: { limits: { memory: '16Mi' } },
        },
      ],
    });
    const pod = await world.pod('greedy', 'to fail', ({ status }) => status?.phase === 'Failed');
    expect(statusOf(pod)?.state?.terminated).toMatchObject({ reason: 'OOMKilled', exitCode: 137 });
    await world.deletePod('greedy', 0);
  });

  test('a container killed from outside restarts within a second and is counted; then it backs off', async () => {
    await world.createPod('victim', { containers: [{ name: 'c', image: IMAGE, command: ['sleep', '7654321'] }] });
    await world.ready('victim');
    const killedAt = Date.now();
    process.kill(pidOf('7654321'), 'SIGKILL');
    const again = await world.pod(
      'victim',
      'to restart',
      (pod) => statusOf(pod)?.restartCount === 1 && statusOf(pod)?.state?.running !== undefined,
    );
    expect(Date.now() - killedAt).toBeLessThan(1000);
    expect(statusOf(again)?.lastState?.terminated).toMatchObject({ exitCode: 137, reason: 'Error' });
    process.kill(pidOf('7654321'), 'SIGKILL');
    const held = await world.pod('victim', 'to back off', (pod) => statusOf(pod)?.state?.waiting !== undefined);
    expect(statusOf(held)?.state?.waiting).toEqual({
      reason: 'CrashLoopBackOff',
      message: `back-off 10s restarting failed container=c pod=victim_default(${held.metadata?.uid})`,
    });
    await world.deletePod('victim', 0);
  });

  test('an agent killed with SIGKILL comes back to the same processes and counts', async () => {
    await world.createPod('survivor', {
      containers: [
        { name: 'c', image: IMAGE, command: ['sleep', '8765432'], readinessProbe: { exec: { command: ['true'] } } },
      ],
    });
    const before = await world.ready('survivor');
    const pid = pidOf('8765432');
    for (let round = 0; round < 3; round += 1) {
      await world.stopAgent('SIGKILL');
      await world.startAgent();
      expect(pidOf('8765432')).toBe(pid);
    }
    const after = await world.ready('survivor');
    expect(statusOf(after)).toEqual(statusOf(before));
    expect(after.status).toEqual(before.status);
    await world.stopAgent('SIGKILL');
    process.kill(pid, 'SIGKILL');
    await world.startAgent();
    const restarted = await world.pod(
      'survivor',
      'to restart',
      (pod) => statusOf(pod)?.restartCount === 1 && statusOf(pod)?.ready === true,
    );
    expect(statusOf(restarted)?.lastState?.terminated?.exitCode).toBe(137);
    await world.deletePod('survivor', 0);
    expect(world.tracesOf(before.metadata?.uid ?? '')).toEqual([]);
  });

  test('what cannot be started says why in Kubernetes words', async () => {
    const cases: readonly (readonly [string, corev1.Container, string, string | RegExp])[] = [
      [
        'no-image',
        { image: 'nowhere:1', imagePullPolicy: 'Never' },
        'ErrImageNeverPull',
        'Container image "nowhere:1" is not present with pull policy of Never',
      ],
      ['bad-name', { image: 'UPPER:1' }, 'InvalidImageName', /couldn't parse image name/],
      [
        'no-map',
        { image: IMAGE, envFrom: [{ configMapRef: { name: 'absent' } }] },
        'CreateContainerConfigError',
        'configmap "absent" not found',
      ],
      [
        'no-key',
        { image: IMAGE, env: [{ name: 'X', valueFrom: { configMapKeyRef: { name: 'conf', key: 'nope' } } }] },
        'CreateContainerConfigError',
        "couldn't find key nope in ConfigMap default/conf",
      ],
      [
        'root-user',
        { image: IMAGE, securityContext: { runAsNonRoot: true } },
        'CreateContainerConfigError',
        /container has runAsNonRoot and image will run as root/,
      ],
    ];
    for (const [name, container] of cases) await world.createPod(name, { containers: [{ name: 'c', ...container }] });
    for (const [name, , reason, message] of cases) {
      const pod = await world.pod(name, `to wait for ${reason}`, (p) => statusOf(p)?.state?.waiting?.reason === reason);
      expect(statusOf(pod)?.state?.waiting?.message).toEqual(
        typeof message === 'string' ? message : expect.stringMatching(message),
      );
      expect(pod.status?.phase).toBe('Pending');
    }
    for (const [name] of cases) await world.deletePod(name, 0);
  });

  test('a command that does not exist ends with StartError and 128', async () => {
    await world.createPod('no-command', {
      restartPolicy: 'Never',
      containers: [{ name: 'c', image: IMAGE, command: ['/no/such/program'] }],
    });
    const pod = await world.pod('no-command', 'to fail', ({ status }) => status?.phase === 'Failed');
    expect(statusOf(pod)?.state?.terminated).toMatchObject({ reason: 'StartError', exitCode: 128 });
    await world.deletePod('no-command', 0);
  });

  test('a container that fails its liveness probe is restarted; its termination message is kept', async () => {
    await world.createPod('sick', {
      containers: [
        {
          name: 'c',
          image: IMAGE,
          command: [
            ...shell(
              'trap "echo bye > /dev/termination-log; exit 3" TERM; touch /tmp/ok; while true; do sleep 0.1; done',
            ),
          ],
          livenessProbe: { exec: { command: ['test', '-e', '/tmp/ok'] }, periodSeconds: 1, failureThreshold: 1 },
          lifecycle: { postStart: { exec: { command: ['touch', '/tmp/ok'] } } },
        },
      ],
    });
    await world.ready('sick');
    const pid = pidOf('/dev/termination-log');
    world.command(['rm', `/proc/${pid}/root/tmp/ok`]);
    const pod = await world.pod('sick', 'to restart', (p) => statusOf(p)?.restartCount === 1);
    expect(statusOf(pod)?.lastState?.terminated).toMatchObject({ exitCode: 3, reason: 'Error', message: 'bye\n' });
    await waitFor('the events', () => world.events('Unhealthy').some((m) => m.startsWith('Liveness probe failed')));
    expect(world.events('Killing')).toContain('Container c failed liveness probe, will be restarted');
    await world.deletePod('sick', 0);
  });
});
