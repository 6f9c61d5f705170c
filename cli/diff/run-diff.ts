import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ExecError, run } from '../../lib/exec.ts';
import { CliError } from '../errors/cli-error.ts';
import type { Terminal } from '../terminal.ts';

/** A text before and after under the name of its object; undefined where there is none. */
export interface TextPair {
  readonly name: string;
  readonly before: string | undefined;
  readonly after: string | undefined;
}

const MAX_OUTPUT_BYTES = 256 * 1024 * 1024;

/**
 * Shows the differences with the program in SKIFF_EXTERNAL_DIFF or KUBECTL_EXTERNAL_DIFF (with its options), or `diff -u -N`:
 * every system has it, and people have taught it their colours. It gets two folders with a file for each object. Gives whether
 * there are differences. Throws a {@link CliError} when the program fails.
 */
export async function showDifferences(terminal: Terminal, pairs: readonly TextPair[]): Promise<boolean> {
  const external = terminal.env.SKIFF_EXTERNAL_DIFF ?? terminal.env.KUBECTL_EXTERNAL_DIFF ?? '';
  const [program = 'diff', ...options] = external.trim() === '' ? ['diff', '-u', '-N'] : external.trim().split(/\s+/);
  const folder = await mkdtemp(join(tmpdir(), 'skiff-diff-'));
  try {
    const [live, merged] = [join(folder, 'LIVE'), join(folder, 'MERGED')];
    await Promise.all([live, merged].map((each) => mkdir(each)));
    for (const { name, before, after } of pairs) {
      if (before !== undefined) await writeFile(join(live, name), before, { mode: 0o600 });
      if (after !== undefined) await writeFile(join(merged, name), after, { mode: 0o600 });
    }
    const args = [...options, live, merged];
    // A program of the person's own may want the terminal to itself.
    const interactive = external.trim() !== '' && terminal.stdout.isTerminal;
    const code = interactive ? await runOnTerminal(program, args) : await runQuietly(terminal, program, args);
    if (code > 1) throw new CliError(`${program} ended with ${code}`, { exitCode: code });
    return code === 1;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function runQuietly(terminal: Terminal, program: string, args: readonly string[]): Promise<number> {
  try {
    const { exitCode, stdout, stderr } = await run(program, args, {
      env: { ...terminal.env },
      okExitCodes: 'any',
      maxOutputBytes: MAX_OUTPUT_BYTES,
      signal: terminal.signal,
    });
    terminal.stdout.write(stdout);
    terminal.stderr.write(stderr);
    return exitCode;
  } catch (err) {
    if (!(err instanceof ExecError)) throw err;
    const hint = 'Install it (Debian: diffutils), or name another program in SKIFF_EXTERNAL_DIFF.';
    throw new CliError(err.message, { exitCode: 2, cause: err, ...(err.code === 'MissingTool' ? { hint } : {}) });
  }
}

function runOnTerminal(program: string, args: readonly string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: 'inherit' });
    child.once('error', (err) => reject(new CliError(`cannot start ${program}: ${err.message}`, { cause: err })));
    child.once('exit', (code) => resolve(code ?? 2));
  });
}
