/**
 * Command lines of long-running programs: options are declared in a table, read as text, and compiled to values. All
 * problems are reported at once, each naming its option.
 */
import { parseArgs } from 'node:util';

/** One option. `parse` throws an error whose message ends the sentence `--name "text": …`. */
export interface OptionDefinition<T> {
  readonly help: string;
  /** What stands for the value in the help, such as `DIR`; options without it are switches. */
  readonly value?: string;
  /** As text, shown in the help. */
  readonly default: string;
  readonly parse: (text: string) => T;
}

/** A program's options by name, without the dashes. */
export type OptionTable = Readonly<Record<string, OptionDefinition<unknown>>>;

/** The compiled values. */
export type OptionValues<T extends OptionTable> = { readonly [K in keyof T]: ReturnType<T[K]['parse']> };

/** The command line is wrong; one line per problem. */
export class ConfigError extends Error {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.name = 'ConfigError';
    this.problems = problems;
  }
}

/** Reads `args` by `table`; the result is frozen. Throws {@link ConfigError} with everything that is wrong. */
export function parseOptions<T extends OptionTable>(table: T, args: readonly string[]): OptionValues<T> {
  const problems: string[] = [];
  const names = Object.keys(table);
  const { tokens } = parseArgs({
    args: [...args],
    options: Object.fromEntries(
      names.map((name) => [name, { type: table[name]?.value === undefined ? 'boolean' : 'string' } as const]),
    ),
    strict: false,
    tokens: true,
    allowPositionals: true,
  });
  const texts = new Map<string, string>();
  for (const token of tokens) {
    if (token.kind === 'positional') problems.push(`unexpected argument "${token.value}"`);
    if (token.kind !== 'option') continue;
    const definition = Object.hasOwn(table, token.name) ? table[token.name] : undefined;
    if (definition === undefined) problems.push(`unknown option ${token.rawName}`);
    else if (definition.value === undefined) texts.set(token.name, token.value ?? 'true');
    else if (token.value === undefined) problems.push(`option --${token.name} needs a value (${definition.value})`);
    else texts.set(token.name, token.value);
  }
  const values: Record<string, unknown> = {};
  for (const name of names) {
    const definition = table[name];
    if (definition === undefined) continue;
    const text = texts.get(name) ?? definition.default;
    try {
      values[name] = definition.parse(text);
    } catch (err) {
      problems.push(`option --${name} "${text}": ${err instanceof Error ? err.message : String(err)}`);
    }
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return Object.freeze(values) as OptionValues<T>;
}

/** The options as a person reads them. */
export function describeOptions(table: OptionTable): string {
  return Object.entries(table)
    .map(([name, { value, help, default: preset }]) => {
      const head = `  --${name}${value === undefined ? '' : ` ${value}`}`;
      return `${head.padEnd(44)} ${help}${preset === '' || value === undefined ? '' : ` (default ${preset})`}`;
    })
    .join('\n');
}

/** Any text. */
export const text = (value: string): string => value;

/** A switch. */
export function flag(value: string): boolean {
  if (value === 'true' || value === '') return value === 'true';
  if (value === 'false') return false;
  throw new Error('must be true or false');
}

/** A whole number between the bounds. */
export function integer(min: number, max: number): (value: string) => number {
  return (value) => {
    const number = Number(value);
    if (!/^\d+$/.test(value) || number < min || number > max)
      throw new Error(`must be a whole number between ${min} and ${max}`);
    return number;
  };
}

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** A duration such as `500ms`, `10s` or `5m`, in milliseconds. */
export function durationMs(value: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(value);
  if (match === null) throw new Error('must be a duration such as 500ms, 10s or 5m');
  return Number(match[1]) * (UNIT_MS[match[2] ?? ''] ?? 0);
}

/** Texts separated by commas; empty ones are dropped. */
export function list(value: string): readonly string[] {
  return value
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

/** One of a few words. */
export function oneOf<const W extends string>(words: readonly W[]): (value: string) => W {
  return (value) => {
    const found = words.find((word) => word === value);
    if (found === undefined) throw new Error(`must be one of ${words.join(', ')}`);
    return found;
  };
}

/** An address to listen on: `host:port`, `[v6]:port` or `:port`. */
export function listenAddress(value: string): { readonly host: string; readonly port: number } {
  const match = /^(?:\[([0-9a-fA-F:]+)\]|([^:[\]]*)):(\d{1,5})$/.exec(value);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535) throw new Error('must be host:port, such as 0.0.0.0:7443');
  return { host: match[1] ?? (match[2] === '' ? '0.0.0.0' : (match[2] ?? '0.0.0.0')), port };
}
