/** Counts of rolling updates: a number of pods, or a percentage of them. */
import type { ErrorCause } from '../../lib/errors.ts';
import { integerOf, percentOf } from '../../lib/int-or-string.ts';
import { invalid } from './validation/field-errors.ts';

const ALL_PERCENT = 100;

/** What is wrong with a count that is given; one above 100 % too, where `field` cannot mean more than all. */
export function validateRollingCount(text: string | undefined, field: string): ErrorCause[] {
  if (text === undefined) return [];
  const count = integerOf(text);
  if (count !== undefined) return count < 0 ? [invalid(field, count, 'must be greater than or equal to 0')] : [];
  const percent = percentOf(text);
  if (percent === undefined) return [invalid(field, text, "must be an integer or percentage (e.g '5%')")];
  return percent > ALL_PERCENT ? [invalid(field, text, 'must not be greater than 100%')] : [];
}

/** Whether a count is given and means no pod at all. */
export function isNoPod(text: string | undefined): boolean {
  return (integerOf(text) ?? percentOf(text)) === 0;
}
