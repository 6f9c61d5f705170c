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

/** Nothing runs before {@link start} and after {@link stop}. */
export class ContainerProbes {
  readonly #options: ContainerProbesOptions;
  readonly #states = new Map<ProbeKind, ProbeState>();
  readonly #abort = new AbortController();
  readonly #timers = new Map<ProbeKind, () => void>();
  #verdict: ProbeVerdict;

  constructor(options: ContainerProbesOptions) {
    this.#options = options;
    const { startupProbe, readinessProbe } = options.container;
    const started = startupProbe === undefined || options.initial?.started === true;
    const ready = readinessProbe === undefined || options.initial?.ready === true;
    this.#verdict = { started, ready: started && ready, unhealthy: null };
  }

  /** What holds now. */
  get verdict(): ProbeVerdict {
    return this.#verdict;
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
    const { periodMs, timeoutMs } = probeSettings(probe);
    const beganMs = this.#options.clock.monotonicMs();
    const result = await this.#options.look(probe, timeoutMs, this.#abort.signal);
    if (this.#abort.signal.aborted) return;
    const state = afterResult(this.#states.get(kind) ?? NO_RESULT, result.ok, probe);
    this.#states.set(kind, state);
    if (!result.ok) this.#options.onFailure(kind, result.message);
    const again = this.#apply(kind, state);
    if (again) this.#plan(kind, Math.max(0, periodMs - (this.#options.clock.monotonicMs() - beganMs)));
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
    this.#options.onChange(verdict);
  }
}
