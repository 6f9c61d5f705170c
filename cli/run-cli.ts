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
    if (err instanceof CommanderError) return err.exitCode;
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
  try {
    await command.parseAsync(normalizeArguments(args, command), { from: 'user' });
  } catch (err) {
    // Commander has already written what it had to say, but not where to read more.
    if (err instanceof CommanderError && err.exitCode !== 0 && err.code !== 'commander.help')
      terminal.stderr.write(`See 'skiff ${[name, ...subcommandWords(command, args)].join(' ')} --help' for usage.\n`);
    throw err;
  }
}

/** The words that choose a subcommand: `secret generic` of `skiff create secret generic x`. */
function subcommandWords(command: Command, args: readonly string[]): string[] {
  const [word, ...rest] = args.filter((arg) => !arg.startsWith('-'));
  const child = command.commands.find((one) => one.name() === word || one.aliases().includes(word ?? ''));
  return child === undefined ? [] : [child.name(), ...subcommandWords(child, rest)];
}

async function unknownVerb(name: string): Promise<CliError> {
  const { nearest } = await import('./nearest.ts');
  const near = nearest(name, Object.keys(VERBS));
  return new CliError(`unknown command "${name}" for "skiff"`, {
    hint: near === undefined ? "Run 'skiff --help' for the commands there are." : `Did you mean this?\n\t${near}`,
  });
}

async function overview(): Promise<string> {
  const { formatOverview } = await import('./overview.ts');
  return formatOverview(VERBS);
}
