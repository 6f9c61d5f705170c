/**
 * One HAProxy under us: started when first needed, adopted when an agent before us started it, reloaded without dropping a
 * connection (the new worker takes over the listening sockets, the old one ends with its last connection), changed without a
 * reload where only servers come and go.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { type Clock, sleep } from '../../lib/clock.ts';
import { run } from '../../lib/exec.ts';
import { portOwner, portOwnerText } from '../../lib/port-owner.ts';
import { isAlive, type ProcessRef, processRef, signalProcess } from '../../lib/process.ts';
import {
  assignPlaces,
  certificateList,
  haproxyConfig,
  type IngressPorts,
  type Places,
  placeCommands,
  shapeOf,
} from './haproxy-config.ts';
import type { IngressPlan } from './plan.ts';

/** Why the proxy cannot do what it should, for a condition. */
export class ProxyError extends Error {
  /** CamelCase. */
  readonly reason: 'MissingTool' | 'PortTaken' | 'ConfigRefused' | 'NotStarted';

  constructor(reason: ProxyError['reason'], message: string, options: { readonly cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'ProxyError';
    this.reason = reason;
  }
}

/** How to run it. */
export interface HaproxyOptions {
  /** Its files go here: certificates too, so it is made 0700 and should not outlive a boot. */
  readonly dir: string;
  readonly ports: IngressPorts;
  readonly clock: Clock;
}

const START_MS = 10_000;
const POLL_MS = 20;

/** See the top of the file. Calls are made one after the other. */
export class Haproxy {
  readonly #options: HaproxyOptions;
  #places: Places = new Map();
  /** What the running one was configured with; undefined when that is not known. */
  #shape: string | undefined;
  #onExit: () => void = () => undefined;

  constructor(options: HaproxyOptions) {
    this.#options = options;
  }

  /** Whether one runs. */
  get isRunning(): boolean {
    const ref = this.#process();
    return ref !== undefined && isAlive(ref);
  }

  /** Called when a proxy that this object started has ended. */
  onExit(listener: () => void): void {
    this.#onExit = listener;
  }

