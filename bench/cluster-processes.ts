/** The processes of a running cluster, by part. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { cpuSeconds, cpuShare, ownCpuSeconds, pidsWith, proportionalBytes, residentBytes } from './measure.ts';
import { monitorCpuSeconds, monitorPids } from './outside.ts';
import type { World } from './world.ts';

/** Pids by part of the cluster. */
export interface ClusterProcesses {
  readonly etcd: readonly number[];
  readonly server: readonly number[];
  /** The agent and the shells it keeps. */
  readonly agent: readonly number[];
  /** What starts server and agent again. */
  readonly keepers: readonly number[];
  /** One per container. */
  readonly monitors: readonly number[];
}

/** Memory of each part in bytes. */
export interface MemoryUse {
  readonly resident: Readonly<Record<keyof ClusterProcesses, number>>;
  /** Shared pages divided among their users. */
  readonly proportional: Readonly<Record<keyof ClusterProcesses, number>>;
}

/** Finds the processes of the cluster. Throws when a part is missing. */
export function clusterProcesses(world: World): ClusterProcesses {
  const monitors = monitorPids(world);
  const isMonitor = new Set(monitors);
  const all = pidsWith(`${world.dir}/`).filter(({ pid }) => !isMonitor.has(pid));
  const having = (pattern: RegExp): number[] =>
    all.filter(({ command }) => pattern.test(command)).map(({ pid }) => pid);
  const keepers = having(/skiff-keep/);
  const server = kept(world, 'server');
  const agent = kept(world, 'agent');
  const etcd = having(/^\S*etcd /);
  if (server.length !== 1 || agent.length !== 1 || etcd.length !== 1) {
    throw new Error(`expected one server, agent and etcd: ${JSON.stringify(all)}`);
  }
  return { etcd, server, agent: [...agent, ...childrenOf(agent[0] ?? 0)], keepers, monitors };
}

/** Written by the program's keeper; the programs give themselves shorter names. */
function kept(world: World, name: string): number[] {
  const pid = Number(readFileSync(join(world.dir, 'run/skiff', `${name}.pid`), 'utf8'));
  return residentBytes(pid) > 0 ? [pid] : [];
}

/** What every part uses now. */
export function memoryUse(processes: ClusterProcesses): MemoryUse {
  const of = (measure: (pid: number) => number): Record<keyof ClusterProcesses, number> => {
    const sum = (pids: readonly number[]): number => pids.reduce((total, pid) => total + measure(pid), 0);
    const { etcd, server, agent, keepers, monitors } = processes;
    return { etcd: sum(etcd), server: sum(server), agent: sum(agent), keepers: sum(keepers), monitors: sum(monitors) };
  };
  return { resident: of(residentBytes), proportional: of(proportionalBytes) };
}

/** Share of a core that each part uses, over `seconds`. */
export async function idleCpu(
  processes: ClusterProcesses,
  seconds: number,
): Promise<Readonly<Record<keyof ClusterProcesses, number>>> {
  const { etcd, server, agent, keepers, monitors } = processes;
  const shares = await Promise.all([etcd, server, agent, keepers, monitors].map((pids) => cpuShare(pids, seconds)));
  const [a = 0, b = 0, c = 0, d = 0, e = 0] = shares;
  return { etcd: a, server: b, agent: c, keepers: d, monitors: e };
}

/** CPU seconds used so far, by part. */
export interface CpuUse {
  readonly etcd: number;
  readonly server: number;
  /** The agent alone. */
  readonly agent: number;
  /** Its shells, and everything that they or it started and saw end. */
  readonly tools: number;
  /** Everything in the monitors' cgroup: the runtime while it makes a container, too. */
  readonly monitors: number;
}

/** What each part has used so far. */
export function cpuUse(world: World, { etcd, server, agent }: ClusterProcesses): CpuUse {
  const sum = (pids: readonly number[]): number => pids.reduce((seconds, pid) => seconds + cpuSeconds(pid), 0);
  const [program = 0, ...shells] = agent;
  const own = ownCpuSeconds(program);
  return {
    etcd: sum(etcd),
    server: sum(server),
    agent: own,
    tools: sum(shells) + cpuSeconds(program) - own,
    monitors: monitorCpuSeconds(world),
  };
}

/** All parts together. */
export function total(parts: Readonly<Record<keyof ClusterProcesses, number>>): number {
  return Object.values(parts).reduce((sum, value) => sum + value, 0);
}

function childrenOf(parent: number): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => {
      if (!Number.isInteger(pid)) return false;
      try {
        const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
        return Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[1]) === parent;
      } catch {
        return false;
      }
    });
}
