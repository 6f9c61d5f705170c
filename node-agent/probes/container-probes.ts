/** The probes of one run of one container, from its start to its end. */
import type { Clock } from '../../lib/clock.ts';
import type { corev1 } from '../../proto/index.ts';
import { afterResult, NO_RESULT, type ProbeState, probeSettings } from './probe-state.ts';
import type { ProbeWheel } from './probe-wheel.ts';
import type { ProbeResult } from './run-probe.ts';

/** Which of the three. */
export type ProbeKind = 'startup' | 'liveness' | 'readiness';

/** What the probes say together. */
export interface ProbeVerdict {
  readonly started: boolean;
  readonly ready: boolean;
  readonly unhealthy: 'startup' | 'liveness' | null;
}

/** What the probes of a container need. */
export interface ContainerProbesOptions {
  readonly container: corev1.Container;
  readonly wheel: ProbeWheel;
  readonly clock: Clock;
  /** Looks once; must not reject. */
  readonly look: (probe: corev1.Probe, timeoutMs: number, signal: AbortSignal) => Promise<ProbeResult>;
  readonly onChange: (verdict: ProbeVerdict) => void;
  readonly onFailure: (kind: ProbeKind, message: string) => void;
  /** What was known before the agent was restarted. */
  readonly initial?: { readonly started: boolean; readonly ready: boolean };
  /** When the container started, in milliseconds since the epoch: initial delays count from there. */
  readonly startedAtMs: number;
}

/**
 * A container is hardly ever ready in the instant it starts. Until a startup or readiness probe first succeeds it looks again
 * after this, then twice as long each time, besides its regular times; what fails in between counts for nothing.
 */
const EARLY_LOOK_MS = 50;
const EARLY_EXEC_MS = 250;

/** Nothing runs before {@link start} and after {@link stop}. */
export class ContainerProbes {
  readonly #options: ContainerProbesOptions;
  readonly #states = new Map<ProbeKind, ProbeState>();
  readonly #abort = new AbortController();
  readonly #timers = new Map<ProbeKind, () => void>();
  /** Next regular look, in monotonic milliseconds, and early looks so far. */
  readonly #pace = new Map<ProbeKind, { regularAtMs: number; early: number }>();
  #verdict: ProbeVerdict;
  /** The readiness probe has succeeded in this run: from then on it keeps to its period. */
  #wasReady: boolean;

  constructor(options: ContainerProbesOptions) {
    this.#options = options;
    const { startupProbe, readinessProbe } = options.container;
    const started = startupProbe === undefined || options.initial?.started === true;
    const ready = readinessProbe === undefined || options.initial?.ready === true;
    this.#verdict = { started, ready: started && ready, unhealthy: null };
    this.#wasReady = this.#verdict.ready;
  }

  /** What holds now. */
  get verdict(): ProbeVerdict {
    return this.#verdict;
  }

  /** No startup or readiness probe has given a result yet. */
  get undecided(): boolean {
    return !this.#states.has('startup') && !this.#states.has('readiness');
  }

  /** The grace period a probe gives when it has the container killed; null for the pod's own. */
  graceSeconds(kind: ProbeKind): number | null {
    return this.#probe(kind)?.terminationGracePeriodSeconds ?? null;
  }

  /** Begins to look. */
  start(): void {
    if (this.#verdict.started) this.#startOthers();
    else this.#plan('startup', this.#initialDelayMs('startup'));
  }

  /** Cancels what is planned and aborts what runs. */
  stop(): void {
    this.#abort.abort();
    for (const cancel of this.#timers.values()) cancel();
    this.#timers.clear();
  }

  #startOthers(): void {
    for (const kind of ['liveness', 'readiness'] as const) {
      if (this.#probe(kind) !== undefined) this.#plan(kind, this.#initialDelayMs(kind));
    }
  }

  #initialDelayMs(kind: ProbeKind): number {
    const probe = this.#probe(kind);
    if (probe === undefined) return 0;
    const elapsedMs = this.#options.clock.now() - this.#options.startedAtMs;
    return Math.max(0, probeSettings(probe).initialDelayMs - Math.max(0, elapsedMs));
  }

  #probe(kind: ProbeKind): corev1.Probe | undefined {
    const { startupProbe, livenessProbe, readinessProbe } = this.#options.container;
    return { startup: startupProbe, liveness: livenessProbe, readiness: readinessProbe }[kind];
  }

  #plan(kind: ProbeKind, delayMs: number): void {
    if (this.#abort.signal.aborted) return;
    const cancel = this.#options.wheel.after(delayMs, () => void this.#look(kind));
    this.#timers.set(kind, cancel);
  }

  async #look(kind: ProbeKind): Promise<void> {
    const probe = this.#probe(kind);
    if (probe === undefined || this.#abort.signal.aborted) return;
    const { clock, look, onFailure } = this.#options;
    const { periodMs, timeoutMs } = probeSettings(probe);
    const pace = this.#pace.get(kind) ?? { regularAtMs: clock.monotonicMs(), early: 0 };
    this.#pace.set(kind, pace);
    const regular = clock.monotonicMs() >= pace.regularAtMs;
    if (regular) pace.regularAtMs = clock.monotonicMs() + periodMs;
    const result = await look(probe, timeoutMs, this.#abort.signal);
    if (this.#abort.signal.aborted) return;
    const before = this.#states.get(kind) ?? NO_RESULT;
    // The very first look comes too soon to mean anything when it fails, for those two kinds.
    const counts = result.ok || (regular && (kind === 'liveness' || pace.early > 0));
    const state = counts ? afterResult(before, result.ok, probe) : before;
    this.#states.set(kind, state);
    if (!result.ok && counts) onFailure(kind, result.message);
    if (this.#apply(kind, state)) this.#plan(kind, this.#nextDelayMs(kind, probe, pace));
  }

  #nextDelayMs(kind: ProbeKind, probe: corev1.Probe, pace: { regularAtMs: number; early: number }): number {
    const regularMs = Math.max(0, pace.regularAtMs - this.#options.clock.monotonicMs());
    const waiting = kind === 'startup' ? !this.#verdict.started : kind === 'readiness' && !this.#wasReady;
    if (!waiting) return regularMs;
    const firstMs = probe.exec === undefined ? EARLY_LOOK_MS : EARLY_EXEC_MS;
    const earlyMs = firstMs * 2 ** pace.early;
    pace.early += 1;
    return Math.min(earlyMs, regularMs);
  }

  /** Takes a state in; false when this probe's work is done. */
  #apply(kind: ProbeKind, { verdict }: ProbeState): boolean {
    const old = this.#verdict;
    if (kind === 'startup') {
      if (verdict === 'failure') {
        this.#change({ ...old, unhealthy: 'startup' });
        return false;
      }
      if (verdict !== 'success') return true;
      this.#change({ started: true, ready: this.#options.container.readinessProbe === undefined, unhealthy: null });
      this.#startOthers();
      return false;
    }
    if (kind === 'liveness') {
      if (verdict === 'failure') this.#change({ ...old, unhealthy: 'liveness' });
      return verdict !== 'failure';
    }
    if (verdict !== 'unknown') this.#change({ ...old, ready: verdict === 'success' });
    return true;
  }

  #change(verdict: ProbeVerdict): void {
    const old = this.#verdict;
    if (old.started === verdict.started && old.ready === verdict.ready && old.unhealthy === verdict.unhealthy) return;
    this.#verdict = verdict;
    this.#wasReady ||= verdict.ready;
    this.#options.onChange(verdict);
  }
}
