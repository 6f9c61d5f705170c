/** Paints text, or leaves it as it is where colours are not wanted. */
export interface Palette {
  readonly red: (text: string) => string;
  readonly green: (text: string) => string;
  readonly yellow: (text: string) => string;
  readonly dim: (text: string) => string;
  readonly bold: (text: string) => string;
}

/** What decides whether to colour. */
export interface ColourSurroundings {
  readonly isTerminal: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** Colours only on a terminal that can show them, and never when NO_COLOR holds anything. */
export function paletteFor({ isTerminal, env }: ColourSurroundings): Palette {
  const on = isTerminal && (env.NO_COLOR ?? '') === '' && env.TERM !== 'dumb';
  const paint = (open: number, close: number): ((text: string) => string) =>
    on ? (text) => (text === '' ? '' : `\u001b[${open}m${text}\u001b[${close}m`) : (text) => text;
  return { red: paint(31, 39), green: paint(32, 39), yellow: paint(33, 39), dim: paint(2, 22), bold: paint(1, 22) };
}
