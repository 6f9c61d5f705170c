/**
 * Faults of the network between three machines (and a fourth): cables cut, worn and flapping, connections that swallow everything, rules
 * wiped. First what leaves the cluster whole, on several machines at once; then machines that are lost, one by one, and come back.
 */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isAlive, type ProcessRef, signalProcess } from '../../lib/process.ts';
import { clusterUnavailable, type TestCluster } from '../harness/cluster.ts';
import { busyboxArchive } from '../harness/images.ts';
import { TestMachines } from '../harness/machines.ts';
import { apply, busyboxPod, isReady, listPods, type PodJson, sleepers, waitReady } from '../harness/objects.ts';
import { waitFor } from '../harness/wait.ts';

const reason = clusterUnavailable();
/** Within this a silent node is not ready: the grace, a heartbeat, and a look. */
const NOT_READY_MS = 16_000;
const REPLACED_MS = 20_000;
/** Says its name to whoever connects. */
const WHO = ['nc', '-ll', '-p', '8080', '-e', 'hostname'];
const FLAP_MS = 3_000;
const FLAPS = 3;

interface NodeJson {
  readonly metadata: { readonly name: string };
  readonly spec: { readonly taints?: readonly { readonly key: string; readonly effect: string }[] };
  readonly status: {
    readonly conditions: readonly {
      readonly type: string;
      readonly status: string;
      readonly lastTransitionTime: string;
    }[];
  };
}

const isGoing = (pod: PodJson): boolean => pod.metadata.deletionTimestamp !== undefined;
const isOn = (pod: PodJson, index: number): boolean => pod.spec.nodeName === `node-${index + 1}`;
const uids = (pods: readonly PodJson[]): string[] => pods.map(({ metadata }) => metadata.uid).sort();

