/** What a row of probe results means. Pure. */
import type { corev1 } from '../../proto/index.ts';

/** Results so far: how many like the last, and the verdict that holds until a threshold is crossed. */
export interface ProbeState {
  readonly lastOk: boolean | null;
  readonly inARow: number;
  readonly verdict: 'unknown' | 'success' | 'failure';
}

/** Before the first result. */
export const NO_RESULT: ProbeState = { lastOk: null, inARow: 0, verdict: 'unknown' };

/** Kubernetes' defaults, for probes that did not pass through defaulting. */
export function probeSettings(probe: corev1.Probe): {
  readonly initialDelayMs: number;
  readonly periodMs: number;
  readonly timeoutMs: number;
  readonly successThreshold: number;
  readonly failureThreshold: number;
} {
  return {
    initialDelayMs: (probe.initialDelaySeconds ?? 0) * 1000,
    periodMs: (probe.periodSeconds || 10) * 1000,
    timeoutMs: (probe.timeoutSeconds || 1) * 1000,
    successThreshold: probe.successThreshold || 1,
    failureThreshold: probe.failureThreshold || 3,
  };
}

/** The state after one more result. */
export function afterResult(state: ProbeState, ok: boolean, probe: corev1.Probe): ProbeState {
  const inARow = state.lastOk === ok ? state.inARow + 1 : 1;
  const { successThreshold, failureThreshold } = probeSettings(probe);
  const crossed = inARow >= (ok ? successThreshold : failureThreshold);
  return { lastOk: ok, inARow, verdict: crossed ? (ok ? 'success' : 'failure') : state.verdict };
}
