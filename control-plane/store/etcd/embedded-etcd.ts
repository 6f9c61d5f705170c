import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import { ApiError, errorMessage } from '../../../lib/errors.ts';
import { clientUrl, type EtcdSettings, etcdArguments, etcdEnvironment } from './etcd-arguments.ts';
import { EtcdClient, type EtcdTls } from './etcd-client.ts';
import { identifyProcess, isRunning, type ProcessIdentity } from './process-identity.ts';

/** What an {@link EmbeddedEtcd} needs. */
export interface EmbeddedEtcdOptions extends EtcdSettings {
  /** Where the pid file and the log go; made when missing. */
  readonly stateDir: string;
  /** Our own client certificate, to ask etcd whether it is ready. Needed when `clientTls` is set. */
  readonly tls?: EtcdTls;
  /** The program; `etcd` on the PATH when left out. */
  readonly program?: string;
  /** How long etcd may take to answer after a start; 60,000 when left out (a slow SD card replays its log). */
  readonly readyTimeoutMs?: number;
  readonly log: Logger;
}

/** What the pid file holds: the process and the command line it was started with. */
interface Recorded extends ProcessIdentity {
  readonly version: 1;
  readonly args: readonly string[];
}

const RESTART_MIN_MS = 250;
const RESTART_MAX_MS = 10_000;
/** An etcd that ran this long was well: the next restart is quick again. */
const STABLE_AFTER_MS = 60_000;
/** How often we look whether an adopted etcd, which is not our child, still runs. */
const ADOPTED_CHECK_MS = 1_000;
const STOP_GRACE_MS = 10_000;
const MAX_LOG_BYTES = 8 * 1024 ** 2;

/**
 * Our own etcd: started in a session of its own with its log in a file, so that it outlives us; found again by pid and
 * start time, so that there is never a second; started again when it dies. `run` does not stop it, `stop` does.
 */
export class EmbeddedEtcd {
  readonly #options: EmbeddedEtcdOptions;
  readonly #args: readonly string[];
  readonly #pidFile: string;
  /** The etcd we started ourselves, if that is the one that runs. */
  #child: ChildProcess | undefined;
  /** etcd's own log. */
  readonly logFile: string;

  constructor(options: EmbeddedEtcdOptions) {
    this.#options = options;
    this.#args = etcdArguments(options);
    this.#pidFile = join(options.stateDir, 'etcd.pid.json');
    this.logFile = join(options.stateDir, 'etcd.log');
  }

