import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { processRef, readProcessStat, signalProcess } from '../../lib/process.ts';
import { type ShellJob, type ShellResult, ShellWorker } from './shell-worker.ts';

const KILL_DEADLINE_MS = 5000;
const KILL_RETRY_MS = 2;

/**
 * A few shells that stay, for programs that are run often. At most `maxParallel` commands run at once, the others wait their
 * turn: more would only queue in the kernel and make every one slower. Shells are started when first needed. Their pids are
 * kept in files: when this process is killed, a shell still finishes its command, and whoever comes after must be able to
 * end that before looking at what is there.
 */
export class ShellPool {
  readonly #folder: string;
  readonly #maxParallel: number;
  readonly #own = new Set<string>();
  readonly #idle: ShellWorker[] = [];
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  /** `folder` holds the pids; it belongs to this pool alone. */
  constructor(folder: string, maxParallel = 4) {
    this.#folder = folder;
    this.#maxParallel = maxParallel;
  }

  /** Runs a command; rejects when it does not end in time or its shell is lost. */
  async run(job: ShellJob): Promise<ShellResult> {
    if (this.#running >= this.#maxParallel) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    } else {
      this.#running += 1;
    }
    const worker = this.#idle.pop() ?? new ShellWorker((pid) => this.#remember(pid));
    try {
      return await worker.run(job);
    } finally {
      this.#idle.push(worker);
      const next = this.#waiting.shift();
      if (next === undefined) {
        this.#running -= 1;
      } else {
        // The place passes on; the count stays.
        next();
      }
    }
  }

  /** Kills the shells of a process before us with what they were running, and resolves when they are gone. */
  async killLeftovers(): Promise<void> {
    let names: readonly string[];
    try {
      names = readdirSync(this.#folder).filter((name) => !this.#own.has(name));
    } catch {
      return;
    }
    for (const name of names) {
      const pid = Number(name);
      const startTime = Number(readFileSync(`${this.#folder}/${name}`, 'utf8'));
      // Compared with the dead as well: what the shell started may outlive it.
      const stat = readProcessStat(pid);
      if (stat === null || stat.startTime === startTime) {
        await killSession(pid);
      }
      rmSync(`${this.#folder}/${name}`, { force: true });
    }
  }

  #remember(pid: number): void {
    const ref = processRef(pid);
    if (ref !== null) {
      mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
      writeFileSync(`${this.#folder}/${pid}`, String(ref.startTime), { mode: 0o600 });
      this.#own.add(String(pid));
    }
  }
}

/** Until no process of the session is left; one that does not die (state D) is given up on after five seconds. */
async function killSession(session: number): Promise<void> {
  const deadline = performance.now() + KILL_DEADLINE_MS;
  while (performance.now() < deadline) {
    const members = readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .flatMap((name) => readProcessStat(Number(name)) ?? [])
      // The dead who are not buried yet do nothing any more; their burial may take the machine's init a while.
      .filter((stat) => stat.sessionId === session && stat.state !== 'Z');
    if (members.length === 0) {
      return;
    }
    for (const member of members) {
      signalProcess(member, 'SIGKILL');
    }
    await delay(KILL_RETRY_MS);
  }
}
