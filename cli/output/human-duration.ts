import { humanDuration } from '../../lib/human-duration.ts';

export { humanDuration };

/** Age of an RFC 3339 time at `nowMs`; `<unknown>` for no time. */
export function ageOf(time: string | undefined, nowMs: number): string {
  if (time === undefined || time === '') return '<unknown>';
  return humanDuration(nowMs - Date.parse(time));
}
