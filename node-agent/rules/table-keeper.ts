/** Watches over the table: by the kernel's events, and by counting now and then. */
import { Backoff } from '../../lib/backoff.ts';
import { type Clock, sleep } from '../../lib/clock.ts';
import { ExecError } from '../../lib/exec.ts';
import type { RuleLog } from './nft-table.ts';
import type { TableTouch } from './table-events.ts';
import { watchTable } from './table-watch.ts';

/** What the keeper works with. */
export interface KeeperParts {
  readonly table: string;
  /** Goes before each program. */
  readonly enter: readonly string[];
  readonly clock: Clock;
  readonly log: RuleLog | undefined;
  /** Whether that process was one of our transactions. */
  readonly isOwn: (pid: number) => boolean;
  /** Writes the whole table anew; resolves when it is in force or the signal aborted. */
  readonly restore: () => Promise<void>;
  /** What is not as it should be, as far as counting tells; undefined when all is well or just changing. */
  readonly differs: () => Promise<string | undefined>;
}

const RESYNC_MS = 60_000;
/** Counting a table of 50,000 elements takes most of a second: it may take this share of the time at most. */
const RESYNC_SHARE = 1 / 500;
/** Two that want the same table differently must not keep the machine busy. */
const RESTORE_BACKOFF = { initialMs: 100, maxMs: 30_000, factor: 3 };
const QUIET_MS = 60_000;
const WATCH_BACKOFF = { initialMs: 1000, maxMs: 60_000 };

/** Works until `signal` aborts; never rejects. */
export async function keepTable(parts: KeeperParts, signal: AbortSignal): Promise<void> {
  await new TableKeeper(parts, signal).run();
}

class TableKeeper {
  readonly #parts: KeeperParts;
  readonly #signal: AbortSignal;
  readonly #restoreBackoff = new Backoff(RESTORE_BACKOFF);
  #lastRestoreMs = Number.NEGATIVE_INFINITY;
  /** Why the table must be written anew; undefined when it need not. */
  #foreign: object | undefined;
  #restoring: Promise<void> | null = null;
  #countSoon = (): void => undefined;

  constructor(parts: KeeperParts, signal: AbortSignal) {
    this.#parts = parts;
    this.#signal = signal;
  }

  async run(): Promise<void> {
    await Promise.all([this.#watch(), this.#count()]);
    await this.#restoring;
  }

  async #watch(): Promise<void> {
    const { clock, log, table, enter } = this.#parts;
    const backoff = new Backoff(WATCH_BACKOFF);
    while (!this.#signal.aborted) {
      try {
        await watchTable(
          {
            table,
            enter,
            onTouch: (touch) => this.#touched(touch),
            onListening: () => {
              log?.debug({ table }, 'rule events heard');
              // What happened before is unknown.
              this.#countSoon();
            },
          },
          this.#signal,
        );
      } catch (err) {
        if (err instanceof ExecError && err.code === 'MissingTool') {
          log?.warn({ table, err }, 'changes of the rules by others are noticed late');
          return;
        }
        log?.debug({ table, err }, 'rule events interrupted');
        await sleep(clock, backoff.next(), this.#signal);
      }
    }
  }

  #touched({ pid, program }: TableTouch): void {
    if (!this.#parts.isOwn(pid)) this.#restore({ pid, program });
  }

  #restore(why: object): void {
    this.#foreign = why;
    this.#restoring ??= this.#restoreAll().finally(() => {
      this.#restoring = null;
    });
  }

  async #restoreAll(): Promise<void> {
    const { clock, log, table, restore } = this.#parts;
    while (this.#foreign !== undefined && !this.#signal.aborted) {
      if (clock.monotonicMs() - this.#lastRestoreMs > QUIET_MS) this.#restoreBackoff.reset();
      else await sleep(clock, this.#restoreBackoff.next(), this.#signal);
      log?.warn({ table, ...this.#foreign }, 'rules changed by somebody else, writing them anew');
      this.#foreign = undefined;
      this.#lastRestoreMs = clock.monotonicMs();
      await restore();
    }
  }

  async #count(): Promise<void> {
    const { clock, log, table, differs } = this.#parts;
    let waitMs = RESYNC_MS;
    while (!this.#signal.aborted) {
      const woken = new AbortController();
      this.#countSoon = () => woken.abort();
      await sleep(clock, waitMs, AbortSignal.any([this.#signal, woken.signal]));
      if (this.#signal.aborted) return;
      const begunMs = clock.monotonicMs();
      try {
        const difference = await differs();
        if (difference !== undefined) this.#restore({ difference });
      } catch (err) {
        log?.debug({ table, err }, 'rules not read');
      }
      waitMs = Math.max(RESYNC_MS, (clock.monotonicMs() - begunMs) / RESYNC_SHARE);
    }
  }
}
