/** Limits as the kernel keeps them. */
import { setTimeout as delay } from 'node:timers/promises';
import { POD_PIDS_LIMIT } from './life.ts';
import {
  apply,
  busyboxPod,
  CGROUPS,
  containerCgroup,
  ended,
  eventually,
  ok,
  podCgroup,
  read,
  ready,
  stat,
} from './machine.ts';
import { type Check, expectEqual, expectThat } from './report.ts';

const LIMIT = { resources: { limits: { memory: '32Mi' } } };
const NEVER = { restartPolicy: 'Never' };
const HOG = 'dd if=/dev/zero of=/dev/null bs=120M count=1';
const MEASURE_MS = 20_000;

/** Memory, processes, CPU. */
export const limitChecks: readonly Check[] = [
  {
    name: 'a container over its memory limit is OOMKilled with 137, swap or no swap',
    async run() {
      await apply(busyboxPod('hog', `exec ${HOG}`, LIMIT, NEVER));
      const { exitCode, reason } = await ended('hog');
      expectEqual('how it ended', { exitCode, reason }, { exitCode: 137, reason: 'OOMKilled' });
      expectThat((await ok(['get', 'pod', 'hog'])).includes('OOMKilled'), 'get does not show OOMKilled');
      return undefined;
    },
  },
  {
    name: 'a memory limit ends the whole container, not one process of it',
    async run() {
      await apply(busyboxPod('family', `${HOG}; echo survived; sleep 100000`, LIMIT, NEVER));
      const { exitCode, reason } = await ended('family');
      expectEqual('how it ended', { exitCode, reason }, { exitCode: 137, reason: 'OOMKilled' });
      expectThat(!(await ok(['logs', 'family'])).includes('survived'), 'the shell outlived its child');
      return undefined;
    },
  },
  {
    name: 'a pod reaches its limit of processes and no further',
    async run() {
      const script = '(i=0; while [ $i -lt 200 ]; do sleep 100000 & i=$((i+1)); done); echo stopped; sleep 100000';
      await apply(busyboxPod('many', script, {}, NEVER));
      await eventually('the loop to be stopped', async () => (await ok(['logs', 'many'])).includes('stopped'));
      const folder = podCgroup(await ready('many'));
      expectEqual('pids.max', read(folder, 'pids.max'), String(POD_PIDS_LIMIT));
      const current = Number(read(folder, 'pids.current'));
      expectThat(current <= POD_PIDS_LIMIT && current >= POD_PIDS_LIMIT - 3, `pids.current is ${current}`);
      await ok(['delete', 'pod', 'many', '--grace-period=0', '--force']);
      return `${current} of ${POD_PIDS_LIMIT}`;
    },
  },
  {
    name: 'a busy loop limited to 100m uses about a tenth of a core',
    async run() {
      await apply(busyboxPod('loop', 'while :; do :; done', { resources: { limits: { cpu: '100m' } } }));
      const folder = containerCgroup(await ready('loop'));
      const used = (): number => stat(folder, 'cpu.stat', 'usage_usec');
      const [started, before] = [performance.now(), used()];
      await delay(MEASURE_MS);
      const share = (used() - before) / 1000 / (performance.now() - started);
      expectThat(share > 0.07 && share < 0.13, `it used ${share.toFixed(3)} of a core`);
      expectThat(stat(folder, 'cpu.stat', 'nr_throttled') > 0, 'it was never throttled');
      await ok(['delete', 'pod', 'loop', '--grace-period=0', '--force']);
      return `${share.toFixed(3)} of a core`;
    },
  },
];

/** On a machine whose memory controller is off, as Raspberry Pi OS comes: pods run, and one with a limit says why it does not. */
export const withoutMemoryChecks: readonly Check[] = [
  {
    name: 'without the memory controller a pod with a memory limit says why it cannot run',
    async run() {
      expectThat(!read(CGROUPS, 'cgroup.controllers').includes('memory'), 'this machine has a memory controller');
      await apply(busyboxPod('limited', 'sleep 100000', LIMIT));
      await eventually('the reason', async () => {
        const text = await ok(['describe', 'pod', 'limited']);
        if (text.includes("the kernel's memory controller is switched off")) return true;
        throw new Error(text);
      });
      await ok(['delete', 'pod', 'limited']);
      return undefined;
    },
  },
];
