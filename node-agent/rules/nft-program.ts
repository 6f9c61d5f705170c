import { type RunOptions, type RunResult, run } from '../../lib/exec.ts';

const TIMEOUT_MS = 60_000;
/** A listing of a large table. */
const MAX_OUTPUT_BYTES = 1 << 28;
/** Process ids that are remembered: the events of a transaction arrive a little later. */
const OWN_PIDS = 64;

/** Runs `nft` and knows which processes were its own. */
export class NftProgram {
  readonly #enter: readonly string[];
  readonly #pids = new Set<number>();

  /** `enter` goes before the program. */
  constructor(enter: readonly string[]) {
    this.#enter = enter;
  }

  /** Whether that process was started here, not long ago. */
  isOwn(pid: number): boolean {
    return this.#pids.has(pid);
  }

  /** Runs it to its end, as `run` of the library does. */
  run(args: readonly string[], options: Pick<RunOptions, 'input' | 'okExitCodes' | 'signal'> = {}): Promise<RunResult> {
    const [program = 'nft', ...argv] = [...this.#enter, 'nft', ...args];
    return run(program, argv, {
      ...options,
      timeoutMs: TIMEOUT_MS,
      maxOutputBytes: MAX_OUTPUT_BYTES,
      onStart: (pid) => this.#remember(pid),
    });
  }

  #remember(pid: number): void {
    this.#pids.add(pid);
    const [oldest] = this.#pids;
    if (this.#pids.size > OWN_PIDS && oldest !== undefined) this.#pids.delete(oldest);
  }
}
