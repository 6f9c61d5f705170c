/**
 * The process `bin/skiff-deadman`: in a session of its own and outside the agent's unit, so that it outlives the agent; known again by
 * its pid and start time.
 */
import { spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Clock, sleep } from '../../lib/clock.ts';
import { isAlive, type ProcessRef, processRef, signalProcess } from '../../lib/process.ts';

/** What ends the pods. */
export interface Watchdog {
  /** Whether it watches now. Cheap. */
  isWatching(): boolean;
  /** Makes sure it watches, with something fed already. Rejects with why it cannot. */
  start(signal: AbortSignal): Promise<void>;
  /** Lets it go, and with it the hardware. Resolves when it is gone. No error when none runs. */
  stop(signal: AbortSignal): Promise<void>;
}

/** What the process is made of. */
export interface WatchdogProcessOptions {
  /** Folder of its files. */
  readonly dir: string;
  /** Hardware watchdog; empty for none. */
  readonly device: string;
  /** Seconds within which the hardware must reset the machine. */
  readonly limitSeconds: number;
  /** `cgroup.procs` of the cgroups it moves to. */
  readonly joinFiles: readonly string[];
  readonly clock: Clock;
  readonly script?: string;
}

interface ProcessRecord extends ProcessRef {
  readonly version: 1;
  readonly device: string;
}

/** What cannot work ends at once, such as a device that another program holds. */
const SETTLE_MS = 200;
const STOP_LIMIT_MS = 3_000;
const STOP_POLL_MS = 20;

/** See the top of the file. */
export class WatchdogProcess implements Watchdog {
  readonly #options: WatchdogProcessOptions;

  constructor(options: WatchdogProcessOptions) {
    this.#options = options;
  }

  isWatching(): boolean {
    const record = this.#record();
    return record !== undefined && record.device === this.#options.device && isAlive(record);
  }

  async start(signal: AbortSignal): Promise<void> {
    if (this.isWatching()) return;
    // One with another device.
    await this.stop(signal);
    const { dir, device, limitSeconds, joinFiles, clock, script = scriptFile() } = this.#options;
    const timeoutSeconds = deviceTimeoutSeconds(device);
    if (timeoutSeconds > limitSeconds) {
      throw new Error(
        `Cannot start the dead-man: ${device} resets the machine after ${timeoutSeconds} s only, which is more than --dead-man allows`,
      );
    }
    rmSync(join(dir, 'disarm'), { force: true });
    const log = openSync(join(dir, 'log'), 'w', 0o600);
    const child = spawn('/bin/sh', [script, dir, device, ...joinFiles], {
      detached: true,
      stdio: ['ignore', log, log],
      cwd: '/',
    });
    child.unref();
    closeSync(log);
    child.on('error', () => undefined);
    const ref = child.pid === undefined ? null : processRef(child.pid);
    if (ref !== null) {
      const record: ProcessRecord = { version: 1, ...ref, device };
      writeFileSync(join(dir, 'process.new'), JSON.stringify(record), { mode: 0o600 });
      renameSync(join(dir, 'process.new'), join(dir, 'process'));
      await sleep(clock, SETTLE_MS, signal);
    }
    if (ref !== null && isAlive(ref)) return;
    const said = readFileSync(join(dir, 'log'), 'utf8').trim().split('\n').at(-1);
    throw new Error(`Cannot start the dead-man: ${said === undefined || said === '' ? 'it ended at once' : said}`);
  }

  async stop(signal: AbortSignal): Promise<void> {
    const record = this.#record();
    if (record === undefined || !isAlive(record)) return;
    const { dir, clock } = this.#options;
    writeFileSync(join(dir, 'disarm'), '');
    signalProcess(record, 'SIGTERM');
    for (let waitedMs = 0; isAlive(record); waitedMs += STOP_POLL_MS) {
      if (waitedMs >= STOP_LIMIT_MS || signal.aborted) {
        throw new Error(`Cannot stop the dead-man: process ${record.pid} does not end`);
      }
      await sleep(clock, STOP_POLL_MS, signal);
    }
  }

  #record(): ProcessRecord | undefined {
    try {
      const record = JSON.parse(readFileSync(join(this.#options.dir, 'process'), 'utf8')) as Partial<ProcessRecord>;
      const { version, pid, startTime, device = '' } = record;
      return version === 1 && pid !== undefined && startTime !== undefined
        ? { version, pid, startTime, device }
        : undefined;
    } catch {
      return undefined;
    }
  }
}

/** After how long the hardware resets the machine; 0 where the kernel does not say. `watchdog` is another name of `watchdog0`. */
function deviceTimeoutSeconds(device: string): number {
  const name = /^\/dev\/(watchdog\d*)$/.exec(device)?.[1];
  if (name === undefined) return 0;
  try {
    return Number(readFileSync(`/sys/class/watchdog/${name === 'watchdog' ? 'watchdog0' : name}/timeout`, 'utf8'));
  } catch {
    return 0;
  }
}

/** The script, from the bundle or from the sources. */
function scriptFile(): string {
  const places = ['../bin/skiff-deadman', '../../bin/skiff-deadman'];
  const files = places.map((place) => fileURLToPath(new URL(place, import.meta.url)));
  const found = files.find((file) => existsSync(file));
  if (found === undefined) throw new Error(`Cannot start the dead-man: ${files[0]} is missing`);
  return found;
}
