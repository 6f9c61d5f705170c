import { displayWidth, withoutColours } from './text-table.ts';

/** Where live lines are drawn. */
export interface LiveOutput {
  write(text: string): void;
  readonly isTerminal: boolean;
  /** Columns of the terminal; asked on every drawing, because windows change. */
  readonly columns: () => number;
}

/**
 * Lines that say how something is going. On a terminal they are redrawn in place; elsewhere each line is printed once, when
 * it first appears or changes. Nothing is drawn before the first `show`.
 */
export class LiveLines {
  readonly #output: LiveOutput;
  #drawn = 0;
  #shown: readonly string[] = [];
  readonly #printed = new Set<string>();

  constructor(output: LiveOutput) {
    this.#output = output;
  }

  /** Shows these lines in place of the last ones. */
  show(lines: readonly string[]): void {
    if (this.#output.isTerminal) {
      if (lines.length === this.#shown.length && lines.every((line, at) => line === this.#shown[at])) return;
      this.#output.write(this.#eraser() + lines.map((line) => `${this.#fit(line)}\n`).join(''));
      this.#drawn = lines.length;
    } else {
      for (const line of lines) {
        if (this.#printed.has(line)) continue;
        this.#printed.add(line);
        this.#output.write(`${line}\n`);
      }
    }
    this.#shown = lines;
  }

  /** Prints a line that stays, above the live ones. */
  print(line: string): void {
    const live = this.#shown;
    this.clear();
    this.#output.write(`${line}\n`);
    if (this.#output.isTerminal) this.show(live);
  }

  /** Takes the live lines off the terminal; elsewhere nothing can be taken back. */
  clear(): void {
    if (!this.#output.isTerminal) return;
    this.#output.write(this.#eraser());
    this.#drawn = 0;
    this.#shown = [];
  }

  #eraser(): string {
    return this.#drawn === 0 ? '' : `\u001b[${this.#drawn}A\u001b[0J`;
  }

  /** A line longer than the terminal would wrap, and the count of lines to go up would be wrong. */
  #fit(line: string): string {
    const columns = this.#output.columns();
    if (columns <= 1 || displayWidth(line) < columns) return line;
    let text = '';
    // A cut in the middle of a coloured piece would leave the colour on.
    for (const character of withoutColours(line)) {
      if (displayWidth(text + character) > columns - 2) break;
      text += character;
    }
    return `${text}…`;
  }
}
