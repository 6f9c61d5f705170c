/** Looking at pods from outside: what the kernel knows, whatever the API says. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { World } from './world.ts';

/** One mounted tree with all pods' cgroups in it: any controller's, or the unified one. */
function podTree(world: World): string {
  const trees = ['pids', 'memory', 'unified', ''].map((name) => join('/sys/fs/cgroup', name, world.cgroupRoot));
  return trees.find((path) => existsSync(path)) ?? '';
}

/** Cgroup folders of pods, by uid. */
export function podCgroups(world: World): Map<string, string> {
  const root = podTree(world);
  const found = new Map<string, string>();
  for (const dir of [root, join(root, 'burstable'), join(root, 'besteffort')]) {
    for (const name of folders(dir)) if (name.startsWith('pod')) found.set(name.slice(3), join(dir, name));
  }
  return found;
}

/** Processes of a pod's containers. */
export function podProcesses(folder: string): number[] {
  const own = folders(folder).flatMap((name) => pids(join(folder, name)));
  return [...pids(folder), ...own];
}

/** How long after Ready the command may still be on its way from the runtime's first process to its own. */
const EXEC_GRACE_MS = 1000;

/**
 * Throws unless each of these pods has a live process of its command in its cgroup. Returns how many had not yet become their command
 * at the first look (the runtime lets the process go, and the kernel has to run it).
 */
export async function checkRunning(world: World, uids: readonly string[], command: string): Promise<number> {
  const cgroups = podCgroups(world);
  const running = (uid: string): boolean =>
    podProcesses(cgroups.get(uid) ?? '').some((pid) => commandOf(pid).startsWith(command));
  const late = uids.filter((uid) => !running(uid));
  const deadline = performance.now() + EXEC_GRACE_MS;
  for (const uid of late) {
    while (!running(uid)) {
      if (performance.now() > deadline) throw new Error(`pod ${uid} is said to be Ready and does not run ${command}`);
      await delay(1);
    }
  }
  return late.length;
}

/** What pods have on this machine, one line each; empty when all of it is gone. */
export function podTraces(world: World): string[] {
  const run = join(world.dir, 'run/skiff');
  return [
    ...[...podCgroups(world).keys()].map((uid) => `cgroup of pod ${uid}`),
    ...pids(join(podTree(world), 'monitors')).map((pid) => `monitor ${pid}`),
    ...mounts(world.dir).map((path) => `mount ${path}`),
    ...['sandboxes', 'containers', 'exits', 'oci', 'pods'].flatMap((name) =>
      entries(join(run, name)).map((entry) => `${name}/${entry}`),
    ),
    ...entries(join(run, 'network'))
      .filter((name) => name.endsWith('.json'))
      .map((name) => `network/${name}`),
    ...links().map((name) => `link ${name}`),
  ];
}

/** Monitors: one process per container that stays beside it. */
export function monitorPids(world: World): number[] {
  return pids(join(podTree(world), 'monitors'));
}

/** CPU seconds used in the monitors' cgroup, by everything that ever was in it. */
export function monitorCpuSeconds(world: World): number {
  const folder = join('/sys/fs/cgroup', 'cpuacct', world.cgroupRoot, 'monitors');
  if (existsSync(folder)) return Number(readFileSync(join(folder, 'cpuacct.usage'), 'utf8')) / 1e9;
  const text = readFileSync(join('/sys/fs/cgroup', world.cgroupRoot, 'monitors/cpu.stat'), 'utf8');
  return Number(/usage_usec (\d+)/.exec(text)?.[1] ?? 0) / 1e6;
}

function mounts(dir: string): string[] {
  return readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '')
    .filter((path) => path.startsWith(`${dir}/run/skiff/`) || path.startsWith(`${dir}/var/lib/skiff/`));
}

/** Links of pods in this network namespace. */
function links(): string[] {
  return readFileSync('/proc/net/dev', 'utf8')
    .split('\n')
    .map((line) => line.split(':')[0]?.trim() ?? '')
    .filter((name) => name.startsWith('veth'));
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
  } catch {
    return '';
  }
}

function pids(folder: string): number[] {
  try {
    return readFileSync(join(folder, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

function folders(dir: string): string[] {
  try {
    return readdirSync(dir, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name);
  } catch {
    return [];
  }
}

function entries(dir: string): string[] {
  try {
    return readdirSync(dir);
  } catch {
    return [];
  }
}
