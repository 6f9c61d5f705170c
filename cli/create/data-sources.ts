/** What `create configmap` and `create secret` take their keys from: files, folders, literal values and env files. */
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Command } from 'commander';
import { CliError } from '../errors/cli-error.ts';
import { collect } from '../resources/collect.ts';
import { collectWhole } from './options.ts';

/** Options that name sources of data. */
export interface DataOptions {
  readonly fromFile?: string[];
  readonly fromLiteral?: string[];
  readonly fromEnvFile?: string[];
  readonly appendHash?: boolean;
}

/** Declares {@link DataOptions}. */
export function declareDataOptions(command: Command): void {
  command
    .option('--from-file <[key=]path>', 'a file under its own name or the key given, or the files of a folder', collect)
    .option('--from-literal <key=value>', 'a key with this value; repeatable', collectWhole)
    .option('--from-env-file <path>', 'a file with a key=value on each line', collect);
  declareAppendHash(command);
}

/** Declares `--append-hash`. */
export function declareAppendHash(command: Command): Command {
  return command.option('--append-hash', 'append a hash of the content to the name');
}

/** Env files may not be mixed with other sources, because their keys are easily the same. */
export function checkSources(options: DataOptions): void {
  if (options.fromEnvFile !== undefined && (options.fromFile !== undefined || options.fromLiteral !== undefined))
    throw new CliError('from-env-file cannot be combined with from-file or from-literal');
}

/**
 * The bytes of every key that the options name, in their order. `owner` names what they are for, such as `ConfigMap "web"`.
 * Throws a {@link CliError} for files that cannot be read, keys that are none, and keys that come twice.
 */
export async function readData(
  options: DataOptions,
  owner: { readonly kind: string; readonly name: string },
  env: Readonly<Record<string, string | undefined>>,
): Promise<Map<string, Buffer>> {
  const data = new Map<string, Buffer>();
  const add = (key: string, value: Buffer): void => {
    checkKey(key, owner.kind);
    if (data.has(key))
      throw new CliError(
        `cannot add key "${key}": another key by that name is already in ${owner.kind} "${owner.name}"`,
      );
    data.set(key, value);
  };
  for (const source of options.fromFile ?? []) {
    for (const [key, path] of await filesOf(source)) add(key, await readBytes(path));
  }
  for (const source of options.fromLiteral ?? []) {
    const equals = source.indexOf('=');
    if (equals <= 0) throw new CliError(`invalid literal source ${source}, expected key=value`);
    add(source.slice(0, equals), Buffer.from(source.slice(equals + 1)));
  }
  for (const path of options.fromEnvFile ?? []) {
    for (const [key, value] of envLines(path, (await readBytes(path)).toString('utf8'), env))
      add(key, Buffer.from(value));
  }
  return data;
}

/** Keys and paths of one `--from-file`. */
async function filesOf(source: string): Promise<(readonly [string, string])[]> {
  const parts = source.split('=');
  if (parts.length > 2) throw new CliError(`key names or file paths cannot contain '=': ${source}`);
  const [key, path = source] = parts.length === 2 ? parts : [undefined, source];
  if (key === '') throw new CliError(`key name for file path ${path} missing`);
  if (path === '') throw new CliError(`file path for key name ${key ?? ''} missing`);
  const isFolder = (await reading(path, () => stat(path))).isDirectory();
  if (!isFolder) return [[key ?? basename(path), path]];
  if (key !== undefined) throw new CliError(`cannot give a key name for a directory path: ${source}`);
  const entries = await reading(path, () => readdir(path, { withFileTypes: true }));
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => entry.name)
    .sort()
    .map((name) => [name, join(path, name)] as const);
}

/** The bytes of a file. Throws a {@link CliError} saying why it cannot be read. */
export function readBytes(path: string): Promise<Buffer> {
  return reading(path, () => readFile(path));
}

async function reading<T>(path: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (err) {
    const code = err instanceof Error && 'code' in err ? err.code : undefined;
    const because =
      code === 'ENOENT'
        ? 'no such file or directory'
        : code === 'EISDIR'
          ? 'is a directory'
          : err instanceof Error
            ? err.message
            : String(err);
    throw new CliError(`error reading ${path}: ${because}`, { cause: err });
  }
}

function checkKey(key: string, kind: string): void {
  const problem =
    key.length > 253
      ? 'must be no more than 253 characters'
      : key === '.' || key === '..'
        ? `must not be '${key}'`
        : key.startsWith('..')
          ? "must not start with '..'"
          : /^[-._a-zA-Z0-9]+$/.test(key)
            ? undefined
            : "a valid key consists of letters, digits, '-', '_' or '.'";
  if (problem !== undefined) throw new CliError(`"${key}" is not a valid key name for a ${kind}: ${problem}`);
}

/**
 * The pairs of an env file: blank lines and lines that begin with `#` say nothing, values are taken as they are, and a key
 * without `=` takes its value from the environment.
 */
function envLines(
  path: string,
  text: string,
  env: Readonly<Record<string, string | undefined>>,
): (readonly [string, string])[] {
  return text
    .replace(/^\uFEFF/, '')
    .split('\n')
    .flatMap((whole, index): (readonly [string, string])[] => {
      const line = whole.replace(/\r$/, '').trimStart();
      if (line === '' || line.startsWith('#')) return [];
      const equals = line.indexOf('=');
      const key = equals === -1 ? line : line.slice(0, equals);
      if (!/^[-._a-zA-Z][-._a-zA-Z0-9]*$/.test(key))
        throw new CliError(`${path}:${index + 1}: "${key}" is not the name of an environment variable`);
      return [[key, equals === -1 ? (env[key] ?? '') : line.slice(equals + 1)]];
    });
}
