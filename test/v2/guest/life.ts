/** The cluster's start and its end without a trace. */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { CGROUPS, command, eventually, isReady, ok, PATIENCE_MS, pods, read, skiff } from './machine.ts';
import { type Check, expectEqual, expectThat } from './report.ts';

/** How many processes a pod may have here: few, so that reaching it takes the emulator no time. */
export const POD_PIDS_LIMIT = 60;

/** Label of the Deployment that lives through all checks. */
export const WEB = 'app=web';

/** Everything a purge must take along; made before the start, compared after the end. */
interface Traces {
  readonly mounts: readonly string[];
  readonly links: readonly string[];
  readonly tables: readonly string[];
  readonly namespaces: readonly string[];
  readonly cgroups: readonly string[];
  readonly programs: readonly string[];
  readonly folders: readonly string[];
}

let before: Traces | undefined;

/** From nothing to a Deployment of three. */
export const startChecks: readonly Check[] = [
  {
    name: 'the machine has cgroup v2 and nothing else',
    async run() {
      before = traces();
      const mounts = read('/proc/self/mounts')
        .split('\n')
        .filter((line) => / cgroup2? /.test(line));
      expectEqual(
        'cgroup mounts',
        mounts.map((line) => line.split(' ').slice(1, 3)),
        [[CGROUPS, 'cgroup2']],
      );
      return `controllers: ${read(CGROUPS, 'cgroup.controllers')}; swap: ${read('/proc/swaps').split('\n').length - 1}`;
    },
  },
  {
    name: 'skiff up makes a Ready node',
    async run() {
      const deadline = Date.now() + PATIENCE_MS;
      for (let attempt = 1; ; attempt += 1) {
        // A step of `up` waits a minute, which emulation may need more of; `up` goes on where it stopped.
        const up = await skiff(['up', '--no-demo', `--agent-option=--pod-pids-limit=${POD_PIDS_LIMIT}`]);
        if (up.code === 0) return attempt === 1 ? undefined : `${attempt} attempts`;
        if (Date.now() > deadline) throw new Error(`skiff up ended with ${up.code}\n${up.stderr}${up.stdout}`);
      }
    },
  },
  {
    name: 'the node says which runtime it has',
    async run() {
      const text = await ok(['get', 'nodes', '-o', 'jsonpath={.items[0].status.nodeInfo.containerRuntimeVersion}']);
      expectThat(text.includes('crun'), `the runtime is ${text}, expected crun`);
      return text.trim();
    },
  },
  {
    name: 'an image loads',
    async run() {
      await ok(['image', 'load', '/opt/images/busybox.tar']);
      return undefined;
    },
  },
  {
    name: 'a Deployment of three becomes ready',
    async run() {
      const command = ['sh', '-c', 'trap "exit 0" TERM; while :; do sleep 1000 & wait; done'];
      await ok(
        ['apply', '-f', '-'],
        JSON.stringify({
          apiVersion: 'apps/v1',
          kind: 'Deployment',
          metadata: { name: 'web' },
          spec: {
            replicas: 3,
            selector: { matchLabels: { app: 'web' } },
            template: {
              metadata: { labels: { app: 'web' } },
              spec: {
                terminationGracePeriodSeconds: 2,
                containers: [{ name: 'main', image: 'busybox:1.36', command }],
              },
            },
          },
        }),
      );
      await eventually('three ready pods', async () => {
        const found = await pods(WEB);
        if (found.length === 3 && found.every(isReady)) return true;
        throw new Error(found.map((p) => `${p.metadata.name} ${JSON.stringify(p.status)}`).join('\n'));
      });
      return undefined;
    },
  },
];

/** Down again. */
export const endChecks: readonly Check[] = [
  {
    name: 'skiff down --purge leaves no cgroup, mount, link, table, namespace, process or folder',
    async run() {
      const down = await skiff(['down', '--purge']);
      expectEqual(`skiff down (${down.stderr}${down.stdout})`, down.code, 0);
      await eventually('nothing to be left', async () => {
        expectEqual('traces', traces(), before);
        return true;
      });
      const again = await command([process.execPath, '/opt/skiff/bin/skiff', 'get', 'pods']);
      expectThat(again.code !== 0, 'the server still answers');
      return undefined;
    },
  },
];

function traces(): Traces {
  const folder = (path: string): string[] => (existsSync(path) ? readdirSync(path).sort() : []);
  return {
    mounts: read('/proc/self/mounts')
      .split('\n')
      .map((line) => line.split(' ')[1] ?? ''),
    links: folder('/sys/class/net'),
    tables: execFileSync('nft', ['list', 'tables'], { encoding: 'utf8' }).split('\n').filter(Boolean),
    namespaces: folder('/run/netns'),
    cgroups: folder(CGROUPS).filter((name) => existsSync(`${CGROUPS}/${name}/cgroup.procs`)),
    programs: folder('/proc')
      .map((pid) => (/^\d+$/.test(pid) ? read('/proc', pid, 'cmdline').replaceAll('\0', ' ') : ''))
      .filter((line) => /conmon|crun|etcd|skiff-keep|bin\/skiff|unshare|sleep/.test(line)),
    folders: ['/run/skiff', '/var/lib/skiff', '/var/log/pods', '/var/log/skiff'].filter((path) => existsSync(path)),
  };
}
