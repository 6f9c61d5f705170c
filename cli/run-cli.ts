/** The command line. Finds the verb, loads only its code, runs it, and turns whatever failed into text and an exit code. */
import { Command, CommanderError } from 'commander';
import { CliError } from './errors/cli-error.ts';
import { reportError } from './errors/format-error.ts';
import { normalizeArguments, splitVerb } from './normalize-arguments.ts';
import type { Terminal } from './terminal.ts';
import type { Verb } from './verb.ts';
import { VERBS } from './verbs.ts';

declare const SKIFF_VERSION: string | undefined;

/** Version of this build; `dev` when run from the sources. */
export const CLIENT_VERSION = typeof SKIFF_VERSION === 'string' ? SKIFF_VERSION : 'dev';

/** Runs one command line; resolves to the exit code. Never throws. */
export async function runCli(argv: readonly string[], terminal: Terminal): Promise<number> {
  try {
    const { verb, args } = splitVerb(argv);
    if (verb === undefined || verb === 'help' || verb === '--help' || verb === '-h') {
      const topic = args.find((arg) => !arg.startsWith('-'));
      if (topic === undefined) terminal.stdout.write(await overview());
      else await runVerb(topic, ['--help'], terminal);
    } else if (verb === '--version') {
      terminal.stdout.write(`${CLIENT_VERSION}\n`);
    } else {
      await runVerb(verb, args, terminal);
    }
    return 0;
  } catch (err) {
    if (err instanceof CommanderError) return commanderExit(err, argv, terminal);
    const { text, exitCode } = reportError(err);
    if (text !== '') terminal.stderr.write(text);
    return exitCode;
  }
}

async function runVerb(name: string, args: readonly string[], terminal: Terminal): Promise<void> {
  const entry = Object.hasOwn(VERBS, name) ? VERBS[name] : undefined;
  if (entry === undefined) throw await unknownVerb(name);
  const verb: Verb = await entry.load();
  const command = new Command(`skiff ${name}`);
  command
    .description(entry.summary)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => terminal.stdout.write(text),
      writeErr: (text) => terminal.stderr.write(text),
      getOutHelpWidth: () => terminal.stdout.columns(),
    });
  verb.configure(command, { terminal, version: CLIENT_VERSION });
  await command.parseAsync(normalizeArguments(args, command), { from: 'user' });
}

async function unknownVerb(name: string): Promise<CliError> {
  const { nearest } = await import('./nearest.ts');
  const near = nearest(name, Object.keys(VERBS));
  return new CliError(`unknown command "${name}" for "skiff"`, {
    hint: near === undefined ? "Run 'skiff --help' for the commands there are." : `Did you mean this?\n\t${near}`,
  });
}

/** Commander has already written what it had to say. */
function commanderExit(err: CommanderError, argv: readonly string[], terminal: Terminal): number {
  if (err.exitCode === 0 || err.code === 'commander.help') return err.exitCode;
  terminal.stderr.write(`See 'skiff ${splitVerb(argv).verb ?? ''} --help' for usage.\n`);
  return err.exitCode;
}

async function overview(): Promise<string> {
  const { formatOverview } = await import('./overview.ts');
  return formatOverview(VERBS);
}
