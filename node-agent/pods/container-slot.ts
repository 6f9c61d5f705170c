/** What a pod's worker keeps about one container of the spec. */
import type { ContainerProbes } from '../probes/container-probes.ts';
import type { ContainerView, Instance, Problem } from './pod-state.ts';
import type { ContainerStop } from './stop-container.ts';

/** Owned and changed by the pod's worker only. */
export class ContainerSlot {
  readonly name: string;
  current: Instance | null = null;
  previous: Instance | null = null;
  busy: 'starting' | 'stopping' | null = null;
  problem: Problem | null = null;
  /** postStart has ended, or there is none, for the current run. */
  hookDone = true;
  probes: ContainerProbes | null = null;
  /** Under way while `busy` is `stopping`. */
  stop: ContainerStop | null = null;
  /** Failed pulls of its image in a row. */
  pullFailures = 0;
  /** The attempt whose back-off has been announced. */
  announcedBackoff = -1;

  constructor(name: string) {
    this.name = name;
  }

  /** The current state as plans take it. */
  view(): ContainerView {
    const running = this.current?.state === 'running';
    const verdict = this.probes?.verdict;
    const probe = verdict?.unhealthy ?? null;
    return {
      current: this.current,
      previous: this.previous,
      busy: this.busy,
      problem: this.problem,
      started: running && this.hookDone && (verdict?.started ?? true),
      ready: running && this.hookDone && this.busy !== 'stopping' && (verdict?.ready ?? true),
      unhealthy: probe === null || !running ? null : { probe, graceSeconds: this.#probeGrace(probe) },
    };
  }

  /** Takes a run that has ended or been made as the current one; the one before it becomes the previous. */
  advance(instance: Instance): void {
    if (this.current !== null && this.current.attempt < instance.attempt) this.previous = this.current;
    this.current = instance;
  }

  #probeGrace(probe: 'startup' | 'liveness'): number | null {
    return this.probes?.graceSeconds(probe) ?? null;
  }

  /** Ends the probes of the current run. */
  stopProbes(): void {
    this.probes?.stop();
  }
}
