/**
 * Stopping one run of a container, within its grace period:
 *
 *   out of services ─▶ preStop hook ─▶ stop signal (the image's, else SIGTERM) ─▶ … grace is over ─▶ SIGKILL
 */
import { type Clock, sleep } from '../../lib/clock.ts';
import { errorMessage } from '../../lib/errors.ts';
import type { ContainerFacts, Runtime } from '../runtime/runtime.ts';

/** What a stop needs. */
export interface ContainerStopOptions {
  readonly runtime: Runtime;
  readonly clock: Clock;
  readonly id: string;
  readonly graceSeconds: number;
  /** Takes the pod out of the services it is behind; null or undefined when it is in none, or stays in them. Never rejects. */
  readonly withdraw?: ((signal: AbortSignal) => Promise<void> | undefined) | null;
  /** Runs the preStop hook; a failure is reported and does not keep the container alive. */
  readonly preStop: ((signal: AbortSignal) => Promise<void>) | null;
  readonly onHookFailure: (message: string) => void;
}

/** What is left for the stop signal when the hook has used the grace up, in seconds. */
const AFTER_HOOK_SECONDS = 2;
/** A killed process may take a while to go (it is in the kernel); after this the kill is repeated. */
const KILL_AGAIN_MS = 5000;

/** One stop. */
export class ContainerStop {
  readonly #options: ContainerStopOptions;
  readonly #beganMs: number;
  readonly #graceOver = new AbortController();
  #deadlineMs: number;
  #cancelTimer: () => void = () => undefined;

  constructor(options: ContainerStopOptions) {
    this.#options = options;
    this.#beganMs = options.clock.monotonicMs();
    this.#deadlineMs = this.#beganMs + options.graceSeconds * 1000;
  }

  /** Allows less time than before, counted from the beginning; never more. */
  shorten(graceSeconds: number): void {
    const deadlineMs = this.#beganMs + graceSeconds * 1000;
    if (deadlineMs >= this.#deadlineMs) return;
    this.#deadlineMs = deadlineMs;
    this.#arm();
  }

  /** Resolves with the last facts once the container runs no longer; rejects only when `signal` aborts or the runtime fails. */
  async run(signal: AbortSignal): Promise<ContainerFacts | null> {
    const { runtime, id, preStop } = this.#options;
    this.#arm();
    try {
      const limit = AbortSignal.any([signal, this.#graceOver.signal]);
      if (!this.#graceOver.signal.aborted) await this.#options.withdraw?.(limit);
      signal.throwIfAborted();
      if (preStop !== null && !this.#graceOver.signal.aborted) {
        await this.#runHook(preStop, signal);
        // The program must get its signal and a moment even when the hook took everything.
        if (this.#graceOver.signal.aborted && this.#options.graceSeconds > 0) {
          return await this.#terminate(AFTER_HOOK_SECONDS * 1000, signal);
        }
      }
      if (this.#graceOver.signal.aborted) return await this.#kill(signal);
      await runtime.killContainer(id, await this.#stopSignal());
      const facts = await this.#waitFor(AbortSignal.any([signal, this.#graceOver.signal]));
      signal.throwIfAborted();
      return facts === undefined ? await this.#kill(signal) : facts;
    } finally {
      this.#cancelTimer();
    }
  }

  #arm(): void {
    this.#cancelTimer();
    const leftMs = this.#deadlineMs - this.#options.clock.monotonicMs();
    if (leftMs <= 0) this.#graceOver.abort();
    else this.#cancelTimer = this.#options.clock.setTimer(() => this.#graceOver.abort(), leftMs);
  }

  async #runHook(hook: (signal: AbortSignal) => Promise<void>, signal: AbortSignal): Promise<void> {
    const limit = AbortSignal.any([signal, this.#graceOver.signal]);
    try {
      await hook(limit);
    } catch (err) {
      signal.throwIfAborted();
      this.#options.onHookFailure(limit.aborted ? 'the grace period ended before the hook did' : errorMessage(err));
    }
  }

  async #terminate(waitMs: number, signal: AbortSignal): Promise<ContainerFacts | null> {
    const { runtime, id, clock } = this.#options;
    await runtime.killContainer(id, await this.#stopSignal());
    const enough = new AbortController();
    const cancel = clock.setTimer(() => enough.abort(), waitMs);
    const facts = await this.#waitFor(AbortSignal.any([signal, enough.signal]));
    cancel();
    signal.throwIfAborted();
    return facts === undefined ? this.#kill(signal) : facts;
  }

  async #kill(signal: AbortSignal): Promise<ContainerFacts | null> {
    const { runtime, id, clock } = this.#options;
    for (;;) {
      await runtime.killContainer(id, 'SIGKILL');
      const enough = new AbortController();
      const cancel = clock.setTimer(() => enough.abort(), KILL_AGAIN_MS);
      const facts = await this.#waitFor(AbortSignal.any([signal, enough.signal]));
      cancel();
      signal.throwIfAborted();
      if (facts !== undefined && facts?.state !== 'lost') return facts;
      // Without a monitor the kernel alone says when the process is gone.
      if (facts?.state === 'lost' && facts.process === null) return facts;
      if (facts?.state === 'lost') await sleep(clock, 100, signal);
    }
  }

  /** The facts after the end, null when unknown to the runtime, undefined when `signal` came first. */
  async #waitFor(signal: AbortSignal): Promise<ContainerFacts | null | undefined> {
    try {
      return await this.#options.runtime.waitExit(this.#options.id, signal);
    } catch (err) {
      if (signal.aborted) return undefined;
      throw err;
    }
  }

  async #stopSignal(): Promise<string> {
    const asked = (await this.#options.runtime.inspect(this.#options.id))?.stopSignal ?? '';
    if (/^(SIG)?[A-Z][A-Z0-9+-]*$/.test(asked)) return asked.startsWith('SIG') ? asked : `SIG${asked}`;
    return /^\d+$/.test(asked) ? asked : 'SIGTERM';
  }
}