  /** Where clients connect. */
  get endpoint(): string {
    return clientUrl(this.#options);
  }

  /**
   * Adopts the running etcd or starts one, and resolves when it answers. Throws `ServiceUnavailable` naming the package
   * when the program is missing, and with the end of etcd's log when it does not come up. Gives its version.
   */
  async start(signal: AbortSignal): Promise<string> {
    await mkdir(this.#options.stateDir, { recursive: true, mode: 0o700 });
    await mkdir(this.#options.dataDir, { recursive: true, mode: 0o700 });
    const running = await this.#adopt();
    const version = await this.#waitUntilReady(running ?? (await this.#spawn()), signal);
    if (isOlderThan(version, 3, 5)) {
      this.#options.log.warn({ version }, 'etcd is older than 3.5 and lacks fixes for stale reads after a pause');
    }
    return version;
  }

  /** Keeps the etcd that `start` found or made running, until `signal` aborts. Leaves it running then. */
  async run(signal: AbortSignal): Promise<void> {
    const { log } = this.#options;
    let waitMs = RESTART_MIN_MS;
    while (!signal.aborted) {
      const since = performance.now();
      const recorded = await this.#recorded();
      if (recorded !== undefined) await this.#waitForEnd(recorded, signal);
      if (signal.aborted) return;
      if (performance.now() - since > STABLE_AFTER_MS) waitMs = RESTART_MIN_MS;
      log.error({ pid: recorded?.pid, waitMs, logFile: this.logFile }, 'etcd ended, starting it again');
      await delay(waitMs, undefined, { signal }).catch(() => undefined);
      waitMs = Math.min(RESTART_MAX_MS, waitMs * 2);
      if (signal.aborted) return;
      await this.start(signal).catch((err) => {
        if (!signal.aborted) log.error({ err }, 'etcd did not come up');
      });
    }
  }

  /** Ends etcd, with SIGKILL when it does not go in ten seconds. Nothing running is no error. */
  async stop(): Promise<void> {
    const recorded = await this.#recorded();
    if (recorded !== undefined) await terminate(recorded);
    await rm(this.#pidFile, { force: true });
  }

  /** The process that now serves; undefined when none does. */
  async process(): Promise<ProcessIdentity | undefined> {
    return this.#recorded();
  }

  async #adopt(): Promise<ProcessIdentity | undefined> {
    const recorded = await this.#recorded();
    if (recorded === undefined) return undefined;
    const { log } = this.#options;
    if (recorded.args.join('\n') === this.#args.join('\n')) {
      log.info({ pid: recorded.pid }, 'adopted the running etcd');
      return recorded;
    }
    log.info({ pid: recorded.pid }, 'restarting etcd: its settings have changed');
    await terminate(recorded);
    return undefined;
  }

  async #spawn(): Promise<ProcessIdentity> {
    const program = this.#options.program ?? 'etcd';
    await rotate(this.logFile);
    // A file, never a pipe: an etcd whose stderr is our pipe dies at its next line after we are gone.
    const log = await open(this.logFile, 'a', 0o600);
    try {
      const child = spawn(program, this.#args, {
        detached: true,
        stdio: ['ignore', log.fd, log.fd],
        cwd: '/',
        env: etcdEnvironment(process.env),
      });
      await once(child, 'spawn');
      child.unref();
      this.#child = child;
      const identity = child.pid === undefined ? undefined : await identifyProcess(child.pid);
      if (identity === undefined) throw await this.#notUp('it ended at once');
      const recorded: Recorded = { version: 1, ...identity, args: this.#args };
      await writeFile(`${this.#pidFile}.new`, JSON.stringify(recorded), { mode: 0o600 });
      await rename(`${this.#pidFile}.new`, this.#pidFile);
      this.#options.log.info({ pid: identity.pid }, 'started etcd');
      return identity;
    } catch (err) {
      if ((err as NodeJS.ErrnoException).code !== 'ENOENT') throw err;
      throw new ApiError(
        'ServiceUnavailable',
        `Cannot start etcd: there is no program "${program}"; install the Debian package etcd-server`,
        { cause: err },
      );
    } finally {
      await log.close();
    }
  }

  /** Resolves when that process has ended, or `signal` aborts. */
  async #waitForEnd(identity: ProcessIdentity, signal: AbortSignal): Promise<void> {
    const child = this.#child;
    if (child?.pid === identity.pid && child.exitCode === null && child.signalCode === null) {
      await once(child, 'exit', { signal }).catch(() => undefined);
    }
    while (!signal.aborted && (await isRunning(identity))) {
      await delay(ADOPTED_CHECK_MS, undefined, { signal, ref: false }).catch(() => undefined);
    }
  }

  async #recorded(): Promise<Recorded | undefined> {
    try {
      const recorded = JSON.parse(await readFile(this.#pidFile, 'utf8')) as Recorded;
      return recorded.version === 1 && (await isRunning(recorded)) ? recorded : undefined;
    } catch {
      return undefined;
    }
  }

  async #waitUntilReady(identity: ProcessIdentity, signal: AbortSignal): Promise<string> {
    const timeoutMs = this.#options.readyTimeoutMs ?? 60_000;
    const deadline = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
    const { tls } = this.#options;
    const client = new EtcdClient({ endpoints: [this.endpoint], callTimeoutMs: 2_000, ...(tls && { tls }) });
    try {
      for (let lastError: unknown; ; ) {
        try {
          // A read by quorum: only a member that has a leader can answer it.
          await client.range({ key: Buffer.from('\0'), count_only: true }, 'reach etcd', deadline);
          return (await client.status(deadline)).version;
        } catch (err) {
          signal.throwIfAborted();
          if (deadline.aborted) throw await this.#notUp(`no answer in ${timeoutMs} ms`, lastError);
          if (!(await isRunning(identity))) throw await this.#notUp('it ended', err);
          lastError = err;
        }
        await delay(50, undefined, { signal: deadline }).catch(() => undefined);
      }
    } finally {
      client.close();
    }
  }

  async #notUp(because: string, cause?: unknown): Promise<ApiError> {
    const lines = await readFile(this.logFile, 'utf8').catch(() => '');
    const last = lines.trimEnd().split('\n').slice(-3).join('\n');
    const detail = cause === undefined ? '' : ` (${errorMessage(cause)})`;
    return new ApiError(
      'ServiceUnavailable',
      `Cannot start etcd: ${because}${detail}; the end of ${this.logFile}:\n${last}`,
      { cause },
    );
  }
}

async function terminate(identity: ProcessIdentity): Promise<void> {
  const deadline = performance.now() + STOP_GRACE_MS;
  let kill: NodeJS.Signals = 'SIGTERM';
  sendSignal(identity.pid, kill);
  while (await isRunning(identity)) {
    if (kill === 'SIGTERM' && performance.now() > deadline) {
      kill = 'SIGKILL';
      sendSignal(identity.pid, kill);
    }
    await delay(20);
  }
}

function sendSignal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code !== 'ESRCH') throw err;
  }
}

/** Keeps one older log, so that neither grows without end. */
async function rotate(file: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  const size = await stat(file).then(
    (info) => info.size,
    () => 0,
  );
  if (size > MAX_LOG_BYTES) await rename(file, `${file}.1`);
}

function isOlderThan(version: string, major: number, minor: number): boolean {
  const [haveMajor = 0, haveMinor = 0] = version.split('.').map(Number);
  return haveMajor < major || (haveMajor === major && haveMinor < minor);
}
