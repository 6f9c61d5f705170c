import type { Command } from 'commander';
import type { Terminal } from './terminal.ts';

/** What verbs are configured with. */
export interface VerbSurroundings {
  readonly terminal: Terminal;
  /** Version of this client. */
  readonly version: string;
}

/**
 * One verb of the command line: a file under `commands/` exports one, and `main.ts` lists it. `configure` declares arguments,
 * options and examples, and sets the action; the file is loaded only when its verb is used.
 */
export interface Verb {
  configure(command: Command, surroundings: VerbSurroundings): void;
}

/** Adds the examples that `--help` shows: pairs of what it does and how it is typed. */
export function addExamples(command: Command, examples: readonly (readonly [string, string])[]): void {
  const lines = examples.map(([what, how]) => `  # ${what}\n  ${how}\n`);
  command.addHelpText('after', `\nExamples:\n${lines.join('\n')}`);
}
