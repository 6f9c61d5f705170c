import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { PassThrough } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { run, startError } from '../../../lib/exec.ts';
import { type ProcessRef, processRef } from '../../../lib/process.ts';
import type { OciSpec } from '../oci-spec.ts';
import { type ExecOptions, type ExecSession, type ExecStatus, RuntimeError, type TerminalSize } from '../runtime.ts';
import { asRuntimeError } from './launcher.ts';
import { killProcessTree } from './process-tree.ts';
import { readText, removePath } from './records.ts';

/** Where and with what an exec is started. */
export interface ExecTarget {
  readonly id: string;
  /** The OCI runtime and its global options. */
  readonly runtime: readonly string[];
  /** Folder for pid files; a leftover there names a process whose caller was killed. */
  readonly folder: string;
  /** The container's own process, from its spec. */
  readonly process: OciSpec['process'];
  /** Processes of the container: the only ones an exec may ever kill. */
  readonly listPids: () => readonly number[];
}

const SIGNALS: Readonly<Record<string, number>> = { SIGHUP: 1, SIGINT: 2, SIGKILL: 9, SIGTERM: 15 };
/** Something the command left running may keep the output open; it is not waited for longer than this. */
const DRAIN_MS = 500;
const START_DEADLINE_MS = 2000;
const START_RETRY_MS = 5;

/**
 * Starts a command in a container. Without a terminal the runtime hands our pipes to the command itself. With one, the
 * runtime wants a terminal on its own side too: `script` gives it one (Node cannot open a pseudo-terminal), and sizes are
 * set on the command's own terminal, since crun does not pass a resize on.
 */
export function startExec(target: ExecTarget, options: ExecOptions): ExecSession {
  mkdirSync(target.folder, { recursive: true, mode: 0o700 });
  const pidFile = `${target.folder}/${randomBytes(6).toString('hex')}.pid`;
  const processFile = pidFile.replace(/pid$/, 'json');
  writeFileSync(processFile, JSON.stringify(execProcess(target.process, options)), { mode: 0o600 });
  const argv = execArgv(target, pidFile, processFile);
  const tty = options.tty ?? false;
  const command = tty ? ['script', '-qefc', argv.map(shellQuote).join(' '), '/dev/null'] : argv;
  const child = spawn(command[0] ?? '', command.slice(1), {
    stdio: [options.stdin === true ? 'pipe' : tty ? 'pipe' : 'ignore', 'pipe', 'pipe'],
    detached: true,
    ...(tty ? { env: { ...process.env, SHELL: '/bin/sh' } } : {}),
  });
  if (child.stdout === null || child.stderr === null) {
    throw new RuntimeError('Failed', `Cannot run a command in container ${target.id}: no pipes`);
  }
  const state = { timedOut: false };
  const done = watchEnd({ target, options, child, pidFile, state });
  // Whoever does not look at `done` still must not see an unhandled rejection.
  done.catch(() => undefined);
  if (tty && options.size !== undefined) {
    void resize(pidFile, options.size, child);
  }
  child.stdin?.on('error', () => undefined);
  const stdin = options.stdin === true ? (tty ? gatedInput(pidFile, child) : child.stdin) : null;
  return {
    stdin,
    stdout: child.stdout,
    stderr: child.stderr,
    resize: (size) => (tty ? resize(pidFile, size, child) : Promise.resolve()),
    kill: () => killExec(target, pidFile, child),
    done,
  };
}

/** Input that is held back until there is a command: before, `script`'s terminal is still cooked and would echo it. */
function gatedInput(pidFile: string, child: ChildProcess): PassThrough {
  const gate = new PassThrough();
  gate.on('error', () => undefined);
  void waitForPid(pidFile, child).then(() => {
    if (child.stdin !== null) {
      gate.pipe(child.stdin);
    }
  });
  return gate;
}

/** Kills commands whose caller was killed before their end. Returns how many there were. */
export async function killLeftoverExecs(
  folder: string,
  names: readonly string[],
  listPids: () => readonly number[],
): Promise<number> {
  let count = 0;
  for (const name of names) {
    const ref = name.endsWith('.pid') ? readPid(`${folder}/${name}`) : null;
    if (ref !== null && listPids().includes(ref.pid)) {
      await killProcessTree(ref, listPids);
      count += 1;
    }
    removePath(`${folder}/${name}`);
  }
  return count;
}

function execArgv(target: ExecTarget, pidFile: string, processFile: string): readonly string[] {
  return [...target.runtime, 'exec', '--pid-file', pidFile, '--process', processFile, target.id];
}

/**
 * The command as the runtime wants it: the container's own process with other arguments. On the command line crun would
 * run it as root in `/`, whatever the container's user and folder are.
 */