describe.skipIf(reason !== undefined)(`faults of the network${reason ? ` (skipped: ${reason})` : ''}`, () => {
  let machines: TestMachines;
  let server: TestCluster;
  let database: PodJson;
  /** The machine that has the database, and the other one without a control plane. */
  let lost = 1;
  let other = 2;
  /** Stopped in a test; goes on in any case. */
  let stopped: ProcessRef | undefined;

  beforeAll(async () => {
    machines = await TestMachines.start({ machines: 3, spare: 1 });
    server = machines.server;
    await machines.load(busyboxArchive());
    await apply(server, sleepers('web', 6));
    await apply(server, pinned('echo', 0, ['nc', '-ll', '-p', '8080', '-e', 'cat']));
    const service = { selector: { app: 'echo' }, ports: [{ port: 80, targetPort: 8080 }] };
    await apply(
      server,
      JSON.stringify({ apiVersion: 'v1', kind: 'Service', metadata: { name: 'echo' }, spec: service }),
    );
    await apply(server, fencedDatabase());
    [database = database] = await waitReady(server, 'app=db', 1);
    [lost, other] = isOn(database, 1) ? [1, 2] : [2, 1];
    await Promise.all([waitReady(server, 'app=web', 6), waitReady(server, 'app=echo', 1)]);
  });
  afterAll(async () => {
    if (stopped !== undefined) signalProcess(stopped, 'SIGCONT');
    await machines?.stop();
  });

  async function node(index: number): Promise<NodeJson> {
    return server.json<NodeJson>('node', `node-${index + 1}`);
  }

  async function ready(index: number) {
    const found = (await node(index)).status.conditions.find(({ type }) => type === 'Ready');
    if (found === undefined) throw new Error(`node ${index} says nothing`);
    return found;
  }

  /** Waits until a node is not Ready, and gives how long that took. */
  async function untilNotReady(...indexes: readonly number[]): Promise<number> {
    const beganMs = Date.now();
    const wait = (index: number): Promise<boolean> =>
      waitFor(`node ${index} not to be Ready`, async () => (await ready(index)).status !== 'True', { everyMs: 200 });
    await Promise.all(indexes.map(wait));
    return Date.now() - beganMs;
  }

  /** What a command prints in the network of a machine. */
  function on(index: number, script: string): string {
    const argv = [`--net=/run/netns/${machines.machine(index).netns}`, 'sh', '-ec', script];
    return execFileSync('nsenter', argv, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  }

  /** Local ports of a machine's connections to the API. */
  function portsToApi(index: number): number[] {
    const text = on(index, `ss -Htn state established dst ${machines.address(0)} dport = :7443`);
    return [...text.matchAll(/:(\d+) +\S+:7443/g)].map(([, port]) => Number(port));
  }

  /** Processes of a pod, found from outside by its uid. */
  function processesOf(pod: PodJson): string {
    const script = `grep -l ${pod.metadata.uid} /proc/[0-9]*/cgroup 2>/dev/null || true`;
    return execFileSync('sh', ['-c', script], { encoding: 'utf8' }).trim();
  }

  describe('that a cluster lives through, several at once', () => {
    test.concurrent('a link that goes down and up each 3 s costs the node neither its pods nor many writes', async () => {
      const before = await ready(lost);
      const pods = (await listPods(server, 'app=web')).filter((pod) => isOn(pod, lost));
      const ending = new AbortController();
      let versions = 0;
      const watching = server.skiff(['get', 'node', `node-${lost + 1}`, '-w', '--no-headers'], {
        onOutput: (text) => {
          versions += text.split('\n').length - 1;
        },
        interrupt: ending.signal,
      });
      for (let flap = 0; flap < FLAPS; flap++) {
        machines.cut(lost);
        await passed(FLAP_MS);
        machines.heal(lost);
        await passed(FLAP_MS);
      }
      ending.abort();
      await watching;
      expect(versions).toBeGreaterThan(0);
      expect(versions).toBeLessThan(4 * FLAPS);
      await waitFor('it to be Ready', async () => (await ready(lost)).status === 'True');
      const after = (await listPods(server, 'app=web')).filter((pod) => isOn(pod, lost));
      expect(uids(after)).toEqual(uids(pods));
      expect(after.filter(isGoing)).toEqual([]);
      expect(before.status).toBe('True');
    });

    test.concurrent('connections that swallow everything are given up before the node counts as lost', async () => {
      const before = await ready(other);
      const dead = portsToApi(other);
      expect(dead).not.toEqual([]);
      const beganMs = Date.now();
      machines.switch.swallow(other, dead);
      // Seen by a watch, and its status written: both on new connections.
      await apply(server, busyboxPod('after', 'sleep 1000', { spec: { nodeName: `node-${other + 1}` } }));
      await waitReady(server, 'test=after', 1);
      const healedMs = Date.now() - beganMs;
      expect(healedMs).toBeLessThan(12_000);
      await waitFor('the dead connections to be gone', () => portsToApi(other).every((port) => !dead.includes(port)));
      const { status, lastTransitionTime } = await ready(other);
      expect({ status, lastTransitionTime }).toEqual({ status: 'True', lastTransitionTime: before.lastTransitionTime });
    });

    test.concurrent('an agent that is killed is back with its names within 3 s, and open connections go on', async () => {
      const { spec } = await server.json<{ spec: { clusterIP: string } }>('service', 'echo');
      const script = join(import.meta.dirname, 'dialogue.mjs');
      const argv = ['10.43.0.10', 'echo.default.svc.cluster.local', spec.clusterIP, '80'];
      const { netns } = machines.machine(0);
      const talk = spawn('nsenter', [`--net=/run/netns/${netns}`, process.execPath, script, ...argv], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      let text = '';
      talk.stdout.setEncoding('utf8').on('data', (part: string) => {
        text += part;
      });
      const closed = once(talk, 'close');
      await passed(1_000);
      const old = machines.machine(0).process('agent');
      if (old === undefined) throw new Error('no agent');
      machines.killAgent(0);
      await waitFor('another agent', () => !isAlive(old) && machines.machine(0).process('agent') !== undefined);
      await passed(5_000);
      talk.kill('SIGTERM');
      await closed;
      const report = JSON.parse(text) as Dialogue;
      expect(report).toMatchObject({ broken: '', echoed: report.said });
      expect(report.asked).toBeGreaterThan(40);
      expect(report.longestSilenceMs).toBeLessThan(3_000);
    });

    test.concurrent('a client whose session sticks stays with its pod while others come and go', async () => {
      const named = (replicas: number): Promise<string> => apply(server, pinned('who', 0, WHO, replicas));
      await named(2);
      const ports = [{ port: 80, targetPort: 8080 }];
      const spec = { selector: { app: 'who' }, sessionAffinity: 'ClientIP', ports };
      await apply(server, JSON.stringify({ apiVersion: 'v1', kind: 'Service', metadata: { name: 'who' }, spec }));
      const pods = await waitReady(server, 'app=who', 2);
      const { clusterIP } = (await server.json<{ spec: { clusterIP: string } }>('service', 'who')).spec;
      const ask = (): string => on(0, `busybox nc -w 3 ${clusterIP} 80 </dev/null || true`).trim();
      const own = await waitFor('an answer', () => pods.find(({ metadata }) => metadata.name === ask()));
      const other = pods.find((pod) => pod !== own);
      await named(4);
      const heard = new Set<string>();
      await waitFor('two more', async () => {
        heard.add(ask());
        return (await listPods(server, 'app=who')).filter(isReady).length === 4;
      });
      await server.ok(['delete', 'pod', other?.metadata.name ?? '']);
      await waitReady(server, 'app=who', 4);
      for (let time = 0; time < 20; time++) heard.add(ask());
      expect([...heard]).toEqual([own.metadata.name]);
      await server.ok(['delete', 'deploy/who', 'service/who']);
    });

    test.concurrent('over a cable that loses a fifth of everything a machine joins, shows logs, runs commands and leaves', async () => {
      machines.switch.wear(3);
      const fourth = await machines.add();
      await fourth.ok(['image', 'load', busyboxArchive(), '--socket', fourth.path('run/skiff/agent.sock')]);
      const lines = 'for i in $(seq 500); do echo line $i; done; sleep 1000';
      await apply(server, busyboxPod('far', lines, { spec: { nodeName: 'node-4' } }));
      await waitReady(server, 'test=far', 1);
      for (let round = 0; round < 3; round++) {
        expect((await server.ok(['logs', 'far'])).stdout.trim().split('\n')).toHaveLength(500);
        expect((await server.ok(['exec', 'far', '--', 'echo', 'here'])).stdout).toBe('here\n');
      }
      await server.ok(['delete', 'pod', 'far']);
      await fourth.ok(['leave', ...fourth.world], { timeoutMs: 60_000 });
      await server.ok(['node', 'rm', 'node-4']);
    });
  });

  test('rules, routes and the address of the bridge that somebody wiped are back soon; what is not ours is untouched', async () => {
    const names = on(other, 'nft list tables').match(/\S+ \S+$/gm) ?? [];
    const own = names.filter((name) => /^\w+ k\w+/.test(name));
    expect(own).not.toEqual([]);
    // The machine that left before has gone from here, too.
    await waitFor(
      'ways to two other nodes',
      () => (on(other, 'ip -4 route show proto 83').match(/ via /g) ?? []).length === 2,
    );
    on(
      other,
      `nft 'table inet foreign; delete table inet foreign; table inet foreign { chain c { counter accept; }; }'`,
    );
    on(other, 'ip route replace 203.0.113.0/24 dev eth0');
    const foreign = on(other, 'nft list table inet foreign');
    const rules = (): string[] =>
      own.map((name) => on(other, `nft -s list table ${name}`).replaceAll(/ # handle.*/g, ''));
    const routes = (): string =>
      on(other, 'ip -4 route show; ip -4 -o addr show | sed "s/^[0-9]*: //; s/ *valid_lft.*//" | sort');
    const [oldRules, oldRoutes] = [rules().map((text) => text.length), routes()];
    const bridge = /via \S+ dev eth0 proto 83|dev (\S+) proto kernel scope link src 10\.42/.exec(
      oldRoutes.replaceAll(/^.* via .*$/gm, ''),
    )?.[1];
    expect(bridge).toBeDefined();
    for (const name of own) on(other, `nft flush table ${name}; nft delete table ${name}`);
    const wiped = on(
      other,
      `ip -4 route flush proto 83; ip -4 addr flush dev ${bridge}; ip -4 route show; ip -4 addr show`,
    );
    expect(wiped).not.toMatch(/proto 83|10\.42\.\d+\.1|10\.43\.0\.10/);
    const beganMs = Date.now();
    await waitFor('all to be as it was', () => {
      expect(routes()).toBe(oldRoutes);
      expect(rules().map((text) => text.length)).toEqual(oldRules);
      return true;
    });
    expect(Date.now() - beganMs).toBeLessThan(10_000);
    expect(on(other, 'nft list table inet foreign')).toBe(foreign);
    on(other, 'nft delete table inet foreign; ip route del 203.0.113.0/24 dev eth0');
  });

  describe('that take machines away, one after the other', () => {
    let stale: readonly PodJson[] = [];

    test('what ran on a machine that is cut off is Ready elsewhere within 20 s; a database only once the machine is fenced', async () => {
      stale = (await listPods(server, 'app=web')).filter((pod) => isOn(pod, lost));
      expect(stale).not.toEqual([]);
      const cutAtMs = Date.now();
      machines.cut(lost);
      expect(await untilNotReady(lost)).toBeLessThan(NOT_READY_MS);
      await waitFor('six ready pods elsewhere', async () => {
        const web = await listPods(server, 'app=web');
        return web.filter((pod) => isReady(pod) && !isOn(pod, lost)).length === 6;
      });
      expect(Date.now() - cutAtMs).toBeLessThan(REPLACED_MS);
      expect(uids(await listPods(server, 'app=db'))).toEqual([database.metadata.uid]);
      // It does run twice, where nobody can reach it: that is why the database waits.
      for (const pod of [...stale, database]) expect(processesOf(pod)).not.toBe('');
      await server.ok(['node', 'fence', `node-${lost + 1}`]);
      await waitFor('another database', async () => {
        const pods = await listPods(server, 'app=db');
        return pods.length === 1 && pods.every((pod) => pod.metadata.uid !== database.metadata.uid && isReady(pod));
      });
    });

    test('two of three cut off, one of them one way only: not ready, but not emptied as the first was; then all: nothing moves', async () => {
      const before = await listPods(server, 'app=web');
      machines.cut(other, 'out');
      expect(await untilNotReady(other)).toBeLessThan(NOT_READY_MS);
      const since = (await ready(other)).lastTransitionTime;
      // Now the other way, and the control plane's own machine falls silent, too.
      machines.cut(other, 'in');
      const agent = server.process('agent');
      if (agent === undefined) throw new Error('no agent');
      stopped = agent;
      signalProcess(agent, 'SIGSTOP');
      expect(await untilNotReady(0)).toBeLessThan(NOT_READY_MS);
      expect((await ready(other)).lastTransitionTime).toBe(since);
      const after = await listPods(server, 'app=web');
      expect(uids(after)).toEqual(uids(before));
      expect(after.filter((pod) => isGoing(pod) && !isOn(pod, lost))).toEqual([]);
      for (const index of [0, other]) {
        const evicting = ((await node(index)).spec.taints ?? []).filter(({ effect }) => effect === 'NoExecute');
        expect(evicting).toEqual([]);
      }
    });

    test('when all is mended every node is Ready, and what ran twice is stopped', async () => {
      if (stopped !== undefined) signalProcess(stopped, 'SIGCONT');
      stopped = undefined;
      const beganMs = Date.now();
      machines.heal(lost);
      machines.heal(other);
      await machines.untilReady('node-1', 'node-2', 'node-3');
      expect(Date.now() - beganMs).toBeLessThan(20_000);
      await waitFor('the stale pods to be stopped', () => [...stale, database].every((pod) => processesOf(pod) === ''));
      await waitReady(server, 'app=web', 6);
      await waitReady(server, 'app=db', 1);
      await server.ok(['taint', 'nodes', `node-${lost + 1}`, 'node.kubernetes.io/out-of-service-']);
    });
  });
});

/** What `dialogue.mjs` reports. */
interface Dialogue {
  readonly asked: number;
  readonly longestSilenceMs: number;
  readonly said: number;
  readonly echoed: number;
  readonly broken: string;
}

/** A fault that lasts: the time itself is what is waited for. */
function passed(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** A Deployment of pods on one machine. */
function pinned(name: string, index: number, command: readonly string[], replicas = 1): string {
  const podSpec = { nodeSelector: { 'kubernetes.io/hostname': `node-${index + 1}` } };
  return sleepers(name, replicas, { container: { command }, podSpec });
}

/** One pod that may not run twice, on a machine other than the server's. */
function fencedDatabase(): string {
  const elsewhere = { key: 'kubernetes.io/hostname', operator: 'NotIn', values: ['node-1', 'node-4'] };
  const required = { nodeSelectorTerms: [{ matchExpressions: [elsewhere] }] };
  const podSpec = { affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: required } } };
  const deployment = JSON.parse(sleepers('db', 1, { podSpec })) as { spec: { template: { metadata: object } } };
  Object.assign(deployment.spec, { strategy: { type: 'Recreate' } });
  Object.assign(deployment.spec.template.metadata, { annotations: { 'skiff.dev/fenced': 'true' } });
  return JSON.stringify(deployment);
}
