import { spawn } from 'node:child_process';
import { type ExecError, run, startError } from '../../../lib/exec.ts';
import { RuntimeError } from '../runtime.ts';

/** How many tools may run at once: more only queue in the kernel and make every start slower. */
const MAX_PARALLEL = 4;

/** Joins the cgroups given before `--`, then becomes the program after it. */
const JOIN_AND_EXEC = 'while [ "$1" != -- ]; do echo $$ >"$1" || exit 125; shift; done; shift; exec "$@"';

/** Starts the tools, a few at a time, and turns their failures into {@link RuntimeError}s. */
export class Launcher {
  #running = 0;
  readonly #waiting: (() => void)[] = [];

  /** Runs a shell script with arguments to its end. */
  async script(script: string, args: readonly string[], failure: string): Promise<string> {
    return this.#limited(async () => {
      try {
        const result = await run('sh', ['-ec', script, 'sh', ...args], { timeoutMs: 30_000 });
        return result.stdout;
      } catch (err) {
        throw asRuntimeError(err, failure);
      }
    });
  }

  /** Runs a program to its end. */
  async program(program: string, args: readonly string[], failure: string): Promise<string> {
    return this.#limited(async () => {
      try {
        return (await run(program, args, { timeoutMs: 30_000 })).stdout;
      } catch (err) {
        throw asRuntimeError(err, failure);
      }
    });
  }

  /**
   * Starts the monitor in its cgroup and waits for the line it writes when the container has been made: its pid, or why
   * it could not be.
   */
  async monitor(joinFiles: readonly string[], argv: readonly string[], timeoutMs: number): Promise<MonitorReport> {
    return this.#limited(
      () =>
        new Promise<MonitorReport>((resolve, reject) => {
          const child = spawn('sh', ['-c', JOIN_AND_EXEC, 'sh', ...joinFiles, '--', ...argv], {
            stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
            detached: true,
            env: { ...process.env, _OCI_SYNCPIPE: '3' },
          });
          const report = child.stdio[3];
          let text = '';
          let complaint = '';
          const timer = setTimeout(() => settle(null), timeoutMs);
          const settle = (line: string | null): void => {
            clearTimeout(timer);
            child.stderr?.destroy();
            if (report !== null && report !== undefined && 'destroy' in report) {
              report.destroy();
            }
            child.unref();
            if (line === null) {
              reject(new RuntimeError('Timeout', `the monitor did not report within ${timeoutMs} ms`));
              return;
            }
            resolve(parseReport(line, complaint));
          };
          child.once('error', (err) => {
            clearTimeout(timer);
            reject(asRuntimeError(startError('sh', err), 'Cannot start the monitor'));
          });
          child.stderr?.on('data', (chunk: Buffer) => {
            complaint = (complaint + chunk.toString('utf8')).slice(-4000);
          });
          child.stderr?.on('error', () => undefined);
          report?.on('error', () => undefined);
          report?.on('data', (chunk: Buffer) => {
            text += chunk.toString('utf8');
            const end = text.indexOf('\n');
            if (end >= 0) {
              settle(text.slice(0, end));
            }
          });
          report?.once('end', () => settle(text));
        }),
    );
  }

  async #limited<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running >= MAX_PARALLEL) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    } else {
      this.#running += 1;
    }
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) {
        this.#running -= 1;
      } else {
        // The place passes on; the count stays.
        next();
      }
    }
  }
}

/** What the monitor said when create ended: a pid, or null with the reason. */
export interface MonitorReport {
  readonly pid: number | null;
  readonly message: string;
}

function parseReport(line: string, complaint: string): MonitorReport {
  try {
    const parsed: { pid?: number; data?: number; message?: string } = JSON.parse(line);
    const pid = parsed.pid ?? parsed.data ?? -1;
    return pid > 0 ? { pid, message: '' } : { pid: null, message: (parsed.message ?? complaint).trim() };
  } catch {
    return { pid: null, message: complaint.trim() || line.trim() || 'the monitor ended without a report' };
  }
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
