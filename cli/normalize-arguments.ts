import type { Command, Option } from 'commander';

/**
 * Finds the verb: the first word that is no option. Options of the connection may stand before it (`skiff -n web get pods`);
 * they are handed to the verb.
 */
export function splitVerb(argv: readonly string[]): { verb: string | undefined; args: readonly string[] } {
  for (let at = 0; at < argv.length; at++) {
    const word = argv[at] ?? '';
    if (!word.startsWith('-')) return { verb: word, args: [...argv.slice(0, at), ...argv.slice(at + 1)] };
    if (['--help', '-h', '--version'].includes(word)) return { verb: word, args: argv.slice(at + 1) };
    if (TAKES_VALUE.has(word)) at++;
  }
  return { verb: undefined, args: argv };
}

const TAKES_VALUE: ReadonlySet<string> = new Set([
  '-n',
  '--namespace',
  '--context',
  '--config',
  '-s',
  '--server',
  '--request-timeout',
]);

/** Puts kubectl's ways of writing options into commander's: `-o=json`, `--wait=false`, `--all=true`. Stops at `--`. */
export function normalizeArguments(args: readonly string[], command: Command): string[] {
  const end = args.indexOf('--');
  const before = intoSubcommand(end === -1 ? args : args.slice(0, end), command);
  const rest = end === -1 ? [] : args.slice(end);
  const options = optionsOf(command);
  return [...withoutGreed(before, options).flatMap((word) => normalizeWord(word, options)), ...rest];
}

/** What follows an option with a value that may be left out, when it is meant as that value. */
const VALUES: ReadonlySet<string> = new Set([
  ...['none', 'client', 'server', 'true', 'false', 'background', 'foreground', 'orphan'],
]);

/** `--dry-run web` is no dry run of the kind "web": an option that stands alone goes to the end, where no word follows. */
function withoutGreed(words: readonly string[], options: readonly Option[]): string[] {
  const alone = words.filter((word, at) => {
    const next = words[at + 1];
    if (next === undefined || next.startsWith('-') || VALUES.has(next)) return false;
    return options.some((option) => option.optional && option.long === word);
  });
  return [...words.filter((word) => !alone.includes(word)), ...new Set(alone)];
}

/**
 * Options of the connection that stand before a subcommand belong to it when its verb has no options of its own: they go behind
 * its words (`skiff -n web rollout status` is `skiff rollout status -n web`).
 */
function intoSubcommand(words: readonly string[], command: Command): readonly string[] {
  if (command.commands.length === 0 || command.options.some((option) => option.short === '-n')) return words;
  let at = 0;
  while (at < words.length && words[at]?.startsWith('-') === true) at += TAKES_VALUE.has(words[at] ?? '') ? 2 : 1;
  const leading = words.slice(0, at);
  return [...words.slice(at), ...leading];
}

function optionsOf(command: Command): Option[] {
  return [...command.options, ...command.commands.flatMap((sub) => optionsOf(sub))];
}

function normalizeWord(word: string, options: readonly Option[]): string[] {
  const short = /^(-[a-zA-Z])=(.*)$/s.exec(word);
  if (short !== null) return [`${short[1]}${short[2]}`];
  const long = /^--([\w-]+)=(true|false)$/.exec(word);
  if (long === null) return [word];
  const [, name = '', value] = long;
  const plain = options.find((option) => option.long === `--${name}`);
  const negative = options.find((option) => option.long === `--no-${name}`);
  if (plain?.required === true || plain?.optional === true) return [word];
  if (plain === undefined && negative === undefined) return [word];
  if (value === 'true') return plain === undefined ? [] : [`--${name}`];
  return negative === undefined ? [] : [`--no-${name}`];
}
