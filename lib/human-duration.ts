/** Durations as people read them in tables. */

const SECOND_MS = 1000;
const MINUTE_S = 60;
const HOUR_S = 60 * MINUTE_S;
const DAY_S = 24 * HOUR_S;
const YEAR_S = 365 * DAY_S;

/** From `belowS` seconds on the next row holds; a duration is told in whole `unitS`, and in `restS` while that says much. */
const STEPS: readonly { belowS: number; unitS: number; unit: string; restS?: number; rest?: string }[] = [
  { belowS: 2 * MINUTE_S, unitS: 1, unit: 's' },
  { belowS: 10 * MINUTE_S, unitS: MINUTE_S, unit: 'm', restS: 1, rest: 's' },
  { belowS: 3 * HOUR_S, unitS: MINUTE_S, unit: 'm' },
  { belowS: 8 * HOUR_S, unitS: HOUR_S, unit: 'h', restS: MINUTE_S, rest: 'm' },
  { belowS: 2 * DAY_S, unitS: HOUR_S, unit: 'h' },
  { belowS: 8 * DAY_S, unitS: DAY_S, unit: 'd', restS: HOUR_S, rest: 'h' },
  { belowS: 2 * YEAR_S, unitS: DAY_S, unit: 'd' },
  { belowS: 8 * YEAR_S, unitS: YEAR_S, unit: 'y', restS: DAY_S, rest: 'd' },
  { belowS: Number.POSITIVE_INFINITY, unitS: YEAR_S, unit: 'y' },
];

/** A duration as kubectl tells it: `5s`, `3m10s`, `47h`, `2d3h`. A little below zero is `0s`, further below `<invalid>`. */
export function humanDuration(durationMs: number): string {
  const seconds = Math.trunc(durationMs / SECOND_MS);
  if (Number.isNaN(seconds) || seconds < -1) return '<invalid>';
  if (seconds < 0) return '0s';
  const step = STEPS.find((row) => seconds < row.belowS);
  if (step === undefined) return '<invalid>';
  const whole = `${Math.floor(seconds / step.unitS)}${step.unit}`;
  if (step.restS === undefined) return whole;
  const rest = Math.floor((seconds % step.unitS) / step.restS);
  return rest === 0 ? whole : `${whole}${rest}${step.rest}`;
}