function execProcess(own: OciSpec['process'], options: ExecOptions): OciSpec['process'] {
  const tty = options.tty ?? false;
  return {
    ...own,
    terminal: tty,
    args: options.argv,
    env: [...own.env, ...(tty ? ['TERM=xterm'] : []), ...(options.env ?? [])],
    cwd: options.cwd ?? own.cwd,
    user: options.user ?? own.user,
  };
}

async function watchEnd(exec: {
  readonly target: ExecTarget;
  readonly options: ExecOptions;
  readonly child: ChildProcess;
  readonly pidFile: string;
  readonly state: { timedOut: boolean };
}): Promise<ExecStatus> {
  const { target, options, child, pidFile, state } = exec;
  const kills: Promise<void>[] = [];
  const kill = (): void => {
    if (kills.length === 0) {
      const killing = killExec(target, pidFile, child);
      killing.catch(() => undefined);
      kills.push(killing);
    }
  };
  const timer =
    options.timeoutMs === undefined
      ? undefined
      : setTimeout(() => {
          state.timedOut = true;
          kill();
        }, options.timeoutMs);
  options.signal?.addEventListener('abort', kill, { once: true });
  if (options.signal?.aborted === true) {
    kill();
  }
  try {
    const exitCode = await exitCodeOf(child);
    await drained(child);
    await Promise.all(kills);
    return { exitCode: notStarted(exitCode, pidFile), timedOut: state.timedOut };
  } catch (err) {
    throw asRuntimeError(err, `Cannot run a command in container ${target.id}`);
  } finally {
    clearTimeout(timer);
    options.signal?.removeEventListener('abort', kill);
    removePath(pidFile);
    removePath(pidFile.replace(/pid$/, 'json'));
  }
}

/** The runtime's own failure (255, 1) before there was a process is, to a caller, a command that cannot be executed. */
function notStarted(exitCode: number, pidFile: string): number {
  const started = readText(pidFile) !== null;
  return !started && (exitCode === 255 || exitCode === 1) ? 127 : exitCode;
}

function exitCodeOf(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once('error', (err) => reject(startError(child.spawnfile, err)));
    child.once('exit', (code, signal) => resolve(code ?? 128 + (SIGNALS[signal ?? ''] ?? 0)));
  });
}

/** Until both streams ended, or the drain time is over and whatever still holds them is cut off. */
function drained(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.stdout?.readableEnded !== false && child.stderr?.readableEnded !== false) {
      resolve();
      return;
    }
    const timer = setTimeout(() => {
      child.stdout?.destroy();
      child.stderr?.destroy();
      resolve();
    }, DRAIN_MS);
    child.once('close', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

async function killExec(target: ExecTarget, pidFile: string, child: ChildProcess): Promise<void> {
  const ref = await waitForPid(pidFile, child);
  if (ref !== null) {
    await killProcessTree(ref, target.listPids);
  }
  if (child.exitCode === null && child.signalCode === null && child.pid !== undefined) {
    // The runtime ends by itself once the command has; a second's grace lets it report and restore its terminal.
    await Promise.race([new Promise((resolve) => child.once('exit', resolve)), delay(1000, undefined, { ref: false })]);
    if (child.exitCode === null && child.signalCode === null) {
      process.kill(-child.pid, 'SIGKILL');
    }
  }
}

/** The command's process as the node sees it; null when it has ended or never came to be. */
async function waitForPid(pidFile: string, child: ChildProcess): Promise<ProcessRef | null> {
  const deadline = performance.now() + START_DEADLINE_MS;
  for (;;) {
    const text = readText(pidFile);
    if (text !== null && text.trim() !== '') {
      return readPid(pidFile);
    }
    if (child.exitCode !== null || child.signalCode !== null || performance.now() > deadline) {
      return null;
    }
    await delay(START_RETRY_MS);
  }
}

function readPid(pidFile: string): ProcessRef | null {
  const pid = Number(readText(pidFile)?.trim() || Number.NaN);
  return Number.isSafeInteger(pid) && pid > 1 ? processRef(pid) : null;
}

async function resize(pidFile: string, size: TerminalSize, child: ChildProcess): Promise<void> {
  const ref = await waitForPid(pidFile, child);
  if (ref === null) {
    return;
  }
  const { rows, columns } = size;
  await run('stty', ['-F', `/proc/${ref.pid}/fd/0`, 'rows', String(rows), 'cols', String(columns)], {
    timeoutMs: 5000,
    okExitCodes: 'any',
  });
}

function shellQuote(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}

/** Gathers a stream up to `limit` bytes and lets the rest pass; the result is read at the end. */
export function collect(stream: NodeJS.ReadableStream, limit: number): () => string {
  const chunks: Buffer[] = [];
  let size = 0;
  stream.on('data', (chunk: Buffer) => {
    if (size < limit) {
      const part = chunk.subarray(0, limit - size);
      chunks.push(part);
      size += part.length;
    }
  });
  stream.on('error', () => undefined);
  return () => Buffer.concat(chunks).toString('utf8');
}
