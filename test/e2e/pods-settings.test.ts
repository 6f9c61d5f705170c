/** What a pod's containers are given: environment, command line, names, network, users and rights. */
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { clusterUnavailable, TestCluster } from '../harness/cluster.ts';
import { loadBusybox } from '../harness/images.ts';
import { apply, busyboxPod } from '../harness/objects.ts';
import { PodBoard } from '../harness/pods.ts';

vi.setConfig({ maxConcurrency: 8 });
const reason = clusterUnavailable();
const image = 'busybox:1.36';
const SETTINGS = `
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {color: blue, size: "12", dotted.name: d}
---
apiVersion: v1
kind: Secret
metadata: {name: keys}
stringData: {token: s3cr3t}
`;

const title = `pods get the settings they ask for${reason ? ` (skipped: ${reason})` : ''}`;
describe.skipIf(reason !== undefined).concurrent(title, () => {
  let cluster: TestCluster;
  let board: PodBoard;

  beforeAll(async () => {
    cluster = await TestCluster.start();
    board = new PodBoard(cluster);
    await loadBusybox(cluster);
    await apply(cluster, SETTINGS);
  });
  afterAll(() => cluster?.stop());

  /** Runs a pod of one container to its end and gives what it printed. */
  async function printed(name: string, script: string, container: object = {}, spec: object = {}): Promise<string> {
    await apply(cluster, busyboxPod(name, script, { container, spec: { restartPolicy: 'Never', ...spec } }));
    await board.finished(name);
    return (await cluster.ok(['logs', name])).stdout;
  }

  test('environment from values, ConfigMaps, Secrets, the pod and its resources', async () => {
    const field = (fieldPath: string): object => ({ valueFrom: { fieldRef: { fieldPath } } });
    const resource = (name: string, divisor: string): object => ({
      valueFrom: { resourceFieldRef: { resource: name, divisor } },
    });
    const env = [
      { name: 'PLAIN', value: 'a b' },
      { name: 'COLOR', valueFrom: { configMapKeyRef: { name: 'settings', key: 'color' } } },
      { name: 'TOKEN', valueFrom: { secretKeyRef: { name: 'keys', key: 'token' } } },
      { name: 'MAYBE', valueFrom: { secretKeyRef: { name: 'none', key: 'none', optional: true } } },
      { name: 'POD', ...field('metadata.name') },
      { name: 'SPACE', ...field('metadata.namespace') },
      { name: 'LABEL', ...field("metadata.labels['test']") },
      { name: 'NODE', ...field('spec.nodeName') },
      { name: 'IP', ...field('status.podIP') },
      { name: 'CPU', ...resource('limits.cpu', '1m') },
      { name: 'MEM', ...resource('requests.memory', '1Mi') },
      { name: 'JOINED', value: '$(PLAIN)-$(COLOR)-$$(COLOR)-$(NONE)' },
    ];
    const resources = { requests: { memory: '16Mi' }, limits: { cpu: '250m', memory: '32Mi' } };
    const out = await printed('environment', 'env', { env, resources });
    const { podIP } = (await board.pod('environment')).status;
    const lines = new Map(out.split('\n').map((line) => line.split(/=(.*)/s).slice(0, 2) as [string, string]));
    expect(Object.fromEntries(lines)).toMatchObject({
      PLAIN: 'a b',
      COLOR: 'blue',
      TOKEN: 's3cr3t',
      POD: 'environment',
      SPACE: 'default',
      LABEL: 'environment',
      NODE: 'node-1',
      IP: podIP,
      CPU: '250',
      MEM: '16',
      JOINED: 'a b-blue-$(COLOR)-$(NONE)',
      HOSTNAME: 'environment',
    });
    expect(podIP).toMatch(/^10\.42\.0\.\d+$/);
    expect(lines.has('MAYBE')).toBe(false);
  });

  test('envFrom takes all keys, with a prefix, below env', async () => {
    const envFrom = [
      { prefix: 'CM_', configMapRef: { name: 'settings' } },
      { secretRef: { name: 'keys' } },
      { configMapRef: { name: 'none', optional: true } },
    ];
    const env = [{ name: 'CM_size', value: 'own' }];
    const lines = (await printed('all-keys', 'env', { env, envFrom })).split('\n');
    expect(lines).toEqual(expect.arrayContaining(['CM_color=blue', 'CM_size=own', 'token=s3cr3t']));
  });

  test('a missing Secret key keeps the container waiting with its name', async () => {
    const env = [{ name: 'A', valueFrom: { secretKeyRef: { name: 'keys', key: 'other' } } }];
    await apply(cluster, busyboxPod('no-key', 'true', { container: { env } }));
    expect(await board.waiting('no-key', 'CreateContainerConfigError')).toBe(
      "couldn't find key other in Secret default/keys",
    );
  });

  test('command, args and workingDir, with variables in them', async () => {
    const container = {
      command: ['sh', '-c', 'pwd; echo "$0" "$@"', '$(FIRST)'],
      args: ['$$(FIRST)', '$(NONE)', 'a  b'],
      env: [{ name: 'FIRST', value: 'one two' }],
      workingDir: '/tmp',
    };
    expect(await printed('words', '', container)).toBe('/tmp\none two $(FIRST) $(NONE) a  b\n');
  });

  test('a command that does not exist is told as the reason', async () => {
    await apply(
      cluster,
      busyboxPod('no-program', '', { container: { command: ['/no/such'] }, spec: { restartPolicy: 'Never' } }),
    );
    const { status } = await board.finished('no-program');
    const ended = status.containerStatuses?.[0]?.state.terminated;
    expect(ended).toMatchObject({ exitCode: 128, reason: 'StartError' });
    expect(JSON.stringify(ended)).toContain('/no/such');
  });

  test('hostname, subdomain and hostAliases', async () => {
    const spec = {
      hostname: 'web',
      subdomain: 'sites',
      hostAliases: [{ ip: '10.9.8.7', hostnames: ['db.local', 'db'] }],
    };
    const out = await printed('named', 'hostname; cat /etc/hostname /etc/hosts', {}, spec);
    const { podIP } = (await board.pod('named')).status;
    expect(out).toMatch(/^web\nweb\n/);
    expect(out).toMatch(/^127\.0\.0\.1\s+localhost$/m);
    expect(out).toMatch(new RegExp(`^${podIP}\\s+web\\.sites\\.default\\.svc\\.cluster\\.local\\s+web$`, 'm'));
    expect(out).toMatch(/^10\.9\.8\.7\s+db\.local\s+db$/m);
  });

  test('a pod and a container with the longest names run, are logged and told about', async () => {
    const name = `${'long-'.repeat(50)}end`;
    expect(name).toHaveLength(253);
    const container = 'c'.repeat(63);
    expect(await printed(name, 'hostname', { name: container })).toBe(`${name.slice(0, 63).replace(/-$/, '')}\n`);
    await board.event(name, 'Started', new RegExp(`^Started container ${container}$`));
  });

  test('hostNetwork is the network of the node, and the pod has its address', async () => {
    const out = await printed('host-net', 'ls /sys/class/net; hostname', {}, { hostNetwork: true });
    expect(out).toContain(`k${cluster.run.id}`);
    const { podIP, hostIP } = (await board.pod('host-net')).status;
    expect(podIP).toBe(hostIP);
    expect(out.trim().split('\n').at(-1)).toBe((await cluster.command(['hostname'])).stdout.trim());
  });

  test('hostPID shows the processes of the node', async () => {
    const out = await printed('host-pid', 'ps -o pid,args', {}, { hostPID: true });
    expect(out).toContain(`--node-name`);
    expect(out.split('\n').length).toBeGreaterThan(20);
  });

  test('a host port leads to the pod from outside of it, and a second pod that wants it stays Pending', async () => {
    const serve = (name: string): string =>
      busyboxPod(name, 'mkdir /www; echo through the port > /www/index.html; exec httpd -f -p 80 -h /www', {
        container: { ports: [{ containerPort: 80, hostPort: 18080 }] },
      });
    await apply(cluster, serve('ported'));
    await board.ready('ported');
    // The world of the test has no other address than loopback's, which from inside a pod is the pod.
    const hostIP = '192.0.2.1';
    expect((await cluster.command(['ip', 'address', 'add', `${hostIP}/32`, 'dev', 'lo'])).code).toBe(0);
    const asker = await printed(
      'asker',
      `for i in 1 2 3 4 5; do wget -q -O - http://${hostIP}:18080/ && break; sleep 0.2; done`,
    );
    expect(asker).toBe('through the port\n');
    expect((await cluster.command(['busybox', 'wget', '-q', '-O', '-', `http://${hostIP}:18080/`])).stdout).toBe(
      'through the port\n',
    );
    await apply(cluster, serve('second'));
    const { status } = await board.until('second', 'be unschedulable', (pod) =>
      (pod.status.conditions ?? []).some((c) => c.reason === 'Unschedulable'),
    );
    expect(status.conditions?.find((c) => c.reason === 'Unschedulable')?.message).toMatch(
      /^0\/1 nodes are available: 1 node\(s\) didn't have free ports for the requested pod ports/,
    );
  });

  test('the quality-of-service class follows requests and limits, and so does the cgroup', async () => {
    const limits = { cpu: '100m', memory: '32Mi' };
    const classes: readonly [string, object][] = [
      ['BestEffort', {}],
      ['Burstable', { resources: { requests: { cpu: '10m' } } }],
      ['Guaranteed', { resources: { limits } }],
    ];
    for (const [qos, container] of classes) {
      const out = await printed(`qos-${qos.toLowerCase()}`, 'cat /proc/1/oom_score_adj', container);
      expect((await board.pod(`qos-${qos.toLowerCase()}`)).status.qosClass).toBe(qos);
      expect(Number(out)).toBeLessThanOrEqual(1000);
    }
  });

  test('user, groups and fsGroup', async () => {
    const securityContext = { runAsUser: 1000, runAsGroup: 2000, fsGroup: 3000, supplementalGroups: [4000] };
    const volumes = [{ name: 'data', emptyDir: {} }];
    const container = { volumeMounts: [{ name: 'data', mountPath: '/data' }] };
    const script = 'id -u; id -g; id -G; touch /data/x; stat -c "%u:%g %a" /data /data/x';
    const lines = (await printed('user', script, container, { securityContext, volumes })).trim().split('\n');
    expect(lines.slice(0, 2)).toEqual(['1000', '2000']);
    expect(lines[2]?.split(' ').sort()).toEqual(['2000', '3000', '4000']);
    expect(lines.slice(3)).toEqual(['0:3000 2777', '1000:3000 644']);
  });

  test('runAsNonRoot refuses an image that would run as root', async () => {
    const spec = { securityContext: { runAsNonRoot: true } };
    await apply(cluster, busyboxPod('rooted', 'true', { spec }));
    const message = await board.waiting('rooted', 'CreateContainerConfigError');
    const { uid } = (await board.pod('rooted')).metadata;
    expect(message).toBe(
      `container has runAsNonRoot and image will run as root (pod: "rooted_default(${uid})", container: main)`,
    );
  });

  test('a read-only root file system refuses writes, its volumes do not', async () => {
    const container = {
      securityContext: { readOnlyRootFilesystem: true },
      volumeMounts: [{ name: 'data', mountPath: '/data' }],
    };
    const out = await printed('read-only', 'touch /x 2>&1; touch /data/x && echo written', container, {
      volumes: [{ name: 'data', emptyDir: {} }],
    });
    expect(out).toMatch(/Read-only file system\nwritten\n$/);
  });

  test('capabilities: all dropped, one added, and all of them when privileged', async () => {
    const caps = 'grep -E "CapEff|CapBnd" /proc/self/status | cut -f2';
    const drop = { securityContext: { capabilities: { drop: ['ALL'] } } };
    expect(await printed('none', `${caps}; chown 1 /tmp 2>&1`, drop)).toMatch(/^0{16}\n0{16}\n.*not permitted/);
    const add = { securityContext: { capabilities: { drop: ['ALL'], add: ['NET_BIND_SERVICE'] } } };
    expect(await printed('one', caps, add)).toBe('0000000000000400\n0000000000000400\n');
    const script = `${caps}; grep -E "Seccomp:" /proc/self/status; ls /dev | wc -l; mount -t tmpfs t /mnt && echo mounted`;
    const lines = (await printed('all', `mkdir -p /mnt; ${script}`, { securityContext: { privileged: true } }))
      .trim()
      .split('\n');
    expect(Number.parseInt(lines[0] ?? '', 16)).toBeGreaterThan(0xa80425fb);
    expect(lines[2]).toBe('Seccomp:\t0');
    expect(Number(lines[3])).toBeGreaterThan(20);
    expect(lines[4]).toBe('mounted');
  });

  test('allowPrivilegeEscalation: false takes the power of a setuid program', async () => {
    const volumes = [{ name: 'bin', emptyDir: {} }];
    const volumeMounts = [{ name: 'bin', mountPath: '/suid' }];
    const command = ['sh', '-c', 'cp /bin/busybox /suid/busybox; chmod 4755 /suid/busybox'];
    const initContainers = [{ name: 'make', image, command, volumeMounts }];
    const script = 'grep NoNewPrivs /proc/self/status; /suid/busybox su -c id root < /dev/null 2>&1; true';
    const run = (name: string, allowPrivilegeEscalation: boolean): Promise<string> =>
      printed(
        name,
        script,
        { volumeMounts, securityContext: { runAsUser: 1000, allowPrivilegeEscalation } },
        { volumes, initContainers },
      );
    const [may, mayNot] = await Promise.all([run('may-rise', true), run('may-not-rise', false)]);
    expect(may).toContain('NoNewPrivs:\t0');
    expect(may).not.toContain('must be suid');
    expect(mayNot).toContain('NoNewPrivs:\t1');
    expect(mayNot).toContain('must be suid');
  });

  test('seccomp: a filter by default, none when Unconfined', async () => {
    const script = 'grep Seccomp: /proc/self/status; unshare -U true && echo unshared';
    const unconfined = { securityContext: { seccompProfile: { type: 'Unconfined' } } };
    expect(await printed('unconfined', script, unconfined)).toMatch(/^Seccomp:\t0\n/);
    expect(await printed('confined', script)).toMatch(/^Seccomp:\t2\n.*Operation not permitted\n$/);
  });

  test('safe sysctls are set for the pod; one that is not allowed is refused', async () => {
    const sysctls = [
      { name: 'net.ipv4.ip_unprivileged_port_start', value: '80' },
      { name: 'net.ipv4.ping_group_range', value: '0 5000' },
    ];
    const script = 'cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/net/ipv4/ping_group_range';
    const out = await printed('sysctls', script, {}, { securityContext: { sysctls } });
    expect(out).toMatch(/^80\n0\s+5000\n$/);
    const unsafe = { securityContext: { sysctls: [{ name: 'kernel.msgmax', value: '9000' }] } };
    await apply(cluster, busyboxPod('unsafe', 'true', { spec: unsafe }));
    const { status } = await board.finished('unsafe');
    expect(status).toMatchObject({ phase: 'Failed', reason: 'SysctlForbidden' });
  });
});
