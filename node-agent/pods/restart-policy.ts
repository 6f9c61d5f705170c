/** When an ended container runs again. Pure. */
import type { Instance } from './pod-state.ts';

/** First back-off, longest back-off, and how long a run must last for the earlier crashes to be forgotten. */
export const RESTART_BACKOFF = { initialMs: 10_000, maxMs: 300_000, resetAfterMs: 600_000 } as const;

/** Kubernetes' policies; a pod without one restarts always. */
export type RestartPolicy = 'Always' | 'OnFailure' | 'Never';

/** Reads a policy of a spec. */
export function restartPolicyOf(text: string | undefined): RestartPolicy {
  return text === 'OnFailure' || text === 'Never' ? text : 'Always';
}

/** Whether an ended run is followed by another. */
export function shouldRestart(policy: RestartPolicy, ended: Instance): boolean {
  return policy === 'Always' || (policy === 'OnFailure' && ended.exitCode !== 0);
}

/** When the next run may start, and the back-off that will follow that one. */
export interface NextRun {
  readonly atMs: number;
  /** The wait between the end of the last run and `atMs`. */
  readonly delayMs: number;
  readonly backoffMs: number;
}

/**
 * The first restart is immediate, the second waits 10 s after the end of the run before it, then twice as long each
 * time, at most 5 min. A run of 10 min makes the next end a first one again.
 */
export function nextRun(ended: Instance): NextRun {
  const finishedMs = Date.parse(ended.finishedAt ?? ended.startedAt ?? '') || 0;
  const startedMs = Date.parse(ended.startedAt ?? '') || finishedMs;
  const { initialMs, maxMs, resetAfterMs } = RESTART_BACKOFF;
  if (ended.backoffMs === 0 || finishedMs - startedMs >= resetAfterMs) {
    // At once, whatever the two clocks say that stamped the end and ask now.
    return { atMs: 0, delayMs: 0, backoffMs: initialMs };
  }
  return {
    atMs: finishedMs + ended.backoffMs,
    delayMs: ended.backoffMs,
    backoffMs: Math.min(maxMs, ended.backoffMs * 2),
  };
}

/** A back-off as Go prints a duration of whole seconds: `10s`, `2m40s`, `5m0s`. */
export function formatSeconds(ms: number): string {
  const seconds = Math.round(ms / 1000);
  return seconds < 60 ? `${seconds}s` : `${Math.floor(seconds / 60)}m${seconds % 60}s`;
}
