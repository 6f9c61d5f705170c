import { DEBIAN_PACKAGES, type ExecError } from '../../../lib/exec.ts';
import { RuntimeError } from '../runtime.ts';
import { ShellPool } from '../shell-pool.ts';
import type { ShellJob, ShellResult } from '../shell-worker.ts';

const TIMEOUT_MS = 30_000;

/**
 * $1 folder to work in (the monitor keeps it, and leaves a file `oom` there), $2 file for complaints; joins the cgroups given before `--`, then becomes the program after it. A shell of its own,
 * because `$$` in a subshell is still the pid of the outer one. The monitor reports on descriptor 3 (its sync pipe).
 */
const JOIN_AND_EXEC = `
cd "$1"; err=$2; shift 2
export _OCI_SYNCPIPE=3
exec sh -c 'while [ "$1" != -- ]; do echo $$ >"$1" || exit 125; shift; done; shift; exec "$@"' sh "$@" >/dev/null 2>"$err"`;

/** Starts the tools, a few at a time, and turns their failures into {@link RuntimeError}s. */
export class Launcher {
  readonly #shells: ShellPool;

  /** `folder` keeps the pids of the shells. */
  constructor(folder: string) {
    this.#shells = new ShellPool(folder);
  }

  /** Ends what a process before us had left running. */
  killLeftovers(): Promise<void> {
    return this.#shells.killLeftovers();
  }

  /** Runs a shell script (stopping at its first failure) with arguments to its end. */
  async script(script: string, args: readonly string[], failure: string): Promise<void> {
    const result = await this.#run({ script: `set -e\n${script}`, argv: args, timeoutMs: TIMEOUT_MS }, failure);
    if (result.exitCode !== 0) {
      throw failed(result, failure);
    }
  }

  /** Runs a program to its end. */
  async program(program: string, args: readonly string[], failure: string): Promise<void> {
    await this.script('exec "$@"', [program, ...args], failure);
  }

  /**
   * Starts the monitor in its cgroup and waits for the line it writes when the container has been made: its pid, or why
   * it could not be. `errorFile` receives what it complains about.
   */
  async monitor(start: {
    readonly joinFiles: readonly string[];
    readonly argv: readonly string[];
    readonly folder: string;
    readonly errorFile: string;
    readonly timeoutMs: number;
    readonly failure: string;
  }): Promise<MonitorReport> {
    const { exitCode, output, line } = await this.#run(
      {
        script: JOIN_AND_EXEC,
        argv: [start.folder, start.errorFile, ...start.joinFiles, '--', ...start.argv],
        timeoutMs: start.timeoutMs,
        awaitLine: true,
      },
      start.failure,
    );
    return line === null ? { pid: null, message: output, exitCode } : parseReport(line, exitCode);
  }

  async #run(job: ShellJob, failure: string): Promise<ShellResult> {
    try {
      return await this.#shells.run(job);
    } catch (err) {
      const timedOut = err instanceof Error && err.message.includes('did not end within');
      throw new RuntimeError(timedOut ? 'Timeout' : 'Failed', `${failure}: ${String(err)}`, { cause: err });
    }
  }
}

/** What the monitor said when create ended: a pid, or null with the reason. */
export interface MonitorReport {
  readonly pid: number | null;
  readonly message: string;
  /** Of the monitor's own start; 127 when it is not installed. */
  readonly exitCode: number;
}

function parseReport(line: string, exitCode: number): MonitorReport {
  try {
    const parsed: { pid?: number; data?: number; message?: string } = JSON.parse(line);
    const pid = parsed.pid ?? parsed.data ?? -1;
    return pid > 0 ? { pid, message: '', exitCode } : { pid: null, message: (parsed.message ?? '').trim(), exitCode };
  } catch {
    return { pid: null, message: line.trim() || 'the monitor ended without a report', exitCode };
  }
}

function failed(result: ShellResult, failure: string): RuntimeError {
  // What shells say of a program that is not there: `sh: 3: exec: unshare: not found`.
  const missing = result.exitCode === 127 ? /(\S+): not found/.exec(result.output)?.[1] : undefined;
  return missing === undefined
    ? new RuntimeError('Failed', `${failure}: ${result.output || `exit code ${result.exitCode}`}`)
    : missingTool(missing, failure);
}

/** The error for a program that is not installed; names the Debian package. */
export function missingTool(program: string, failure: string): RuntimeError {
  const debianPackage = DEBIAN_PACKAGES[program.slice(program.lastIndexOf('/') + 1)];
  const hint = debianPackage === undefined ? '' : `; on Debian it is in the package ${debianPackage}`;
  return new RuntimeError('MissingTool', `${failure}: the program ${program} is not installed${hint}`);
}

/** Wraps what a tool said; the class of failure is read off here and nowhere else. */
export function asRuntimeError(err: unknown, failure: string): RuntimeError {
  if (err instanceof RuntimeError) {
    return err;
  }
  const execError = err as Partial<ExecError>;
  const code = execError.code === 'MissingTool' ? 'MissingTool' : execError.code === 'Timeout' ? 'Timeout' : 'Failed';
  return new RuntimeError(code, `${failure}: ${err instanceof Error ? err.message : String(err)}`, { cause: err });
}
