import type { Terminal } from '../terminal.ts';
import { formatWarning } from './manifest-error.ts';
import type { ReadManifestsOptions } from './read-manifests.ts';

/** How a verb reads its files: standard input and interruption of its terminal, warnings to standard error. */
export function readOptions(terminal: Terminal, options: { readonly recursive?: boolean }): ReadManifestsOptions {
  return {
    // Asked for when read, because opening standard input costs time.
    get stdin() {
      return terminal.stdin;
    },
    recursive: options.recursive === true,
    signal: terminal.signal,
    warn: (problem) => terminal.stderr.write(formatWarning(problem)),
  };
}