  /** Makes the proxy do what the plan says; it is in force when this resolves. Throws {@link ProxyError}. */
  async apply(plan: IngressPlan, signal: AbortSignal): Promise<void> {
    const places = assignPlaces(plan, this.#places);
    const shape = shapeOf(plan, places);
    const running = this.isRunning;
    if (running && shape === this.#shape) {
      const commands = placeCommands(this.#places, places);
      if (commands.length > 0) await this.#command(commands.join(';'));
    } else {
      await this.#write(plan, places);
      if (running) await this.#reload(signal);
      else await this.#start(signal);
    }
    this.#places = places;
    this.#shape = shape;
  }

  /** Ends it and removes its files. */
  async stop(): Promise<void> {
    const ref = this.#process();
    if (ref !== undefined && isAlive(ref)) {
      const deadlineMs = this.#options.clock.monotonicMs() + START_MS;
      signalProcess(ref, 'SIGTERM');
      while (isAlive(ref)) {
        if (this.#options.clock.monotonicMs() > deadlineMs) signalProcess(ref, 'SIGKILL');
        await sleep(this.#options.clock, POLL_MS);
      }
    }
    this.#shape = undefined;
    this.#places = new Map();
    rmSync(this.#options.dir, { recursive: true, force: true });
  }

  async #write(plan: IngressPlan, places: Places): Promise<void> {
    const { dir, ports } = this.#options;
    mkdirSync(join(dir, 'certificates'), { recursive: true, mode: 0o700 });
    const fileOf = (name: string): string => join(dir, 'certificates', `${name}.pem`);
    for (const { name, pem } of plan.certificates) writeWhole(fileOf(name), pem);
    const list = join(dir, 'certificates.list');
    if (plan.certificates.length > 0) writeWhole(list, certificateList(plan, fileOf));
    const paths = {
      adminSocket: join(dir, 'admin.sock'),
      certificateList: plan.certificates.length > 0 ? list : undefined,
    };
    const next = join(dir, 'next.cfg');
    writeWhole(next, haproxyConfig(plan, places, { paths, ports }));
    try {
      await run('haproxy', ['-c', '-q', '-f', next], { timeoutMs: START_MS });
    } catch (err) {
      throw toProxyError(err);
    }
    renameSync(next, join(dir, 'haproxy.cfg'));
    const wanted = new Set(plan.certificates.map(({ name }) => `${name}.pem`));
    for (const file of readdirSync(join(dir, 'certificates'))) {
      if (!wanted.has(file)) rmSync(join(dir, 'certificates', file));
    }
  }

  async #start(signal: AbortSignal): Promise<void> {
    const { dir } = this.#options;
    const log = join(dir, 'haproxy.log');
    const fd = openSync(log, 'w', 0o600);
    const child = spawn('haproxy', ['-W', '-f', join(dir, 'haproxy.cfg')], {
      detached: true,
      stdio: ['ignore', fd, fd],
      cwd: '/',
    });
    closeSync(fd);
    child.unref();
    const ended = once(child, 'exit').then(
      () => 'ended' as const,
      () => 'ended' as const,
    );
    const ref = child.pid === undefined ? null : processRef(child.pid);
    if (ref !== null) writeWhole(join(dir, 'haproxy.json'), JSON.stringify({ version: 1, ...ref }));
    const up = await this.#until(() => this.#workerPid(), signal, ended);
    if (up === undefined) throw startFailure(readFileSync(log, 'utf8'));
    void ended.then(() => this.#onExit());
  }

  async #reload(signal: AbortSignal): Promise<void> {
    const ref = this.#process();
    if (ref === undefined) return;
    const before = await this.#workerPid();
    signalProcess(ref, 'SIGUSR2');
    const changed = await this.#until(async () => {
      const pid = await this.#workerPid();
      return pid !== undefined && pid !== before ? pid : undefined;
    }, signal);
    if (changed === undefined) throw startFailure(readFileSync(join(this.#options.dir, 'haproxy.log'), 'utf8'));
  }

  /** What `probe` gives once it gives something; undefined when it does not in time, or `ended` came first. */
  async #until<T>(
    probe: () => Promise<T | undefined>,
    signal: AbortSignal,
    ended?: Promise<'ended'>,
  ): Promise<T | undefined> {
    const { clock } = this.#options;
    const deadlineMs = clock.monotonicMs() + START_MS;
    while (clock.monotonicMs() < deadlineMs) {
      signal.throwIfAborted();
      const found = await probe();
      if (found !== undefined) return found;
      const waited = sleep(clock, POLL_MS, signal);
      if ((await Promise.race([waited, ended ?? waited])) === 'ended') return undefined;
    }
    return undefined;
  }

  /** The worker that answers on the admin socket. */
  async #workerPid(): Promise<string | undefined> {
    try {
      return /^Pid: (\d+)$/m.exec(await this.#command('show info'))?.[1];
    } catch {
      return undefined;
    }
  }

  #command(text: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const socket = connect(join(this.#options.dir, 'admin.sock'));
      let reply = '';
      socket.setTimeout(5_000, () => socket.destroy(new Error('the proxy does not answer on its admin socket')));
      socket.setEncoding('utf8').on('data', (chunk: string) => {
        reply += chunk;
      });
      socket.on('error', reject);
      socket.on('end', () => resolve(reply));
      socket.write(`${text}\n`);
    });
  }

  #process(): ProcessRef | undefined {
    const file = join(this.#options.dir, 'haproxy.json');
    if (!existsSync(file)) return undefined;
    try {
      return JSON.parse(readFileSync(file, 'utf8')) as ProcessRef;
    } catch {
      return undefined;
    }
  }
}

function writeWhole(file: string, text: string): void {
  writeFileSync(`${file}.new`, text, { mode: 0o600 });
  renameSync(`${file}.new`, file);
}

function toProxyError(err: unknown): ProxyError {
  const text = err instanceof Error ? err.message : String(err);
  const missing = err instanceof Error && 'code' in err && err.code === 'MissingTool';
  return missing
    ? new ProxyError('MissingTool', 'Ingress needs the program haproxy (Debian package haproxy)', { cause: err })
    : new ProxyError('ConfigRefused', `HAProxy refuses its configuration: ${text}`, { cause: err });
}

/** HAProxy says on its log why it cannot begin; of all lines those of problems count. */
function startFailure(log: string): ProxyError {
  const taken = /cannot bind socket \(Address already in use\).*?\[?[\d.:*]*:(\d+)\]?/.exec(log)?.[1];
  if (taken !== undefined) {
    return new ProxyError(
      'PortTaken',
      `Ingress needs port ${taken} of this node, which is taken by ${portOwnerText(portOwner(Number(taken)))}`,
    );
  }
  const lines = log.split('\n').filter((line) => /ALERT|error/i.test(line));
  return new ProxyError('NotStarted', `HAProxy did not start: ${lines.slice(0, 3).join(' ') || 'it said nothing'}`);
}
