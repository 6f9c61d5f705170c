import { existsSync, statSync } from 'node:fs';
import { isAlive, type ProcessRef, readProcessStat } from '../../../lib/process.ts';
import type { CgroupTree } from '../../cgroups/cgroup-tree.ts';
import type { ContainerFacts, ContainerState } from '../runtime.ts';
import { type ContainerRecord, type RuntimePaths, readContainerRecord, readText } from './records.ts';

/** Reads everything known about one container from its files and the kernel; null when it has no record. */
export function readContainerFacts(paths: RuntimePaths, cgroups: CgroupTree, id: string): ContainerFacts | null {
  const record = readContainerRecord(paths, id);
  if (record === null) {
    return null;
  }
  const processes = findProcesses(paths, id, record);
  // The order matters: the monitor writes the exit file and then ends, so look at it before looking for the file.
  const monitorAlive = processes.monitor !== null && isAlive(processes.monitor);
  const exit = readExit(paths, id);
  const state = stateOf(paths, id, { exited: exit !== null, monitorAlive, hasProcess: processes.container !== null });
  const alive = processes.container !== null && isAlive(processes.container);
  const { config } = record;
  return {
    id,
    podUid: config.podUid,
    podName: config.podName,
    podNamespace: config.podNamespace,
    name: config.name,
    attempt: config.attempt,
    state,
    process: alive && state !== 'creating' && state !== 'exited' ? processes.container : null,
    exitCode: exit?.code ?? null,
    oomKilled: cgroups.oomKills(config.cgroupPath) > 0 || existsSync(`${paths.bundle(id)}/oom`),
    createdAt: record.createdAt,
    startedAt: state === 'created' || state === 'creating' ? null : readText(`${paths.bundle(id)}/started`),
    finishedAt: exit?.finishedAt ?? null,
    logPath: config.logPath,
    cgroupPath: config.cgroupPath,
    stopSignal: config.stopSignal ?? null,
    labels: config.labels ?? {},
  };
}

/** The container's first process and its monitor, from the record or, when we were cut short before it, from the pid files. */
export function findProcesses(
  paths: RuntimePaths,
  id: string,
  record: ContainerRecord,
): { readonly container: ProcessRef | null; readonly monitor: ProcessRef | null } {
  if (record.process !== null && record.monitor !== null) {
    return { container: record.process, monitor: record.monitor };
  }
  const bundle = paths.bundle(id);
  const monitor = refFromFile(`${bundle}/conmon.pid`);
  const container = refFromFile(`${bundle}/pid`);
  const parent = container === null ? undefined : readProcessStat(container.pid)?.parentPid;
  // A pid file alone proves nothing after a reboot of pids; being the monitor's child does.
  const belongs = monitor !== null && parent === monitor.pid;
  return { container: belongs ? container : null, monitor: belongs || container === null ? monitor : null };
}

/** Exit code and time from the monitor's exit file, or null when the container has not ended. */
export function readExit(
  paths: RuntimePaths,
  id: string,
): { readonly code: number; readonly finishedAt: string } | null {
  const file = paths.exitFile(id);
  const text = readText(file);
  if (text === null) {
    return null;
  }
  const code = Number(text.trim());
  let mtime = new Date();
  try {
    mtime = statSync(file).mtime;
  } catch {
    // Removed between the two calls: whoever removed it no longer needs the time.
  }
  return { code: Number.isInteger(code) ? code & 0xff : 255, finishedAt: mtime.toISOString() };
}

function stateOf(
  paths: RuntimePaths,
  id: string,
  seen: { readonly exited: boolean; readonly monitorAlive: boolean; readonly hasProcess: boolean },
): ContainerState {
  if (seen.exited) {
    return 'exited';
  }
  if (!seen.hasProcess) {
    return 'creating';
  }
  if (!seen.monitorAlive) {
    return 'lost';
  }
  return existsSync(paths.startFifo(id)) ? 'created' : 'running';
}

function refFromFile(file: string): ProcessRef | null {
  const pid = Number(readText(file)?.trim() ?? Number.NaN);
  const stat = Number.isSafeInteger(pid) && pid > 1 ? readProcessStat(pid) : null;
  return stat === null ? null : { pid, startTime: stat.startTime };
}
