/** Kubernetes' int-or-string values, which the typed objects carry as text: `"3"`, `"25%"`, `"http"`. */

const INTEGER = /^[+-]?\d+$/;
const PERCENT = /^\d+%$/;

/** The number when `text` is a plain integer; undefined when it is anything else (a percentage, a name). */
export function integerOf(text: string | undefined): number | undefined {
  return text !== undefined && INTEGER.test(text) ? Number(text) : undefined;
}

/** The number before the `%` when `text` is a percentage; undefined otherwise. */
export function percentOf(text: string | undefined): number | undefined {
  return text !== undefined && PERCENT.test(text) ? Number(text.slice(0, -1)) : undefined;
}

/**
 * The count that `text` means out of `total`: an integer is itself, a percentage is that part of the total, rounded in the
 * direction named. Undefined when it is neither.
 */
export function scaledCount(text: string | undefined, total: number, rounding: 'up' | 'down'): number | undefined {
  const percent = percentOf(text);
  if (percent === undefined) return integerOf(text);
  const part = (percent * total) / 100;
  return rounding === 'up' ? Math.ceil(part) : Math.floor(part);
}
