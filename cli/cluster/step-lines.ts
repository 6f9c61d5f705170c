/** The picture that `up` and `down` draw of their steps. */
import { LiveLines } from '../output/live-lines.ts';
import type { TextOutput } from '../terminal.ts';
import type { StepReport } from './start-cluster.ts';

interface Step {
  readonly name: string;
  readonly startedMs: number;
  done?: number;
  detail?: string;
}

/** Draws each step as a line that is redrawn until it is done; elsewhere than on a terminal, one line when it is done. */
export function stepLines(output: TextOutput, now: () => number): StepReport {
  const steps: Step[] = [];
  const live = new LiveLines(output);
  return (name, state, detail) => {
    let step = steps.find((s) => s.name === name);
    if (step === undefined) {
      step = { name, startedMs: now() };
      steps.push(step);
    }
    if (detail !== undefined) step.detail = detail;
    if (state === 'done') step.done = now() - step.startedMs;
    live.show(steps.filter((s) => output.isTerminal || s.done !== undefined).map(line));
  };
}

function line(step: Step): string {
  if (step.done === undefined) return `  … ${step.name}${step.detail === undefined ? '' : `: ${step.detail}`}`;
  return `  ✓ ${step.name} (${(step.done / 1000).toFixed(1)} s)`;
}
