/** Several machines: joined by the line that is printed, sharing the work, leaving and coming back. One after the other. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { clusterUnavailable, type TestCluster } from '../harness/cluster.ts';
import { busyboxArchive } from '../harness/images.ts';
import { TestMachines } from '../harness/machines.ts';
import { apply, type PodJson, sleepers, waitReady } from '../harness/objects.ts';
import { waitFor } from '../harness/wait.ts';

const reason = clusterUnavailable();

describe.skipIf(reason !== undefined)(`three machines${reason ? ` (skipped: ${reason})` : ''}`, () => {
  let machines: TestMachines;
  let server: TestCluster;

  beforeAll(async () => {
    machines = await TestMachines.start({ machines: 3 });
    server = machines.server;
    await machines.load(busyboxArchive());
  });
  afterAll(() => machines?.stop());

  /** `skiff join` on a machine with parts of the line changed; what it says when it refuses. */
  async function refused(machine: TestCluster, line: readonly string[], ...args: readonly string[]): Promise<string> {
    const { code, stderr } = await machines.join(machine, line, ...args);
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringMatching(/^error: /) });
    return stderr;
  }

  test('each is a Ready node under its own address, with a range of pod addresses of its own', async () => {
    await machines.untilReady('node-1', 'node-2', 'node-3');
    const { items } = await server.json<{ items: readonly NodeJson[] }>('nodes');
    expect(items.map(({ status }) => status.addresses.find(({ type }) => type === 'InternalIP')?.address)).toEqual(
      [0, 1, 2].map((index) => machines.address(index)),
    );
    expect(new Set(items.map(({ spec }) => spec.podCIDR)).size).toBe(3);
  });

  test('replicas are spread over them, and each is reached from each by its address', async () => {
    const script =
      'trap "exit 0" TERM; mkdir -p /www; hostname >/www/index.html; httpd -p 8080 -h /www; while :; do sleep 1000 & wait; done';
    await apply(server, sleepers('web', 6, { container: { command: ['sh', '-c', script] } }));
    const pods = await waitReady(server, 'app=web', 6);
    expect(new Set(pods.map(({ spec }) => spec.nodeName)).size).toBe(3);
    const addresses = pods.map(({ status }) => status.podIP ?? '');
    const names = pods.map(({ metadata }) => metadata.name);
    const ask = `for ip in ${addresses.join(' ')}; do timeout 5 wget -q -O - http://$ip:8080/ || echo none; done`;
    // From one pod of each node, and from each machine itself.
    const asked = await Promise.all([
      ...oneOfEachNode(pods).map(({ metadata }) => server.ok(['exec', metadata.name, '--', 'sh', '-c', ask])),
      ...machines.all.map((machine) => machine.command(['busybox', 'sh', '-c', ask])),
    ]);
    for (const { stdout } of asked) expect(stdout.trim().split('\n')).toEqual(names);
  });

  test('what a killed agent had running goes on, and the node stays', async () => {
    const before = await waitReady(server, 'app=web', 6);
    const agent = machines.machine(2).process('agent')?.pid;
    machines.killAgent(2);
    await waitFor('another agent', () => {
      const now = machines.machine(2).process('agent')?.pid;
      return now !== undefined && now !== agent;
    });
    const after = await waitReady(server, 'app=web', 6);
    expect(after.map(({ metadata }) => metadata.uid)).toEqual(before.map(({ metadata }) => metadata.uid));
  });

  test('a machine goes down and up again without leaving', async () => {
    const machine = machines.machine(1);
    expect((await machine.ok(['down', ...machine.world])).stdout).toContain('the pods of node node-2 are down');
    const purge = await machine.skiff(['down', '--purge', ...machine.world]);
    expect(purge.stderr).toBe(
      'error: this machine is node node-2 of a cluster that it does not run itself\n' +
        'To take it out, and delete all it has of that cluster: skiff leave\n',
    );
    expect((await machine.up()).stdout).toContain('This machine is node node-2 of its cluster, and Ready.\n');
    await machines.untilReady('node-1', 'node-2', 'node-3');
    await waitReady(server, 'app=web', 6);
  });

  test('a machine that was removed leaves, and nothing stays on it', async () => {
    const leaving = machines.machine(2);
    expect((await server.ok(['node', 'rm', 'node-3'])).stdout).toContain('node "node-3" removed\n');
    await machines.untilReady('node-1', 'node-2');
    const { stdout } = await leaving.ok(['leave', ...leaving.world]);
    expect(stdout).toMatch(/This machine has left; nothing of the cluster is on it any more\.\n$/);
    expect((await server.ok(['get', 'leases', '-n', 'kube-node-lease', '-o', 'name'])).stdout).not.toContain('node-3');
    for (const folder of ['run/skiff', 'var/lib/skiff', 'var/log/skiff', 'var/log/pods'])
      expect(existsSync(leaving.path(folder))).toBe(false);
    expect((await leaving.ok(['leave', ...leaving.world])).stdout).toBe('This machine belongs to no cluster.\n');
  });

  test('a line that is not right is refused in words that help, and leaves nothing', async () => {
    const fresh = machines.machine(2);
    const line = await machines.joinLine();
    const [verb = '', at = '', , token = '', , pin = ''] = line;
    const changed = (change: { at?: string; token?: string; pin?: string }): string[] => [
      verb,
      change.at ?? at,
      '--token',
      change.token ?? token,
      '--ca-pin',
      change.pin ?? pin,
    ];
    const host = machines.address(0);
    expect(at).toBe(`${host}:7444`);

    const wrongToken = changed({ token: `${token.slice(0, 7)}0000000000000000` });
    expect(await refused(fresh, wrongToken)).toContain(
      `error: Cannot join at ${at} as node "node-3": the token is not valid`,
    );
    const expired = (await server.ok(['token', 'create', '--ttl=1s', '--no-print-join-command'])).stdout.trim();
    await waitFor('the token to expire', async () =>
      [...(await server.ok(['token', 'ls'])).stdout.split('\n')].every(
        (row) => !row.startsWith(expired.slice(0, 6)) || row.includes('expired'),
      ),
    );
    // It is removed soon after its end, and then one of many that are not known.
    expect(await refused(fresh, changed({ token: expired }))).toMatch(
      /token \w{6} expired at 20|has expired, was removed/,
    );
    const otherPin = `sha256:${'0'.repeat(64)}`;
    expect(await refused(fresh, changed({ pin: otherPin }))).toBe(
      `error: Cannot join at ${at}: its CA is not the one the line is for\n  pin in the line: ${otherPin}\n  pin it shows:    ${pin}\n` +
        'Either the line is of another cluster (or of this one before it was made anew), or something on the way poses as the\n' +
        'server. Nothing was sent to it. Take a new line where the cluster runs: skiff token create\n',
    );
    expect(await refused(fresh, changed({ at: `${host}:7443` }))).toContain(
      `Port 7443 is the API's; machines join at port 7444: skiff join ${at} …`,
    );
    expect(await refused(fresh, changed({ at: `${host}:7999` }))).toContain(
      `error: Cannot join at ${host}:7999: nothing listens there\n`,
    );
    expect(await refused(fresh, line, '--node-name', 'node-2')).toMatch(
      /a node named "node-2" is in the cluster and alive.*choose another --node-name/,
    );
    const { stderr } = await server.skiff([...line, ...server.world]);
    expect(stderr).toContain('error: this machine runs the control plane of a cluster of its own\n');
    expect(await refused(machines.machine(1), line)).toContain(
      `error: this machine belongs to a cluster already: it is node node-2 of the one at ${host}:7443\n`,
    );
    expect(existsSync(fresh.path('var/lib/skiff'))).toBe(false);
  });

  test('a port that is taken is told with the program that has it', async () => {
    const fresh = machines.machine(2);
    const listener = spawn('nsenter', [`--net=/run/netns/${fresh.netns}`, 'busybox', 'nc', '-l', '-p', '7450']);
    try {
      await waitFor('it to listen', async () => (await fresh.command(['ss', '-tln'])).stdout.includes(':7450'));
      expect(await refused(fresh, await machines.joinLine())).toContain(
        `error: port 7450 of this machine, which the agent needs, is taken by busybox (process ${listener.pid})\n`,
      );
    } finally {
      listener.kill();
      await once(listener, 'exit');
    }
  });

  test('a network of the machine that overlaps the cluster is named, and leaving undoes the try', async () => {
    const fresh = machines.machine(2);
    const link = 'ip link add home type bridge && ip addr add 10.42.200.1/24 dev home && ip link set home up';
    expect((await fresh.command(['sh', '-c', link])).stderr).toBe('');
    expect(await refused(fresh, await machines.joinLine())).toMatch(
      /^error: Cannot start the agent: it keeps ending: .*10\.42\.0\.0\/16 overlaps 10\.42\.200\.0\/24 of home .*\n[\s\S]*To take this machine back out: skiff leave\n$/,
    );
    await fresh.ok(['leave', ...fresh.world]);
    await fresh.command(['ip', 'link', 'del', 'home']);
    expect(existsSync(fresh.path('var/lib/skiff'))).toBe(false);
  });

  test('the machine comes back under its name and takes its share again', async () => {
    const back = machines.machine(2);
    const { code, stdout, stderr } = await machines.join(back, await machines.joinLine());
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain('This machine is node node-3 now, and Ready.');
    await back.ok(['image', 'load', busyboxArchive(), '--socket', back.path('run/skiff/agent.sock')]);
    await machines.untilReady('node-1', 'node-2', 'node-3');
    await server.ok(['scale', 'deployment/web', '--replicas=9']);
    const pods = await waitReady(server, 'app=web', 9);
    expect(pods.some(({ spec }) => spec.nodeName === 'node-3')).toBe(true);
  });

  test('what ran on a machine that leaves runs elsewhere at once, and its node is removed without force', async () => {
    const leaving = machines.machine(2);
    const { stdout } = await leaving.ok(['leave', ...leaving.world]);
    expect(stdout).toContain('Node node-3 is still listed in the cluster.');
    const { items } = await server.json<{ items: readonly PodJson[] }>('pods', '--field-selector=spec.nodeName=node-3');
    expect(items).toEqual([]);
    expect((await server.ok(['get', 'nodes'])).stdout).toMatch(/node-3 +NotReady/);
    await waitReady(server, 'app=web', 9);
    expect((await server.ok(['node', 'rm', 'node-3'])).stdout).toMatch(/^node "node-3" removed$/m);
    await machines.untilReady('node-1', 'node-2');
  });
});

interface NodeJson {
  readonly spec: { readonly podCIDR?: string };
  readonly status: { readonly addresses: readonly { readonly type: string; readonly address: string }[] };
}

function oneOfEachNode(pods: readonly PodJson[]): readonly PodJson[] {
  return [...new Map(pods.map((pod) => [pod.spec.nodeName, pod])).values()];
}
