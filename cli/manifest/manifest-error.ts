import type { Position, SourceText } from './source-text.ts';

/** One thing wrong with a manifest. */
export interface ManifestProblem {
  /** What is wrong, without place. */
  readonly message: string;
  /** File name, or `STDIN`. */
  readonly file: string;
  /** Absent when the whole file is at fault. */
  readonly position?: Position;
  /** The line at fault, shown with a caret. */
  readonly sourceLine?: string;
}

/** A manifest cannot be used. Holds every problem found, each with its place. */
export class ManifestError extends Error {
  readonly problems: readonly ManifestProblem[];

  constructor(problems: readonly ManifestProblem[], options?: ErrorOptions) {
    super(problems.map((problem) => formatProblem(problem)).join('\n'), options);
    this.name = 'ManifestError';
    this.problems = problems;
  }
}

/** A problem that is no error, as a `Warning:` line with its place and source. */
export function formatWarning(problem: ManifestProblem): string {
  return `Warning: ${formatProblem(problem)}\n`;
}

/** The problem at `offset` of `source`, ready to be thrown. */
export function problemAt(source: SourceText, offset: number, message: string): ManifestProblem {
  const position = source.positionAt(offset);
  return { message, file: source.name, position, sourceLine: source.lineAt(position.line) };
}

/** The longest piece of a source line that is shown; a longer line is cut around the caret. */
const SHOWN_COLUMNS = 120;

/**
 * `FILE:LINE:COL: message`, the source line and a caret under the column:
 *
 *     web.yaml:12:9: unknown field "imagee"
 *        12 |         imagee: nginx
 *           |         ^
 */
export function formatProblem(problem: ManifestProblem): string {
  if (problem.position === undefined) return `${problem.file}: ${problem.message}`;
  const { line, column } = problem.position;
  const head = `${problem.file}:${line}:${column}: ${problem.message}`;
  if (problem.sourceLine === undefined) return head;
  const characters = Array.from(problem.sourceLine);
  const from = column > SHOWN_COLUMNS ? column - SHOWN_COLUMNS / 2 : 0;
  const shown = characters.slice(from, from + SHOWN_COLUMNS);
  // Tabs and controls become one blank each, or the caret would stand elsewhere.
  const text = shown
    .join('')
    .replace(/\p{Cc}/gu, ' ')
    .trimEnd();
  const number = String(line).padStart(5);
  return `${head}\n${number} | ${text}\n${' '.repeat(number.length)} | ${' '.repeat(column - 1 - from)}^`;
}
