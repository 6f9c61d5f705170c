/** How far apart columns stand, and how narrow one may be. */
export interface TextTableOptions {
  /** Blanks between the widest cell of a column and the next column. */
  readonly padding?: number;
  /** Least width of a column, its padding included. */
  readonly minWidth?: number;
}

/**
 * Rows of cells as aligned lines without trailing blanks, each ended by a newline. Defaults are those of kubectl's tables.
 * Line ends inside a cell become blanks, so that a row is a line.
 */
export function formatTable(rows: readonly (readonly string[])[], options: TextTableOptions = {}): string {
  return new ColumnAligner(options).format(rows);
}

/** Aligns rows that come over time: columns keep the width they once had, so that later rows stand under earlier ones. */
export class ColumnAligner {
  readonly #padding: number;
  readonly #minWidth: number;
  readonly #widths: number[] = [];

  constructor({ padding = 3, minWidth = 6 }: TextTableOptions = {}) {
    this.#padding = padding;
    this.#minWidth = minWidth;
  }

  /** The lines of these rows. */
  format(rows: readonly (readonly string[])[]): string {
    const clean = rows.map((row) => row.map((cell) => cell.replace(/[\r\n\t\v\f]+/g, ' ').trimEnd()));
    for (const row of clean) {
      row.forEach((cell, index) => {
        const width = Math.max(this.#minWidth, displayWidth(cell) + this.#padding);
        this.#widths[index] = Math.max(this.#widths[index] ?? 0, width);
      });
    }
    return clean.map((row) => `${this.#line(row)}\n`).join('');
  }

  #line(row: readonly string[]): string {
    const cells = row.map((cell, index) => cell + ' '.repeat((this.#widths[index] ?? 0) - displayWidth(cell)));
    return cells.join('').trimEnd();
  }
}

const PLAIN = /^[\x20-\x7e]*$/;
const ESCAPE = '\u001b';
const COLOUR = new RegExp(`${ESCAPE}\\[[0-9;]*m`, 'g');
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Extended_Pictographic}/u;

/** The text without colour sequences. */
export function withoutColours(text: string): string {
  return text.replace(COLOUR, '');
}

/** Columns a text takes on a terminal: colours take none, East Asian characters two. */
export function displayWidth(text: string): number {
  if (PLAIN.test(text)) return text.length;
  let width = 0;
  for (const character of withoutColours(text)) {
    if (/\p{Mn}|\p{Cf}/u.test(character)) continue;
    width += WIDE.test(character) ? 2 : 1;
  }
  return width;
}
