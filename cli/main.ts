/** The command line's program: one command, then the end. */
import { runCli } from './run-cli.ts';
import { processTerminal } from './terminal.ts';

/** Runs the process's own command line and ends it. */
async function main(): Promise<void> {
  const interrupt = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      if (interrupt.signal.aborted) process.exit(130);
      interrupt.abort();
    });
  }
  // `skiff get pods | head` closes the pipe early: that is no failure.
  process.stdout.on('error', (err: NodeJS.ErrnoException) => process.exit(err.code === 'EPIPE' ? 0 : 1));
  const code = await runCli(process.argv.slice(2), processTerminal(interrupt.signal));
  process.exitCode = code;
  // A pipe takes 64 KiB at once: what waits for its reader must not be lost. Waiting for idle handles would only cost time.
  await Promise.all([written(process.stdout), written(process.stderr)]);
  process.exit(code);
}

/** Resolves when everything has been taken. */
function written(stream: NodeJS.WriteStream): Promise<void> | undefined {
  return stream.writableLength === 0 ? undefined : new Promise((resolve) => stream.write('', () => resolve()));
}

void main();
