import { readFileSync } from 'node:fs';
import { errorMessage } from './errors.ts';

/** A process named so that a reused pid is not mistaken for it: valid until the next boot. */
export interface ProcessRef {
  readonly pid: number;
  /** When it started: field 22 of /proc/<pid>/stat, in clock ticks since boot. */
  readonly startTime: number;
}

/** What /proc/<pid>/stat says, as far as we use it. */
export interface ProcessStat extends ProcessRef {
  /** One letter: R, S, D, Z, … */
  readonly state: string;
  readonly parentPid: number;
  readonly sessionId: number;
  readonly command: string;
}

/** The stat line of a process, or null when there is no such process. */
export function readProcessStat(pid: number): ProcessStat | null {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch {
    // Gone, or going: both mean that it cannot be named any more.
    return null;
  }
  return parseProcessStat(text);
}

/** Parses one stat line; null when it does not look like one. The command may itself contain spaces and parentheses. */
export function parseProcessStat(text: string): ProcessStat | null {
  const open = text.indexOf('(');
  const close = text.lastIndexOf(')');
  if (open < 0 || close < open) {
    return null;
  }
  const rest = text.slice(close + 2).split(' ');
  const pid = Number(text.slice(0, open));
  const startTime = Number(rest[19]);
  if (!Number.isSafeInteger(pid) || !Number.isSafeInteger(startTime)) {
    return null;
  }
  return {
    pid,
    startTime,
    state: rest[0] ?? '?',
    parentPid: Number(rest[1]),
    sessionId: Number(rest[3]),
    command: text.slice(open + 1, close),
  };
}

/** Names the process that has this pid now, or null when there is none (a zombie counts as none). */
export function processRef(pid: number): ProcessRef | null {
  const stat = readProcessStat(pid);
  return stat === null || stat.state === 'Z' || stat.state === 'X' ? null : { pid, startTime: stat.startTime };
}

/** Whether exactly this process still lives. A zombie does not. */
export function isAlive(ref: ProcessRef): boolean {
  return processRef(ref.pid)?.startTime === ref.startTime;
}

/**
 * Sends a signal to exactly this process. False when it is gone; other failures throw. A process that ends between the
 * look and the signal leaves a window of microseconds in which a new one would need to get its pid.
 */
export function signalProcess(ref: ProcessRef, signal: NodeJS.Signals | number): boolean {
  if (!isAlive(ref)) {
    return false;
  }
  try {
    process.kill(ref.pid, signal);
    return true;
  } catch (err) {
    if (err instanceof Error && 'code' in err && err.code === 'ESRCH') {
      return false;
    }
    throw new Error(`Cannot send ${signal} to process ${ref.pid}: ${errorMessage(err)}`, { cause: err });
  }
}
