/** Rules of the numbers that controllers report in a status. */
import type { ErrorCause } from '../../../lib/errors.ts';
import { invalid, notNegative } from './field-errors.ts';

type Counts = Readonly<Record<string, unknown>> | undefined;

/** An error for each of `names` that is negative in the status. */
export function countsNotNegative(status: Counts, names: readonly string[]): ErrorCause[] {
  return names.flatMap((name) => notNegative(`status.${name}`, countOf(status, name)));
}

/** An error for each of `names` that is larger than the count `whole`. */
export function countsWithin(status: Counts, whole: string, names: readonly string[]): ErrorCause[] {
  const most = countOf(status, whole);
  return names.flatMap((name) => {
    const count = countOf(status, name);
    return count > most ? [invalid(`status.${name}`, count, `cannot be greater than status.${whole}`)] : [];
  });
}

/** An error when `collisionCount`, which names are made from, went down. */
export function collisionsNotFewer(status: Counts, old: Counts): ErrorCause[] {
  const count = countOf(status, 'collisionCount');
  const fewer = count < countOf(old, 'collisionCount');
  return fewer ? [invalid('status.collisionCount', count, 'cannot be decremented')] : [];
}

function countOf(status: Counts, name: string): number {
  return Number(status?.[name] ?? 0);
}
