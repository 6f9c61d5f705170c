/**
 * The client's configuration: which clusters there are and how to prove who we are. JSON (which is YAML too), because every
 * verb reads it and reading YAML would cost more than the request; owned by the person, mode 0600, for it holds a private key.
 */
import { chownSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { CliError } from '../errors/cli-error.ts';

/** One cluster as one user sees it. Certificates and key are PEM text. */
export interface ClientContext {
  /** `host:port` of every server; the first that answers is used. */
  readonly endpoints: readonly string[];
  readonly certificateAuthority: string;
  readonly clientCertificate: string;
  readonly clientKey: string;
  /** Namespace used when none is named; `default` unless said. */
  readonly namespace?: string;
}

/** The whole file. */
export interface ClientConfig {
  readonly apiVersion: 'skiff/v1';
  readonly kind: 'Config';
  readonly currentContext: string;
  readonly contexts: Readonly<Record<string, ClientContext>>;
}

/** A configuration without contexts. */
export const EMPTY_CONFIG: ClientConfig = { apiVersion: 'skiff/v1', kind: 'Config', currentContext: '', contexts: {} };

/** The file in use: `--config`, else $SKIFF_CONFIG, else `~/.skiff/config`. */
export function configPath(env: Readonly<Record<string, string | undefined>>, flag?: string): string {
  if (flag !== undefined && flag !== '') return flag;
  const fromEnv = env.SKIFF_CONFIG ?? '';
  return fromEnv === '' ? join(env.HOME ?? homedir(), '.skiff', 'config') : fromEnv;
}

/** Reads the file; undefined when there is none. Throws a {@link CliError} naming what is wrong with it. */
export function readConfig(path: string): ClientConfig | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (err) {
    if (err instanceof Error && 'code' in err && (err.code === 'ENOENT' || err.code === 'ENOTDIR')) return undefined;
    throw new CliError(`Cannot read the config ${path}: ${err instanceof Error ? err.message : String(err)}`, {
      cause: err,
    });
  }
  try {
    return checkConfig(JSON.parse(text));
  } catch (err) {
    throw new CliError(`Cannot use the config ${path}: ${err instanceof Error ? err.message : String(err)}`, {
      cause: err,
    });
  }
}

/** Writes the file by rename, readable by its owner only. `owner` is who it shall belong to when root writes it. */
export function writeConfig(path: string, config: ClientConfig, owner?: { uid: number; gid: number }): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const temporary = `${path}.${process.pid}.new`;
  writeFileSync(temporary, `${JSON.stringify(config, null, 2)}\n`, { mode: 0o600 });
  if (owner !== undefined) {
    chownSync(temporary, owner.uid, owner.gid);
    chownSync(dirname(path), owner.uid, owner.gid);
  }
  renameSync(temporary, path);
}

/** The context of that name, or the current one. Throws a {@link CliError} listing those there are. */
export function chooseContext(config: ClientConfig, name?: string): { name: string; context: ClientContext } {
  const wanted = name ?? config.currentContext;
  const context = Object.hasOwn(config.contexts, wanted) ? config.contexts[wanted] : undefined;
  if (context !== undefined) return { name: wanted, context };
  const names = Object.keys(config.contexts);
  const known = names.length === 0 ? 'the config has none' : `the config has ${names.join(', ')}`;
  if (wanted === '')
    throw new CliError(`no context is chosen: ${known}`, { hint: 'Choose one with: skiff config use-context NAME' });
  throw new CliError(`no context exists with the name: "${wanted}" (${known})`);
}

function checkConfig(value: unknown): ClientConfig {
  const { apiVersion, kind, currentContext, contexts } = object(value, 'the file');
  if (apiVersion !== 'skiff/v1' || kind !== 'Config')
    throw new Error('it is not a Skiff config (apiVersion skiff/v1, kind Config)');
  if (typeof currentContext !== 'string') throw new Error('currentContext must be text');
  const checked: Record<string, ClientContext> = {};
  for (const [name, context] of Object.entries(object(contexts, 'contexts')))
    checked[name] = checkContext(name, context);
  return { apiVersion, kind, currentContext, contexts: checked };
}

function checkContext(name: string, value: unknown): ClientContext {
  const { endpoints, certificateAuthority, clientCertificate, clientKey, namespace } = object(value, `context ${name}`);
  if (!Array.isArray(endpoints) || !endpoints.every((endpoint): endpoint is string => typeof endpoint === 'string')) {
    throw new Error(`context ${name}: endpoints must be a list of host:port`);
  }
  const pem = { certificateAuthority, clientCertificate, clientKey };
  for (const [field, text] of Object.entries(pem)) {
    if (typeof text !== 'string' || !text.includes('-----BEGIN'))
      throw new Error(`context ${name}: ${field} must be PEM text`);
  }
  if (namespace !== undefined && typeof namespace !== 'string')
    throw new Error(`context ${name}: namespace must be text`);
  return { endpoints, ...(pem as Record<keyof typeof pem, string>), ...(namespace === undefined ? {} : { namespace }) };
}

function object(value: unknown, what: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error(`${what} must be an object`);
  return value as Record<string, unknown>;
}
