/** The life of a pod: init containers, restarts, probes, hooks, ends. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { clusterUnavailable, TestCluster } from '../harness/cluster.ts';
import { loadBusybox } from '../harness/images.ts';
import { apply, busyboxPod } from '../harness/objects.ts';
import { isReadyNow, PodBoard } from '../harness/pods.ts';
import { waitFor } from '../harness/wait.ts';

vi.setConfig({ maxConcurrency: 8 });
const reason = clusterUnavailable();
const image = 'busybox:1.36';

describe
  .skipIf(reason !== undefined)
  .concurrent(`pods live and end as told${reason ? ` (skipped: ${reason})` : ''}`, () => {
    let cluster: TestCluster;
    let board: PodBoard;

    beforeAll(async () => {
      cluster = await TestCluster.start();
      board = new PodBoard(cluster);
      await loadBusybox(cluster);
      mkdirSync(cluster.path('seen'));
    });
    afterAll(() => cluster?.stop());

    /** A file that containers with the volume `seen` write. */
    const seen = (name: string): string => {
      const path = cluster.path('seen', name);
      return existsSync(path) ? readFileSync(path, 'utf8') : '';
    };
    /** The volume over the folder of {@link seen}, and its mount at /seen. */
    const seenVolume = (): object => ({ volumes: [{ name: 'seen', hostPath: { path: cluster.path('seen') } }] });
    const seenMount = { volumeMounts: [{ name: 'seen', mountPath: '/seen' }] };
    const sh = (script: string): object => ({ exec: { command: ['sh', '-c', script] } });

    test('init containers run one after the other before the app', async () => {
      const init = (name: string): object => ({
        name,
        image,
        command: ['sh', '-c', `echo ${name} starts >> /seen/order; sleep 0.2; echo ${name} ends >> /seen/order`],
        ...seenMount,
      });
      const spec = { initContainers: [init('first'), init('second')], restartPolicy: 'Never', ...seenVolume() };
      await apply(cluster, busyboxPod('ordered', 'echo app >> /seen/order', { spec, container: seenMount }));
      const { status } = await board.finished('ordered');
      expect(status.phase).toBe('Succeeded');
      expect(seen('order')).toBe('first starts\nfirst ends\nsecond starts\nsecond ends\napp\n');
      expect(status.initContainerStatuses?.map((c) => c.state.terminated?.reason)).toEqual(['Completed', 'Completed']);
      expect(status.conditions?.find((c) => c.type === 'Initialized')?.status).toBe('True');
    });

    test('a failing init container fails a pod that must not restart, and its app never runs', async () => {
      const initContainers = [{ name: 'bad', image, command: ['sh', '-c', 'exit 3'] }];
      await apply(cluster, busyboxPod('init-never', 'true', { spec: { initContainers, restartPolicy: 'Never' } }));
      const { status } = await board.finished('init-never');
      expect(status.phase).toBe('Failed');
      expect(status.initContainerStatuses?.[0]?.state.terminated).toMatchObject({ exitCode: 3, reason: 'Error' });
      expect(status.containerStatuses?.[0]?.state.waiting?.reason).toBe('PodInitializing');
      expect((await cluster.ok(['get', 'pod', 'init-never'])).stdout).toMatch(/init-never +0\/1 +Init:Error +0 /);
    });

    test('a failing init container is tried again until it ends well, when the pod may restart', async () => {
      const script = 'echo try >> /seen/tries; [ $(wc -l < /seen/tries) -ge 2 ]';
      const initContainers = [{ name: 'flaky', image, command: ['sh', '-c', script], ...seenMount }];
      await apply(cluster, busyboxPod('init-always', 'sleep 1000', { spec: { initContainers, ...seenVolume() } }));
      const { status } = await board.running('init-always');
      expect(seen('tries')).toBe('try\ntry\n');
      expect(status.initContainerStatuses?.[0]).toMatchObject({ restartCount: 1, ready: true });
      expect(status.conditions?.find((c) => c.type === 'Initialized')?.status).toBe('True');
    });

    test('containers of a pod share network and localhost, and each has its own files', async () => {
      const server = { name: 'server', image, command: ['httpd', '-f', '-p', '127.0.0.1:8080', '-h', '/etc'] };
      const script = 'touch /mine; until wget -q -O - http://127.0.0.1:8080/hostname; do sleep 0.1; done; sleep 1000';
      const main = { name: 'main', image, command: ['sh', '-c', script] };
      await apply(cluster, busyboxPod('shared', '', { spec: { containers: [server, main] } }));
      await board.logs('shared', /^shared$/m, ['-c', 'main']);
      const inServer = await cluster.skiff(['exec', 'shared', '-c', 'server', '--', 'ls', '/mine']);
      expect(inServer.stderr).toContain('No such file or directory');
      expect((await cluster.ok(['get', 'pod', 'shared'])).stdout).toMatch(/shared +2\/2 +Running/);
    });

    const policies: readonly [string, string, number, string, string, number][] = [
      ['Always', 'ok', 0, 'Running', 'Completed', 1],
      ['OnFailure', 'bad', 1, 'Running', 'Error', 1],
      ['OnFailure', 'ok', 0, 'Succeeded', 'Completed', 0],
      ['Never', 'ok', 0, 'Succeeded', 'Completed', 0],
      ['Never', 'bad', 4, 'Failed', 'Error', 0],
    ];
    test.each(policies)('restartPolicy %s, ended %s (%i): %s', async (policy, word, code, phase, why, restarts) => {
      const name = `${policy.toLowerCase()}-${word}`;
      await apply(cluster, busyboxPod(name, `sleep 0.3; exit ${code}`, { spec: { restartPolicy: policy } }));
      if (restarts > 0) {
        const [status] = (await board.restarted(name)).status.containerStatuses ?? [];
        expect(status?.lastState.terminated).toMatchObject({ exitCode: code, reason: why });
        expect((await board.pod(name)).status.phase).toBe(phase);
      } else {
        const { status } = await board.finished(name);
        expect(status.phase).toBe(phase);
        expect(status.containerStatuses?.[0]).toMatchObject({ restartCount: 0 });
        expect(status.containerStatuses?.[0]?.state.terminated).toMatchObject({ exitCode: code, reason: why });
      }
    });

    test('a container that keeps crashing backs off, says so, and its earlier logs can be read', async () => {
      const script = 'cat /proc/sys/kernel/random/uuid; echo last words >&2; exit 1';
      await apply(cluster, busyboxPod('crash', script));
      const message = await board.waiting('crash', 'CrashLoopBackOff');
      const { uid } = (await board.pod('crash')).metadata;
      expect(message).toMatch(/^back-off (10|20)s restarting failed container=main pod=/);
      expect(message).toContain(`pod=crash_default(${uid})`);
      const { type } = await board.event(
        'crash',
        'BackOff',
        /^Back-off restarting failed container main in pod crash_/,
      );
      expect(type).toBe('Warning');
      expect((await cluster.ok(['get', 'pod', 'crash'])).stdout).toMatch(/crash +0\/1 +CrashLoopBackOff +\d/);
      await board.restarted('crash', 1);
      const before = (await cluster.ok(['logs', 'crash', '--previous'])).stdout;
      expect(before).toMatch(/^[0-9a-f-]{36}\nlast words\n$/);
    });

    test('a termination message comes from the file, or from the log of a failed container when asked for', async () => {
      const never = { restartPolicy: 'Never' };
      const fallback = { terminationMessagePolicy: 'FallbackToLogsOnError' };
      await apply(
        cluster,
        [
          busyboxPod('message-file', 'echo -n from the file > /dev/termination-log; echo log; exit 1', { spec: never }),
          busyboxPod('message-path', 'echo -n elsewhere > /tmp/said', {
            spec: never,
            container: { terminationMessagePath: '/tmp/said' },
          }),
          busyboxPod('message-log', 'echo from the log; exit 1', { spec: never, container: fallback }),
          busyboxPod('message-none', 'echo from the log; exit 0', { spec: never, container: fallback }),
        ].join('\n---\n'),
      );
      const message = async (name: string): Promise<unknown> =>
        (await board.finished(name)).status.containerStatuses?.[0]?.state.terminated;
      expect(await message('message-file')).toMatchObject({ message: 'from the file' });
      expect(await message('message-path')).toMatchObject({ message: 'elsewhere' });
      expect(await message('message-log')).toMatchObject({ message: expect.stringMatching(/^from the log\n?$/) });
      expect(await message('message-none')).not.toHaveProperty('message');
    });

    const quick = { periodSeconds: 1, failureThreshold: 1 };
    const web = 'mkdir -p /www; echo ok > /www/healthz; httpd -p 8080 -h /www; sleep 1.5';
    const liveness: readonly [string, string, object, RegExp][] = [
      ['exec', 'touch /ok; sleep 1.5; rm /ok; sleep 1000', { exec: { command: ['cat', '/ok'] } }, /No such file/],
      ['http', `${web}; rm /www/healthz; sleep 1000`, { httpGet: { path: '/healthz', port: 8080 } }, /statuscode: 404/],
      ['tcp', `${web}; killall httpd; sleep 1000`, { tcpSocket: { port: 8080 } }, /connection refused/],
    ];
    test.each(liveness)('a failing %s liveness probe restarts the container', async (kind, script, probe, said) => {
      const name = `live-${kind}`;
      const livenessProbe = { ...quick, initialDelaySeconds: 1, ...probe };
      await apply(cluster, busyboxPod(name, script, { container: { livenessProbe } }));
      const [status] = (await board.restarted(name)).status.containerStatuses ?? [];
      expect(status?.lastState.terminated).toMatchObject({ exitCode: 137 });
      expect((await board.event(name, 'Unhealthy', /^Liveness probe failed: /)).message).toMatch(said);
      await board.event(name, 'Killing', /^Container main failed liveness probe, will be restarted$/);
    });

    test('a readiness probe takes a running pod out and in again, without a restart', async () => {
      const readinessProbe = { ...quick, exec: { command: ['cat', '/tmp/ready'] } };
      await apply(cluster, busyboxPod('gated', 'sleep 1000', { container: { readinessProbe } }));
      await board.event('gated', 'Unhealthy', /^Readiness probe failed: /);
      expect(isReadyNow(await board.running('gated'))).toBe(false);
      expect((await cluster.ok(['get', 'pod', 'gated'])).stdout).toMatch(/gated +0\/1 +Running/);
      await board.inside('gated', 'touch', '/tmp/ready');
      await board.ready('gated');
      await board.inside('gated', 'rm', '/tmp/ready');
      const { status } = await board.until('gated', 'be unready again', (pod) => !isReadyNow(pod));
      expect(status.conditions?.find((c) => c.type === 'Ready')).toMatchObject({ reason: 'ContainersNotReady' });
      expect(status.containerStatuses?.[0]?.restartCount).toBe(0);
    });

    test('the other probes wait for the startup probe', async () => {
      const container = {
        startupProbe: { periodSeconds: 1, failureThreshold: 30, exec: { command: ['cat', '/tmp/up'] } },
        livenessProbe: { ...quick, exec: { command: ['cat', '/tmp/up'] } },
      };
      await apply(cluster, busyboxPod('slow', 'sleep 1000', { container }));
      const early = await board.running('slow');
      expect(early.status.containerStatuses?.[0]).toMatchObject({ ready: false, started: false });
      await board.event('slow', 'Unhealthy', /^Startup probe failed: /);
      await board.inside('slow', 'touch', '/tmp/up');
      const { status } = await board.ready('slow');
      expect(status.containerStatuses?.[0]).toMatchObject({ restartCount: 0, started: true });
    });

    test('postStart and preStop commands run, and preStop delays the end', async () => {
      const lifecycle = {
        postStart: sh('echo started >> /seen/hooks'),
        preStop: sh('sleep 0.5; echo stopping >> /seen/hooks'),
      };
      const script = 'trap "echo ended >> /seen/hooks; exit 0" TERM; while :; do sleep 0.1; done';
      const spec = { terminationGracePeriodSeconds: 20, ...seenVolume() };
      await apply(cluster, busyboxPod('hooked', script, { spec, container: { lifecycle, ...seenMount } }));
      await board.ready('hooked');
      await cluster.ok(['delete', 'pod', 'hooked']);
      expect(seen('hooks')).toBe('started\nstopping\nended\n');
    });

    test('a preStop hook that takes longer than the grace is cut off, and the pod goes', async () => {
      const container = { lifecycle: { preStop: sh('sleep 100') } };
      const spec = { terminationGracePeriodSeconds: 2 };
      await apply(cluster, busyboxPod('dallying', 'sleep 1000', { spec, container }));
      await board.ready('dallying');
      const started = Date.now();
      await cluster.ok(['delete', 'pod', 'dallying']);
      expect(Date.now() - started).toBeGreaterThanOrEqual(1900);
      expect(Date.now() - started).toBeLessThan(45_000);
      await board.event('dallying', 'FailedPreStopHook', /grace period ended/);
    });

    test('a sidecar starts before the app, outlives it, and does not keep the pod from succeeding', async () => {
      const side = {
        name: 'side',
        image,
        restartPolicy: 'Always',
        command: [
          'sh',
          '-c',
          'echo side >> /seen/side; trap "echo side ends >> /seen/side; exit 0" TERM; while :; do sleep 0.1; done',
        ],
        startupProbe: { exec: { command: ['grep', 'side', '/seen/side'] }, periodSeconds: 1 },
        ...seenMount,
      };
      const spec = {
        restartPolicy: 'Never',
        terminationGracePeriodSeconds: 10,
        initContainers: [side],
        ...seenVolume(),
      };
      const script = 'echo app >> /seen/side; sleep 0.5; echo app ends >> /seen/side';
      await apply(cluster, busyboxPod('accompanied', script, { spec, container: seenMount }));
      const { status } = await board.finished('accompanied');
      expect(status.phase).toBe('Succeeded');
      await waitFor('the sidecar to end', () => seen('side').includes('side ends'));
      expect(seen('side')).toBe('side\napp\napp ends\nside ends\n');
    });

    test('http hooks ask the address they name; a failing postStart kills the container', async () => {
      const serve = 'mkdir -p /seen/www/cgi-bin; cd /seen/www; exec httpd -f -vv -p 9090 2>> /seen/requests';
      await apply(cluster, busyboxPod('listener', serve, { spec: seenVolume(), container: seenMount }));
      const host = (await board.running('listener')).status.podIP ?? '';
      const get = (path: string): object => ({ httpGet: { host, port: 9090, path } });
      await waitFor('the listener', async () => {
        const { stderr } = await cluster.command(['busybox', 'wget', '-q', '-O', '-', `http://${host}:9090/none`]);
        return stderr.includes('404');
      });
      await apply(
        cluster,
        busyboxPod('web-stop', 'sleep 1000', { container: { lifecycle: { preStop: get('/stop') } } }),
      );
      await apply(
        cluster,
        busyboxPod('web-start', 'sleep 1000', { container: { lifecycle: { postStart: get('/no') } } }),
      );
      await board.event('web-start', 'FailedPostStartHook', /404/);
      await board.restarted('web-start');
      await board.ready('web-stop');
      await cluster.ok(['delete', 'pod', 'web-stop']);
      expect(seen('requests')).toContain('/stop');
    });

    test('a container that ignores TERM is killed when its grace is over, not before', async () => {
      const script =
        'trap "echo TERM $(cut -d. -f1 /proc/uptime) >> /seen/deaf" TERM; echo up; while :; do sleep 0.1; done';
      const spec = { terminationGracePeriodSeconds: 2, ...seenVolume() };
      await apply(cluster, busyboxPod('deaf', script, { spec, container: seenMount }));
      await board.logs('deaf', /up/);
      const started = Date.now();
      await cluster.ok(['delete', 'pod', 'deaf']);
      expect(Date.now() - started).toBeGreaterThanOrEqual(1900);
      expect(Date.now() - started).toBeLessThan(45_000);
      expect(seen('deaf')).toMatch(/^TERM \d+\n$/);
      expect((await cluster.skiff(['get', 'pod', 'deaf'])).stderr).toContain('pods "deaf" not found');
    });

    test('a pod over its active deadline fails with DeadlineExceeded', async () => {
      await apply(cluster, busyboxPod('late', 'sleep 1000', { spec: { activeDeadlineSeconds: 1 } }));
      const { status } = await board.finished('late');
      expect(status).toMatchObject({ phase: 'Failed', reason: 'DeadlineExceeded' });
      expect(status.message).toBe('Pod was active on the node longer than the specified deadline');
      await board.event('late', 'DeadlineExceeded');
    });

    test('logs: one container of several, the last lines, since, timestamps, following to the end', async () => {
      const script = 'for i in 1 2 3; do echo line $i; done; until [ -f /seen/talk ]; do sleep 0.1; done; echo last';
      const main = { name: 'main', image, command: ['sh', '-c', script], ...seenMount };
      const side = { name: 'side', image, command: ['sh', '-c', 'echo from the side; sleep 1000'] };
      const spec = { restartPolicy: 'Never', containers: [main, side], ...seenVolume() };
      await apply(cluster, busyboxPod('talk', '', { spec }));
      await board.running('talk');
      const logs = async (...args: string[]): Promise<string> =>
        (await cluster.ok(['logs', 'talk', '-c', 'main', ...args])).stdout;
      const following = logs('-f');
      expect(await board.logs('talk', /from/, ['-c', 'side'])).toBe('from the side\n');
      expect(await board.logs('talk', /line 3/, ['-c', 'main', '--tail=2'])).toBe('line 2\nline 3\n');
      const stamped = await logs('--timestamps', '--tail=3');
      expect(stamped).toMatch(/^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z line \d\n){3}$/);
      const third = stamped.split('\n')[2]?.split(' ')[0] ?? '';
      await waitFor('the lines to be a second old', async () => (await logs('--since=1s')) === '');
      writeFileSync(cluster.path('seen/talk'), '');
      expect(await following).toBe('line 1\nline 2\nline 3\nlast\n');
      expect(await logs(`--since-time=${third}`)).toMatch(/line 3\nlast\n$/);
      expect(await logs('--since=1h')).toBe('line 1\nline 2\nline 3\nlast\n');
      const none = await cluster.skiff(['logs', 'talk', '-c', 'side', '--previous']);
      expect(none.code).toBe(1);
      expect(none.stderr).toContain('previous terminated container "side" in pod "talk" not found');
    });
  });
