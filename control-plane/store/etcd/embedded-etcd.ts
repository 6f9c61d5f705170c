import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Backoff } from '../../../lib/backoff.ts';
import { ApiError, errorMessage } from '../../../lib/errors.ts';
import { startError } from '../../../lib/exec.ts';
import type { Logger } from '../../../lib/logger.ts';
import { isAlive, type ProcessRef, processRef, signalProcess } from '../../../lib/process.ts';
import { clientUrl, type EtcdSettings, etcdArguments, etcdEnvironment } from './etcd-arguments.ts';
import { EtcdClient, type EtcdConnection, type EtcdTls } from './etcd-client.ts';
import { listensOn } from './listening.ts';
import { type ProcessRecord, readLiveRecord, writeRecord } from './process-record.ts';

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

/** An etcd that ran this long was well: the next restart is quick again. */
const STABLE_AFTER_MS = 10_000;
/** How often we look whether an adopted etcd, which is not our child, still runs. */
const ADOPTED_CHECK_MS = 1_000;
const READY_CHECK_MS = 25;
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

  /** The URL clients use. */
  get endpoint(): string {
    return clientUrl(this.#options);
  }

  /** How clients connect, this one's certificate included. */
  get connection(): EtcdConnection {
    const { tls } = this.#options;
    // An address cannot be a TLS server name; its certificate has this one beside it.
    return { endpoints: [this.endpoint], ...(tls && { tls, serverName: 'localhost' }) };
  }

  /**
   * Adopts the running etcd or starts one, and resolves with its version when it answers. Throws `ExecError` naming the
   * package when the program is missing, `ApiError('ServiceUnavailable')` with the end of etcd's log when it does not
   * come up; what it started in vain it has ended then. An abort leaves etcd running.
   */
  async start(signal: AbortSignal): Promise<string> {
    await mkdir(this.#options.stateDir, { recursive: true, mode: 0o700 });
    await mkdir(this.#options.dataDir, { recursive: true, mode: 0o700 });
    const adopted = await this.#adopt();
    const process = adopted ?? (await this.#spawn());
    try {
      const version = await this.#waitUntilReady(process, signal);
      if (isOlderThan(version, 3, 5)) {
        this.#options.log.warn({ version }, 'etcd is older than 3.5 and lacks fixes for stale reads after a pause');
      }
      return version;
    } catch (err) {
      // Told to leave, we leave it running: it may be coming up, and the next one adopts it.
      if (adopted === undefined && !signal.aborted) await terminate(process);
      throw err;
    }
  }

  /** Keeps the etcd that `start` found or made running, until `signal` aborts. Leaves it running then. */
  async run(signal: AbortSignal): Promise<void> {
    const { log } = this.#options;
    const backoff = new Backoff({ initialMs: 250, maxMs: 5_000 });
    while (!signal.aborted) {
      const sinceMs = performance.now();
      const process = await this.process();
      if (process !== undefined) await this.#waitForEnd(process, signal);
      if (signal.aborted) return;
      if (performance.now() - sinceMs > STABLE_AFTER_MS) backoff.reset();
      const waitMs = backoff.next();
      log.error({ pid: process?.pid, waitMs, file: this.logFile }, 'etcd ended, starting it again');
      await delay(waitMs, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
      await this.start(signal).catch((err: unknown) => {
        if (!signal.aborted) log.error({ err }, 'etcd did not come up');
      });
    }
  }

  /** Ends etcd, with SIGKILL when it does not go in ten seconds. Nothing running is no error. */
  async stop(): Promise<void> {
    const process = await this.process();
    if (process !== undefined) await terminate(process);
    await rm(this.#pidFile, { force: true });
  }

  /** The process that was last started here, by us or by one before us, if it still runs. */
  async process(): Promise<ProcessRecord | undefined> {
    return readLiveRecord(this.#pidFile);
  }

  async #adopt(): Promise<ProcessRef | undefined> {
    const running = await this.process();
    if (running === undefined) return undefined;
    const { log } = this.#options;
    if (running.args.join('\n') === this.#args.join('\n')) {
      log.info({ pid: running.pid }, 'adopted the running etcd');
      return running;
    }
    log.info({ pid: running.pid }, 'restarting etcd: its settings have changed');
    await terminate(running);
    return undefined;
  }

  async #spawn(): Promise<ProcessRef> {
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
      await once(child, 'spawn').catch((err: Error) => {
        throw startError(program, err);
      });
      child.unref();
      this.#child = child;
      const started = child.pid === undefined ? null : processRef(child.pid);
      if (started === null) throw await this.#notUp('it ended at once');
      await writeRecord(this.#pidFile, started, this.#args);
      this.#options.log.info({ pid: started.pid }, 'started etcd');
      return started;
    } finally {
      await log.close();
    }
  }

  /** Resolves when that process has ended, or `signal` aborts. */
  async #waitForEnd(process: ProcessRef, signal: AbortSignal): Promise<void> {
    const child = this.#child;
    if (child?.pid === process.pid && child.exitCode === null && child.signalCode === null) {
      await once(child, 'exit', { signal }).catch(() => undefined);
    }
    while (!signal.aborted && isAlive(process)) {
      await delay(ADOPTED_CHECK_MS, undefined, { signal, ref: false }).catch(() => undefined);
    }
  }

  /** Gives the version once that process, and no other on the same port, answers a read by quorum. */
  async #waitUntilReady(process: ProcessRef, signal: AbortSignal): Promise<string> {
    const timeoutMs = this.#options.readyTimeoutMs ?? 60_000;
    const deadline = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
    const client = new EtcdClient({ ...this.connection, callTimeoutMs: 2_000 });
    let lastError: unknown;
    try {
      for (;;) {
        if (await listensOn(process.pid, this.#options.clientPort)) {
          try {
            await client.range({ key: Buffer.from('\0'), count_only: true }, 'reach etcd', deadline);
            return (await client.status(deadline)).version;
          } catch (err) {
            lastError = err;
          }
        }
        signal.throwIfAborted();
        if (!isAlive(process)) throw await this.#notUp('it ended', lastError);
        if (deadline.aborted) throw await this.#notUp(`no answer in ${timeoutMs} ms`, lastError);
        await delay(READY_CHECK_MS, undefined, { signal: deadline }).catch(() => undefined);
      }
    } finally {
      client.close();
    }
  }

  async #notUp(because: string, cause?: unknown): Promise<ApiError> {
    const text = await readFile(this.logFile, 'utf8').catch(() => '');
    const last = text.trimEnd().split('\n').slice(-3).join('\n');
    const detail = cause === undefined ? '' : ` (${errorMessage(cause)})`;
    const message = `Cannot start etcd: ${because}${detail}; the end of ${this.logFile}:\n${last}`;
    return new ApiError('ServiceUnavailable', message, { cause });
  }
}

async function terminate(process: ProcessRef): Promise<void> {
  const deadline = performance.now() + STOP_GRACE_MS;
  let killed = false;
  signalProcess(process, 'SIGTERM');
  while (isAlive(process)) {
    if (!killed && performance.now() > deadline) {
      killed = true;
      signalProcess(process, 'SIGKILL');
    }
    await delay(20);
  }
}

/** Keeps one older log, so that neither grows without end. */
async function rotate(file: string): Promise<void> {
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
