import type { Readable } from 'node:stream';

/** Something text is written to. */
export interface TextOutput {
  write(text: string | Uint8Array): void;
  readonly isTerminal: boolean;
  /** Columns of the terminal, asked anew whenever needed; 80 when unknown. */
  readonly columns: () => number;
}

/** What surrounds a command. Tests give their own. */
export interface Terminal {
  readonly stdin: Readable & { readonly isTTY?: boolean };
  readonly stdout: TextOutput;
  readonly stderr: TextOutput;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Aborts when the person interrupts. */
  readonly signal: AbortSignal;
}

/** The process's own streams, as a {@link Terminal}. */
export function processTerminal(signal: AbortSignal): Terminal {
  return {
    // Opened only when read: it costs time, and most verbs never do.
    get stdin() {
      return process.stdin;
    },
    stdout: outputOf(process.stdout),
    stderr: outputOf(process.stderr),
    env: process.env,
    now: () => Date.now(),
    signal,
  };
}

function outputOf(stream: NodeJS.WriteStream): TextOutput {
  return {
    write: (text) => void stream.write(text),
    isTerminal: stream.isTTY === true,
    columns: () => stream.columns ?? 80,
  };
}
