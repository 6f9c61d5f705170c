/**
 * Cron schedules as Kubernetes writes them: five fields, or a macro such as `@daily`. The grammar is checked here, because the
 * library accepts more than that (seconds, years, `L`, `W`, `#`); the library tells when a schedule is next due.
 */
import { Cron } from 'croner';

const MACROS: ReadonlySet<string> = new Set([
  '@yearly',
  '@annually',
  '@monthly',
  '@weekly',
  '@daily',
  '@midnight',
  '@hourly',
]);
const GO_DURATION = /^(?:\d+(?:\.\d+)?|\.\d+)(?:ns|us|µs|ms|s|m|h)/;
const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];
const UNIT_MS = new Map([
  ['ns', 1e-6],
  ['us', 1e-3],
  ['µs', 1e-3],
  ['ms', 1],
  ['s', 1000],
  ['m', 60_000],
  ['h', 3_600_000],
]);

interface Field {
  readonly name: string;
  readonly min: number;
  readonly max: number;
  readonly names?: readonly string[];
}

const FIELDS: readonly Field[] = [
  { name: 'minute', min: 0, max: 59 },
  { name: 'hour', min: 0, max: 23 },
  { name: 'day of the month', min: 1, max: 31 },
  { name: 'month', min: 1, max: 12, names: MONTHS },
  { name: 'day of the week', min: 0, max: 6, names: DAYS },
];

/** What is wrong with a schedule, as the end of a sentence; undefined when nothing is. Time zones in it are looked over. */
export function scheduleProblem(schedule: string): string | undefined {
  const text = schedule.replace(/^(?:CRON_)?TZ=\S+\s*/, '').trim();
  if (text === '') return 'empty spec string';
  if (text.startsWith('@')) return macroProblem(text);
  const parts = text.split(/\s+/);
  if (parts.length !== FIELDS.length) return `expected exactly 5 fields, found ${parts.length}: [${parts.join(' ')}]`;
  for (const [i, field] of FIELDS.entries()) {
    const problem = fieldProblem(parts[i] ?? '', field);
    if (problem !== undefined) return `${problem} in the field for the ${field.name}: ${parts[i]}`;
  }
  return undefined;
}

/** When the schedule is due next after `afterMs`; undefined when never. The schedule must have no problem. */
export function nextDueMs(schedule: string, afterMs: number, timeZone: string | undefined): number | undefined {
  const every = everyMs(schedule);
  if (every !== undefined) return Math.floor(afterMs / 1000) * 1000 + every;
  const zone = timeZone === undefined ? {} : { timezone: timeZone };
  const cron = new Cron(forLibrary(schedule.trim()), { paused: true, mode: '5-part', ...zone });
  return cron.nextRun(new Date(afterMs))?.getTime();
}

/** The schedule with every value written out: the library knows fewer spellings (no `5/20`, no steps beyond the field). */
function forLibrary(schedule: string): string {
  if (schedule.startsWith('@')) return schedule;
  const parts = schedule.split(/\s+/);
  return FIELDS.map((field, i) => writtenOut(parts[i] ?? '', field)).join(' ');
}

/** `*` for a field that is left open, which also decides whether days of month and week add up; else its values. */
function writtenOut(text: string, field: Field): string {
  const values = new Set<number>();
  for (const alternative of text.split(',')) {
    const [range = '', step = '1'] = alternative.split('/');
    const isAll = range === '*' || range === '?';
    if (isAll && Number(step) === 1) return '*';
    const [from = '', to] = isAll ? [String(field.min), String(field.max)] : range.split('-');
    const first = numberOf(from, field) ?? field.min;
    const end = alternative.includes('/') ? field.max : first;
    const last = to === undefined ? end : (numberOf(to, field) ?? field.max);
    for (let value = first; value <= last; value += Number(step)) values.add(value);
  }
  return [...values].sort((a, b) => a - b).join(',');
}

function macroProblem(text: string): string | undefined {
  if (MACROS.has(text)) return undefined;
  if (!text.startsWith('@every ')) return `unrecognized descriptor: ${text}`;
  return everyMs(text) === undefined ? `failed to parse duration ${text}` : undefined;
}

/** The milliseconds of `@every 1h30m`, at least a second; undefined for other schedules. */
function everyMs(text: string): number | undefined {
  if (!text.startsWith('@every ')) return undefined;
  let rest = text.slice('@every '.length);
  let sum = 0;
  while (rest !== '') {
    const [part] = GO_DURATION.exec(rest) ?? [];
    if (part === undefined) return undefined;
    const [, number = '', unit = ''] = /^([\d.]+)(.*)$/.exec(part) ?? [];
    sum += Number(number) * (UNIT_MS.get(unit) ?? 0);
    rest = rest.slice(part.length);
  }
  return Math.max(1000, Math.floor(sum / 1000) * 1000);
}

/** One field: alternatives such as `1-5/2`, separated by commas. */
function fieldProblem(text: string, field: Field): string | undefined {
  for (const alternative of text.split(',')) {
    const problem = alternativeProblem(alternative, field);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function alternativeProblem(text: string, field: Field): string | undefined {
  const [range = '', step, ...more] = text.split('/');
  if (more.length > 0) return `too many slashes (${text})`;
  if (step !== undefined && !/^\d+$/.test(step)) return `the step (${step}) is no number`;
  if (step !== undefined && Number(step) === 0) return 'the step must not be zero';
  if (range === '*' || range === '?') return undefined;
  const [from = '', to, ...others] = range.split('-');
  if (others.length > 0) return `too many hyphens (${range})`;
  const [first, last] = [numberOf(from, field), to === undefined ? undefined : numberOf(to, field)];
  if (first === undefined) return `${JSON.stringify(from)} is no number`;
  if (to !== undefined && last === undefined) return `${JSON.stringify(to)} is no number`;
  if (first < field.min) return `${first} is below the minimum (${field.min})`;
  if ((last ?? first) > field.max) return `${last ?? first} is above the maximum (${field.max})`;
  return (last ?? first) < first ? `the range ${range} ends before it begins` : undefined;
}

function numberOf(text: string, { names, min }: Field): number | undefined {
  const index = names?.indexOf(text.toLowerCase()) ?? -1;
  if (index >= 0) return index + min;
  return /^\d+$/.test(text) ? Number(text) : undefined;
}
