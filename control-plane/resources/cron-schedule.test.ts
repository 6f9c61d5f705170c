import fc from 'fast-check';
import { expect, test } from 'vitest';
import { nextDueMs, scheduleProblem } from './cron-schedule.ts';

const FIELDS = [
  { min: 0, max: 59, names: [] },
  { min: 0, max: 23, names: [] },
  { min: 1, max: 31, names: [] },
  { min: 1, max: 12, names: ['jan', 'Feb', 'DEC'] },
  { min: 0, max: 6, names: ['sun', 'Mon', 'SAT'] },
];

const alternative = ({ min, max, names }: (typeof FIELDS)[number]) => {
  const number = fc.integer({ min, max });
  const single = fc.oneof(number.map(String), ...names.map((name) => fc.constant(name)));
  const range = fc.tuple(number, number).map(([a, b]) => `${Math.min(a, b)}-${Math.max(a, b)}`);
  const base = fc.oneof(fc.constant('*'), fc.constant('?'), single, range);
  const step = fc.option(fc.integer({ min: 1, max: 100 }), { nil: undefined });
  return fc.tuple(base, step).map(([text, by]) => (by === undefined ? text : `${text}/${by}`));
};
const schedule = fc
  .tuple(
    ...FIELDS.map((field) => fc.array(alternative(field), { minLength: 1, maxLength: 3 }).map((all) => all.join(','))),
  )
  .map((fields) => fields.join(' '));

/** What a field means, computed the slow way: every value that it names. */
function valuesOf(text: string, { min, max, names }: (typeof FIELDS)[number]): Set<number> {
  const all = names.length === 3 && max === 12 ? { jan: 1, feb: 2, dec: 12 } : { sun: 0, mon: 1, sat: 6 };
  const numberOf = (word: string): number => (all as Record<string, number>)[word.toLowerCase()] ?? Number(word);
  const found = new Set<number>();
  for (const part of text.split(',')) {
    const [range = '', by] = part.split('/');
    const [from, to] = /^[*?]$/.test(range) ? [String(min), String(max)] : range.split('-');
    const first = numberOf(from ?? '');
    const last = to === undefined ? (by === undefined ? first : max) : numberOf(to);
    for (let value = first; value <= last; value += Number(by ?? 1)) found.add(value);
  }
  return found;
}

/** Whether the schedule names the minute that begins at `ms`. */
function matcher(text: string): (ms: number) => boolean {
  const fields = text.split(' ');
  const [minutes, hours, days, months, weekdays] = fields.map((field, i) =>
    valuesOf(field, FIELDS[i] as (typeof FIELDS)[number]),
  );
  // Day of month and of week must both fit when either is left open; when both are given, one is enough.
  const isOpen = [fields[2], fields[4]].some((field) => field?.split(',').some((part) => /^[*?](\/1)?$/.test(part)));
  return (ms) => {
    const time = new Date(ms);
    const fits = [days?.has(time.getUTCDate()) === true, weekdays?.has(time.getUTCDay()) === true];
    return (
      minutes?.has(time.getUTCMinutes()) === true &&
      hours?.has(time.getUTCHours()) === true &&
      months?.has(time.getUTCMonth() + 1) === true &&
      (isOpen ? fits.every(Boolean) : fits.some(Boolean))
    );
  };
}

test('every schedule that is accepted is due in the first minute that its fields name', () => {
  const after = Date.parse('2026-03-28T12:00:30Z');
  const firstMinute = Date.parse('2026-03-28T12:01:00Z');
  const twoDays = 2 * 24 * 60 * 60_000;
  fc.assert(
    fc.property(schedule, (text) => {
      expect(scheduleProblem(text)).toBeUndefined();
      const due = nextDueMs(text, after, 'UTC');
      const isDue = matcher(text);
      if (due !== undefined) expect([due % 60_000, isDue(due)]).toEqual([0, true]);
      const end = Math.min(due ?? Number.POSITIVE_INFINITY, firstMinute + twoDays);
      for (let ms = firstMinute; ms < end; ms += 60_000) if (isDue(ms)) expect(new Date(ms)).toBe('not due before');
    }),
    { numRuns: 300 },
  );
});

test('whatever is refused or accepted, nothing but the words of a problem comes out', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[-*?,/0-9a-z @]{0,30}$/)), (text) => {
      const problem = scheduleProblem(text);
      if (problem === undefined) nextDueMs(text.replace(/^(?:CRON_)?TZ=\S+\s*/, ''), 0, 'UTC');
      else expect(problem).not.toBe('');
    }),
    { numRuns: 2000 },
  );
});
