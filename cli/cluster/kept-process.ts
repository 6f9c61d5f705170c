/**
 * The server and the agent as `skiff up` runs them: each under `bin/skiff-keep`, in a session of its own, with its output in a
 * file, so that neither a closing terminal nor the end of this command touches it.
 */
import { spawn } from 'node:child_process';
import {
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { isAlive, type ProcessRef, processRef, signalProcess } from '../../lib/process.ts';
import type { ClusterLayout } from './layout.ts';

/** The programs `up` keeps running. */
export type KeptName = 'server' | 'agent';

/** What stands in `<run>/<name>.keep.json`. */
interface KeptRecord extends ProcessRef {
  readonly version: 1;
  readonly args: readonly string[];
}

const STOP_POLL_MS = 20;

function recordFile(layout: ClusterLayout, name: KeptName): string {
  return join(layout.runDir, `${name}.keep.json`);
}

/** Log file of a kept program. */
export function logFile(layout: ClusterLayout, name: KeptName): string {
  return join(layout.logDir, `${name}.log`);
}

/** The keeper of `name`, when it runs. */
export function findKept(layout: ClusterLayout, name: KeptName): ProcessRef | undefined {
  let record: KeptRecord;
  try {
    record = JSON.parse(readFileSync(recordFile(layout, name), 'utf8')) as KeptRecord;
  } catch {
    return undefined;
  }
  return isAlive(record) ? { pid: record.pid, startTime: record.startTime } : undefined;
}

/** Starts `skiff <name> <args>` under a keeper and records it. `bin` is the folder of the launcher. */
export function startKept(
  layout: ClusterLayout,
  name: KeptName,
  options: { bin: string; args: readonly string[] },
): ProcessRef {
  mkdirSync(layout.runDir, { recursive: true, mode: 0o700 });
  mkdirSync(layout.logDir, { recursive: true, mode: 0o755 });
  const log = logFile(layout, name);
  const argv = [log, join(layout.runDir, `${name}.pid`), process.execPath, ...nodeFlags(name)];
  argv.push(join(options.bin, 'skiff'), name, ...options.args);
  const child = spawn(join(options.bin, 'skiff-keep'), argv, { detached: true, stdio: 'ignore', cwd: '/' });
  child.unref();
  const ref = child.pid === undefined ? null : processRef(child.pid);
  if (ref === null) throw new Error(`Cannot start the ${name}: its keeper ended at once`);
  const record: KeptRecord = { version: 1, ...ref, args: options.args };
  const file = recordFile(layout, name);
  writeFileSync(`${file}.new`, JSON.stringify(record), { mode: 0o600 });
  renameSync(`${file}.new`, file);
  return ref;
}

/** Options of the program under the keeper, as it was started; undefined when none runs. */
export function keptArgs(layout: ClusterLayout, name: KeptName): readonly string[] | undefined {
  if (findKept(layout, name) === undefined) return undefined;
  return (JSON.parse(readFileSync(recordFile(layout, name), 'utf8')) as KeptRecord).args;
}

/** Node.js' own options. A small young generation keeps resident memory low; both programs are far from needing more. */
export function nodeFlags(name: KeptName): string[] {
  return name === 'agent' ? ['--max-semi-space-size=1', '--max-old-space-size=256'] : ['--max-semi-space-size=16'];
}

/** Ends a kept program and its keeper: TERM, and KILL for what is left after `timeoutMs`. No error when none runs. */
export async function stopKept(layout: ClusterLayout, name: KeptName, timeoutMs: number): Promise<void> {
  const keeper = findKept(layout, name);
  if (keeper !== undefined) {
    const child = readChild(layout, name);
    signalProcess(keeper, 'SIGTERM');
    if (!(await ended(keeper, timeoutMs))) {
      signalProcess(keeper, 'SIGKILL');
      if (child !== undefined) signalProcess(child, 'SIGKILL');
      await ended(keeper, 1000);
    }
  }
  rmSync(recordFile(layout, name), { force: true });
}

/** The program under the keeper, when it runs. */
export function readChild(layout: ClusterLayout, name: KeptName): ProcessRef | undefined {
  try {
    const pid = Number(readFileSync(join(layout.runDir, `${name}.pid`), 'utf8'));
    return processRef(pid) ?? undefined;
  } catch {
    return undefined;
  }
}

async function ended(ref: ProcessRef, timeoutMs: number): Promise<boolean> {
  const deadline = Date.now() + timeoutMs;
  while (isAlive(ref)) {
    if (Date.now() > deadline) return false;
    await new Promise((resolve) => setTimeout(resolve, STOP_POLL_MS));
  }
  return true;
}

/** The last lines of a kept program's log, for the person whose cluster did not start. */
export function logTail(layout: ClusterLayout, name: KeptName, lines = 8): string {
  const file = logFile(layout, name);
  try {
    const { size } = statSync(file);
    const length = Math.min(size, 16_384);
    const buffer = Buffer.alloc(length);
    const fd = openSync(file, 'r');
    try {
      readSync(fd, buffer, 0, length, size - length);
    } finally {
      closeSync(fd);
    }
    return buffer.toString('utf8').trimEnd().split('\n').slice(-lines).join('\n');
  } catch {
    return '';
  }
}
