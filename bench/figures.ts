/** What a benchmark hands over: figures, each with its bar where there is one, and tables for the reader. */

/** One measured figure. */
export interface Figure {
  readonly what: string;
  readonly value: number;
  /** `ms`, `pods/s`, `MB`, `%` of a core, … */
  readonly unit: string;
  /** What was to be reached. */
  readonly bar?: Bar;
  /** How it was measured, or what to know when reading it. */
  readonly note?: string;
}

/** A target and from which side it counts. */
export interface Bar {
  readonly at: 'most' | 'least';
  readonly value: number;
}

/** A table in the report. */
export interface Table {
  readonly title: string;
  readonly header: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** Everything one benchmark found. */
export interface BenchResult {
  readonly name: string;
  readonly figures: readonly Figure[];
  readonly tables?: readonly Table[];
}

/** `≤ value`. */
export const atMost = (value: number): Bar => ({ at: 'most', value });

/** `≥ value`. */
export const atLeast = (value: number): Bar => ({ at: 'least', value });

/** Whether the figure reaches its bar; undefined without one. */
export function isMet({ value, bar }: Figure): boolean | undefined {
  if (bar === undefined) return undefined;
  return bar.at === 'most' ? value <= bar.value : value >= bar.value;
}

/** A number with as many digits as matter. */
export function formatNumber(value: number): string {
  if (!Number.isFinite(value)) return '–';
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return value.toLocaleString('en', { maximumFractionDigits: digits });
}

/** `≤ 150 ms`, or nothing. */
export function formatBar({ bar, unit }: Figure): string {
  return bar === undefined ? '' : `${bar.at === 'most' ? '≤' : '≥'} ${formatNumber(bar.value)} ${unit}`;
}

/** Prints the figures, or with `--json` all of it for the program that gathers the report. */
export function printResult(result: BenchResult): void {
  if (process.argv.includes('--json')) {
    process.stdout.write(`${JSON.stringify(result)}\n`);
    return;
  }
  for (const figure of result.figures) {
    const met = isMet(figure);
    const verdict = met === undefined ? '' : `  (bar ${formatBar(figure)}: ${met ? 'met' : 'NOT met'})`;
    process.stdout.write(`${figure.what}: ${formatNumber(figure.value)} ${figure.unit}${verdict}\n`);
  }
  for (const { title, header, rows } of result.tables ?? []) {
    process.stdout.write(`\n${title}\n${[header, ...rows].map((row) => `  ${row.join('  |  ')}`).join('\n')}\n`);
  }
}

/** Says how far a benchmark is; never part of its result. */
export function progress(text: string): void {
  process.stderr.write(`  … ${text}\n`);
}
