import { setTimeout as delay } from 'node:timers/promises';
import { type ProcessRef, readProcessStat, signalProcess } from '../../../lib/process.ts';

const DEADLINE_MS = 5000;
const RETRY_MS = 2;

/**
 * Kills a process, everything that descends from it and everything in its session, among the candidates that `listPids`
 * gives; resolves when none is left. What a command started cannot run on after it: a child whose parent died is still
 * found by its session.
 */
export async function killProcessTree(root: ProcessRef, listPids: () => readonly number[]): Promise<void> {
  const deadline = performance.now() + DEADLINE_MS;
  const family = new Set<number>([root.pid]);
  const sessions = new Set<number>();
  for (;;) {
    const alive = findFamily(listPids(), { family, sessions });
    if (alive.length === 0) {
      return;
    }
    for (const ref of alive) {
      signalProcess(ref, 'SIGKILL');
    }
    if (performance.now() > deadline) {
      throw new Error(`Cannot kill the processes ${alive.map((ref) => ref.pid).join(', ')}: they do not end`);
    }
    await delay(RETRY_MS);
  }
}

/** Adds to `known` whatever belongs to it and returns its living members. */
function findFamily(
  pids: readonly number[],
  known: { readonly family: Set<number>; readonly sessions: Set<number> },
): readonly ProcessRef[] {
  const stats = pids.flatMap((pid) => readProcessStat(pid) ?? []);
  const members = new Map<number, ProcessRef>();
  for (let grew = true; grew; ) {
    grew = false;
    for (const stat of stats) {
      const belongs =
        known.family.has(stat.pid) || known.family.has(stat.parentPid) || known.sessions.has(stat.sessionId);
      if (belongs && !members.has(stat.pid)) {
        members.set(stat.pid, { pid: stat.pid, startTime: stat.startTime });
        known.family.add(stat.pid);
        if (stat.sessionId > 1) {
          known.sessions.add(stat.sessionId);
        }
        grew = true;
      }
    }
  }
  return stats
    .filter((stat) => members.has(stat.pid) && stat.state !== 'Z')
    .map(({ pid, startTime }) => ({ pid, startTime }));
}
