/** vitest's global set-up of the suites that make clusters: clears away what killed runs left behind. */
import { deadRuns, forgetRun } from './run.ts';
import { removeTraces } from './traces.ts';

/** Sweeps every run whose owner is dead, before the suite and after it (its workers have ended by then). */
export default function setup(): () => void {
  sweep();
  return sweep;
}

function sweep(): void {
  for (const run of deadRuns()) {
    removeTraces(run);
    forgetRun(run);
  }
}
