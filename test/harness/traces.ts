/** What a run leaves on a machine: found for the proof that nothing stayed, and removed when a killed run could not do it. */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { processRef, readProcessStat, signalProcess } from '../../lib/process.ts';
import type { TestRun } from './run.ts';

/** Everything of one run that is still on the machine, one line each. Empty is the proof. */
export function findTraces(run: TestRun): string[] {
  return [
    ...processesOf(run).map((pid) => `process ${pid} (${commandOf(pid)})`),
    ...mountsUnder(run.dir).map((path) => `mount ${path}`),
    ...netnsOf(run).map((name) => `network namespace ${name}`),
    ...linksOf(run).map((name) => `link ${name}`),
    ...tablesOf(run).map((name) => `nft table ${name}`),
    ...cgroupsOf(run).map((path) => `cgroup ${path}`),
  ];
}

/** Processes that name the run's folder in their arguments, or sit in one of its cgroups. */
export function processesOf(run: TestRun): number[] {
  const found = new Set<number>();
  for (const entry of readdirSync('/proc')) {
    const pid = Number(entry);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    const stat = readProcessStat(pid);
    if (stat === null || stat.state === 'Z') continue;
    if (
      read(`/proc/${pid}/cmdline`).includes(`${run.dir}/`) ||
      read(`/proc/${pid}/cgroup`).includes(`/${cgroupRoot(run)}/`)
    ) {
      found.add(pid);
    }
  }
  return [...found];
}

/** Name of the cgroup tree of a run. */
export function cgroupRoot(run: TestRun): string {
  return `skiff-${run.id}`;
}

/** Name of network namespace `index` of a run. */
export function netnsName(run: TestRun, index = 0): string {
  return `sk${run.id}n${index}`;
}

function commandOf(pid: number): string {
  return read(`/proc/${pid}/cmdline`).replaceAll('\0', ' ').trim().slice(0, 160);
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** Mount points below `dir`, deepest first. */
export function mountsUnder(dir: string): string[] {
  return read('/proc/self/mounts')
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '')
    .filter((path) => path.startsWith(`${dir}/`))
    .sort()
    .reverse();
}

function netnsOf(run: TestRun): string[] {
  const names = existsSync('/run/netns') ? readdirSync('/run/netns') : [];
  return names.filter((name) => name.startsWith(`sk${run.id}n`));
}

/** Links are looked for in the host's own namespace: those inside a namespace of the run go with it. */
function linksOf(run: TestRun): string[] {
  return readdirSync('/sys/class/net').filter((name) => name.includes(run.id));
}

function tablesOf(run: TestRun): string[] {
  try {
    const text = execFileSync('nft', ['list', 'tables'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
    return text.split('\n').filter((line) => line.includes(run.id));
  } catch {
    return [];
  }
}

function cgroupsOf(run: TestRun): string[] {
  const roots = ['/sys/fs/cgroup', ...readdirSync('/sys/fs/cgroup').map((name) => join('/sys/fs/cgroup', name))];
  return roots.map((path) => join(path, cgroupRoot(run))).filter((path) => existsSync(path));
}

/** Removes what {@link findTraces} finds; for runs whose owner died. */
export function removeTraces(run: TestRun): void {
  // A keeper may have started its program again between the look and its own end: look until nothing is found.
  for (let round = 0, found = processesOf(run); found.length > 0 && round < 10; round += 1, found = processesOf(run)) {
    for (const pid of found) {
      const ref = processRef(pid);
      if (ref !== null) signalProcess(ref, 'SIGKILL');
    }
  }
  for (const path of mountsUnder(run.dir)) quietly('umount', ['-l', path]);
  for (const name of netnsOf(run)) quietly('ip', ['netns', 'del', name]);
  for (const name of linksOf(run)) quietly('ip', ['link', 'del', name]);
  for (const line of tablesOf(run)) quietly('nft', ['delete', ...line.trim().split(' ')]);
  for (const path of cgroupsOf(run)) removeCgroup(path);
}

function quietly(command: string, args: readonly string[]): void {
  try {
    execFileSync(command, args, { stdio: 'ignore' });
  } catch {
    // What could not be removed is found again by the check after the sweep.
  }
}

function removeCgroup(path: string): void {
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    if (entry.isDirectory()) removeCgroup(join(path, entry.name));
  }
  try {
    rmdirSync(path);
  } catch {
    // Busy for a moment after its last process ended; the next sweep takes it.
  }
}
