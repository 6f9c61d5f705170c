import { type ChildProcess, spawn } from 'node:child_process';
import { errorMessage } from './errors.ts';

/** The Debian package that has a program, for error messages. */
export const DEBIAN_PACKAGES: Readonly<Record<string, string>> = {
  apt: 'apt',
  arping: 'iputils-arping',
  busybox: 'busybox-static',
  bridge: 'containernetworking-plugins',
  conmon: 'conmon',
  conntrack: 'conntrack',
  crun: 'crun',
  etcd: 'etcd-server',
  etcdctl: 'etcd-client',
  'host-local': 'containernetworking-plugins',
  ip: 'iproute2',
  mount: 'mount',
  nft: 'nftables',
  nsenter: 'util-linux',
  runc: 'runc',
  script: 'bsdutils',
  skopeo: 'skopeo',
  socat: 'socat',
  stty: 'coreutils',
  tar: 'tar',
  umoci: 'umoci',
  umount: 'mount',
  unshare: 'util-linux',
};

/** Why a program did not do its work. */
export type ExecErrorCode = 'MissingTool' | 'CannotStart' | 'Timeout' | 'Failed';

/** What an {@link ExecError} carries besides its message. */
export interface ExecErrorOptions {
  readonly cause?: unknown;
  readonly exitCode?: number | null;
  readonly stderr?: string;
}

/** A program that could not be started, did not end in time, or reported failure. */
export class ExecError extends Error {
  readonly code: ExecErrorCode;
  /** Null when it did not exit by itself. */
  readonly exitCode: number | null;
  readonly stderr: string;

  constructor(code: ExecErrorCode, message: string, options: ExecErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'ExecError';
    this.code = code;
    this.exitCode = options.exitCode ?? null;
    this.stderr = options.stderr ?? '';
  }
}

/** How to run a program. */
export interface RunOptions {
  /** Written to its standard input, which is then closed; without it the input is empty. */
  readonly input?: string | Uint8Array;
  /** Replaces the whole environment. */
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  /** Kills the program (and what it started in its process group) and rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** The same, with an {@link ExecError} `Timeout`. Default: none. */
  readonly timeoutMs?: number;
  /** Each stream is cut there. Default 1 MiB. */
  readonly maxOutputBytes?: number;
  /** Exit codes that are no failure. Default `[0]`; `'any'` leaves the judgement to the caller. */
  readonly okExitCodes?: readonly number[] | 'any';
  /** Told the process id as soon as the program runs. */
  readonly onStart?: (pid: number) => void;
}

/** What a program that ended said. */
export interface RunResult {
  /** 128 + signal number when a signal ended it, as a shell counts. */
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
  /** Whether one of the streams was cut. */
  readonly truncated: boolean;
}

const SIGNAL_NUMBERS: Readonly<Record<string, number>> = { SIGHUP: 1, SIGINT: 2, SIGQUIT: 3, SIGKILL: 9, SIGTERM: 15 };
/** A program's own children may hold its output open after its end; we do not wait longer than this for them. */
const OUTPUT_GRACE_MS = 500;

/**
 * Runs a program to its end. It gets a process group of its own, so that a terminal's Ctrl-C does not reach it and an
 * abort takes everything it started along. Rejects with {@link ExecError} when it is missing (naming the Debian package),
 * exits with another code than allowed (with the end of what it said), or does not end in time.
 */
