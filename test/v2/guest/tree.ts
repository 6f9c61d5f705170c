/** The tree of cgroups, and what a container sees of it. */
import { existsSync, statSync } from 'node:fs';
import { WEB } from './life.ts';
import {
  apply,
  below,
  busyboxPod,
  CGROUPS,
  containerCgroup,
  ok,
  podCgroup,
  pods,
  processesIn,
  read,
  ready,
  skiff,
} from './machine.ts';
import { type Check, expectEqual, expectThat } from './report.ts';

const ROOT = `${CGROUPS}/skiff`;
const GUARANTEED = { resources: { limits: { cpu: '500m', memory: '64Mi' } } };
const BURSTABLE = { resources: { requests: { cpu: '250m', memory: '16Mi' }, limits: { memory: '32Mi' } } };

/** In order: later ones look at the pods that the first makes. */
export const treeChecks: readonly Check[] = [
  {
    name: 'pods of each class sit where their class says, with the limits in the words of v2',
    async run() {
      await apply(busyboxPod('guaranteed', 'sleep 100000', GUARANTEED));
      await apply(busyboxPod('burstable', 'sleep 100000', BURSTABLE));
      const guaranteed = await ready('guaranteed');
      const burstable = await ready('burstable');
      const [besteffort] = await pods(WEB);
      if (besteffort === undefined) throw new Error('the Deployment has no pod');
      expectEqual('the guaranteed pod', podCgroup(guaranteed), `${ROOT}/pod${guaranteed.metadata.uid}`);
      expectEqual('the burstable pod', podCgroup(burstable), `${ROOT}/burstable/pod${burstable.metadata.uid}`);
      expectEqual('the best-effort pod', podCgroup(besteffort), `${ROOT}/besteffort/pod${besteffort.metadata.uid}`);
      for (const folder of [podCgroup(guaranteed), containerCgroup(guaranteed)]) {
        const files = ['cpu.max', 'cpu.weight', 'memory.max'].map((file) => read(folder, file));
        expectEqual(`cpu.max, cpu.weight, memory.max of ${folder}`, files, ['50000 100000', '20', String(64 << 20)]);
      }
      for (const folder of [podCgroup(burstable), containerCgroup(burstable)]) {
        const files = ['cpu.max', 'cpu.weight', 'memory.max'].map((file) => read(folder, file));
        expectEqual(`cpu.max, cpu.weight, memory.max of ${folder}`, files, ['max 100000', '10', String(32 << 20)]);
      }
      expectEqual('cpu.weight of a best-effort pod', read(podCgroup(besteffort), 'cpu.weight'), '1');
      return undefined;
    },
  },
  {
    name: 'no inner cgroup holds a process',
    async run() {
      const folders = below(ROOT);
      const inner = folders.filter((folder) => folders.some((other) => other.startsWith(`${folder}/`)));
      expectThat(inner.length >= 6, `there are only ${inner.length} inner cgroups`);
      const wrong = inner.filter((folder) => processesIn(folder).length > 0);
      expectEqual('inner cgroups with processes', wrong, []);
      return `${inner.length} inner cgroups`;
    },
  },
  {
    name: 'every inner cgroup hands cpu, memory and pids down, and containers hand down nothing',
    async run() {
      const folders = below(ROOT).filter((folder) => !folder.endsWith('/monitors'));
      const inner = folders.filter((folder) => /\/(skiff|burstable|besteffort|pod[^/]+)$/.test(folder));
      const control = (folder: string): string[] => read(folder, 'cgroup.subtree_control').split(' ').filter(Boolean);
      for (const folder of [CGROUPS, ...inner]) {
        const lacking = ['cpu', 'cpuset', 'io', 'memory', 'pids'].filter((name) => !control(folder).includes(name));
        expectEqual(`controllers that ${folder} does not hand down`, lacking, []);
      }
      for (const folder of folders.filter((f) => !inner.includes(f))) {
        expectEqual(`what ${folder} hands down`, control(folder), []);
      }
      return undefined;
    },
  },
  {
    name: 'classes weigh what their pods ask for, so that best effort yields to the others',
    async run() {
      expectEqual('cpu.weight of besteffort', read(ROOT, 'besteffort/cpu.weight'), '1');
      expectEqual('cpu.weight of burstable', read(ROOT, 'burstable/cpu.weight'), '10');
      return undefined;
    },
  },
  {
    name: 'monitors live beside the pods, not in them and not with whoever started Skiff',
    async run() {
      const monitors = processesIn(`${ROOT}/monitors`);
      const names = [...new Set(monitors.map((pid) => read('/proc', String(pid), 'comm')))];
      expectEqual('programs among the monitors', names, ['conmon']);
      expectThat(monitors.length >= 5, `there are ${monitors.length} monitors, expected one for each container`);
      return undefined;
    },
  },
  {
    name: 'a container has a cgroup namespace of its own and sees its limits',
    async run() {
      const inside = (...argv: string[]): Promise<string> => ok(['exec', 'burstable', '--', ...argv]);
      expectEqual('/proc/self/cgroup', (await inside('cat', '/proc/self/cgroup')).trim(), '0::/');
      expectEqual('/proc/1/cgroup', (await inside('cat', '/proc/1/cgroup')).trim(), '0::/');
      const max = (await inside('cat', '/sys/fs/cgroup/memory.max')).trim();
      expectEqual('memory.max inside', max, String(32 << 20));
      const mount = (await inside('grep', ' /sys/fs/cgroup ', '/proc/self/mountinfo')).trim();
      expectThat(/ \/ \/sys\/fs\/cgroup .*\bro\b.* - cgroup2 /.test(mount), `the mount is ${mount}`);
      const node = statSync('/proc/self/ns/cgroup').ino;
      expectThat(
        !(await inside('readlink', '/proc/self/ns/cgroup')).includes(String(node)),
        'the namespace is the host’s',
      );
      return undefined;
    },
  },
  {
    name: 'a container cannot change its cgroup',
    async run() {
      for (const script of [
        'echo max >/sys/fs/cgroup/memory.max',
        'mkdir /sys/fs/cgroup/more',
        'mount -o remount,rw /sys/fs/cgroup',
        'echo 1 >/sys/fs/cgroup/cgroup.kill',
      ]) {
        const { code, stderr } = await skiff(['exec', 'burstable', '--', 'sh', '-c', script]);
        expectThat(code !== 0, `${script} succeeded`);
        expectThat(/Read-only file system|not permitted|denied/i.test(stderr), `${script}: ${stderr}`);
      }
      return undefined;
    },
  },
  {
    name: 'exec runs in the container’s cgroup and passes output, input and exit code on',
    async run() {
      const target = await ready('burstable');
      const script = 'read line; echo "out $line"; echo problem >&2; exit 7';
      const { code, stdout, stderr } = await skiff(['exec', '-i', 'burstable', '--', 'sh', '-c', script], 'word\n');
      expectEqual('exit code', code, 7);
      expectEqual('output', stdout, 'out word\n');
      expectThat(stderr.includes('problem'), `error output: ${stderr}`);
      await ok(['exec', 'burstable', '--', 'sh', '-c', 'sleep 4242 >/dev/null 2>&1 </dev/null &']);
      const commands = processesIn(containerCgroup(target)).map((pid) => read('/proc', String(pid), 'cmdline'));
      expectThat(
        commands.some((text) => text.includes('4242')),
        `the container’s cgroup holds ${JSON.stringify(commands)}`,
      );
      return undefined;
    },
  },
  {
    name: 'pods reach each other through the bridge',
    async run() {
      const [target] = await pods(WEB);
      const ip = target?.status.podIP ?? 'no address';
      await ok(['exec', 'burstable', '--', 'ping', '-c', '1', '-W', '20', ip]);
      return undefined;
    },
  },
  {
    name: 'a privileged container runs and may change its cgroup',
    async run() {
      const privileged = { securityContext: { privileged: true } };
      await apply(busyboxPod('privileged', 'sleep 100000', privileged));
      const target = await ready('privileged');
      const path = containerCgroup(target).slice(CGROUPS.length);
      const own = (await ok(['exec', 'privileged', '--', 'cat', '/proc/1/cgroup'])).trim();
      expectThat([`0::${path}`, '0::/'].includes(own), `it sees its cgroup as ${own}`);
      const folder = own === '0::/' ? CGROUPS : `${CGROUPS}${path}`;
      await ok(['exec', 'privileged', '--', 'sh', '-c', `echo 50 >${folder}/pids.max`]);
      expectEqual('pids.max', read(containerCgroup(target), 'pids.max'), '50');
      await ok(['delete', 'pod', 'privileged']);
      return undefined;
    },
  },
  {
    name: 'devices other than the harmless ones cannot be opened',
    async run() {
      const open = 'mknod /tmp/disk b 254 0 && dd if=/tmp/disk of=/dev/null bs=512 count=1';
      const { code, stderr } = await skiff(['exec', 'burstable', '--', 'sh', '-c', `mkdir -p /tmp; ${open}`]);
      expectThat(
        code !== 0 && stderr.includes('Operation not permitted'),
        `reading the node’s disk: ${code} ${stderr}`,
      );
      await ok(['exec', 'burstable', '--', 'sh', '-c', 'echo x >/dev/null && head -c 4 /dev/urandom >/dev/null']);
      return undefined;
    },
  },
  {
    name: 'a deleted pod takes its cgroup along',
    async run() {
      const folders = [podCgroup(await ready('guaranteed')), podCgroup(await ready('burstable'))];
      await ok(['delete', 'pod', 'guaranteed', 'burstable']);
      expectEqual(
        'cgroups left',
        folders.filter((folder) => existsSync(folder)),
        [],
      );
      return undefined;
    },
  },
];