export function run(program: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  return new Promise((resolve, reject) => {
    if (options.signal?.aborted) {
      reject(abortReason(options.signal));
      return;
    }
    const child = spawn(program, args, {
      stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
      detached: true,
      ...(options.env === undefined ? {} : { env: options.env }),
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    });
    if (child.pid !== undefined) options.onStart?.(child.pid);
    const limit = options.maxOutputBytes ?? 1 << 20;
    const stdout = new BoundedOutput(limit);
    const stderr = new BoundedOutput(limit);
    child.stdout?.on('data', (chunk: Buffer) => stdout.push(chunk));
    child.stderr?.on('data', (chunk: Buffer) => stderr.push(chunk));
    let failure: unknown;
    const kill = (reason: unknown): void => {
      failure ??= reason;
      killGroup(child);
    };
    const onAbort = (): void => kill(options.signal === undefined ? undefined : abortReason(options.signal));
    options.signal?.addEventListener('abort', onAbort, { once: true });
    const timer =
      options.timeoutMs === undefined
        ? undefined
        : setTimeout(
            () =>
              kill(new ExecError('Timeout', `Cannot run ${program}: it did not end within ${options.timeoutMs} ms`)),
            options.timeoutMs,
          );
    let graceTimer: NodeJS.Timeout | undefined;
    const release = (): void => {
      clearTimeout(timer);
      clearTimeout(graceTimer);
      options.signal?.removeEventListener('abort', onAbort);
    };
    child.once('error', (err) => {
      release();
      reject(startError(program, err, options.cwd));
    });
    child.once('exit', () => {
      graceTimer = setTimeout(() => {
        child.stdout?.destroy();
        child.stderr?.destroy();
      }, OUTPUT_GRACE_MS);
    });
    child.once('close', (code, signal) => {
      release();
      if (failure !== undefined) {
        reject(failure);
        return;
      }
      const exitCode = code ?? 128 + (SIGNAL_NUMBERS[signal ?? ''] ?? 0);
      const result = {
        exitCode,
        stdout: stdout.text(),
        stderr: stderr.text(),
        truncated: stdout.truncated || stderr.truncated,
      };
      const ok = options.okExitCodes ?? [0];
      if (ok === 'any' || (code !== null && ok.includes(code))) {
        resolve(result);
      } else {
        reject(failedError(program, result, signal));
      }
    });
    if (options.input !== undefined) {
      // A program that ends without reading its input is judged by its exit code, not by the broken pipe.
      child.stdin?.on('error', () => undefined);
      child.stdin?.end(options.input);
    }
  });
}

/** The error for a program that could not be started at all; names the Debian package when it is missing. */
export function startError(program: string, err: Error, cwd?: string): ExecError {
  const missing = 'code' in err && err.code === 'ENOENT';
  if (!missing) {
    return new ExecError('CannotStart', `Cannot start ${program}: ${err.message}`, { cause: err });
  }
  const name = program.slice(program.lastIndexOf('/') + 1);
  const debianPackage = DEBIAN_PACKAGES[name];
  const where = cwd === undefined ? '' : ` (or the folder ${cwd} does not exist)`;
  const hint = debianPackage === undefined ? '' : `; on Debian it is in the package ${debianPackage}`;
  return new ExecError('MissingTool', `Cannot start ${program}: the program is not installed${where}${hint}`, {
    cause: err,
  });
}

function failedError(program: string, result: RunResult, signal: string | null): ExecError {
  const said = (result.stderr.trim() || result.stdout.trim()).slice(-2000);
  const how = signal === null ? `it exited with code ${result.exitCode}` : `it was ended by ${signal}`;
  return new ExecError('Failed', `Cannot run ${program}: ${how}${said === '' ? '' : `: ${said}`}`, {
    exitCode: signal === null ? result.exitCode : null,
    stderr: result.stderr,
  });
}

function abortReason(signal: AbortSignal): unknown {
  return signal.reason ?? new Error('aborted');
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) {
    return;
  }
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch (err) {
    // ESRCH: it ended a moment ago and 'close' is on its way.
    if (!errorMessage(err).includes('ESRCH')) {
      throw err;
    }
  }
}

/** Keeps the first bytes of a stream and counts on, so that the program never blocks on a full pipe. */
class BoundedOutput {
  readonly #chunks: Buffer[] = [];
  readonly #limit: number;
  #size = 0;
  truncated = false;

  constructor(limit: number) {
    this.#limit = limit;
  }

  push(chunk: Buffer): void {
    const room = this.#limit - this.#size;
    if (chunk.length > room) {
      this.truncated = true;
    }
    if (room > 0) {
      const part = chunk.length > room ? chunk.subarray(0, room) : chunk;
      this.#chunks.push(part);
      this.#size += part.length;
    }
  }

  text(): string {
    return Buffer.concat(this.#chunks).toString('utf8');
  }
}
