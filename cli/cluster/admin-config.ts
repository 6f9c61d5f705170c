/** Gives the person who started the cluster the configuration to use it. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ClientContext, configPath, EMPTY_CONFIG, readConfig, writeConfig } from '../config/client-config.ts';
import { CliError } from '../errors/cli-error.ts';

/** Whose configuration is written. */
export interface ConfigOwner {
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

/** Name of the context that `up` writes. */
export const LOCAL_CONTEXT = 'local';

/** Looks a user up. Throws a {@link CliError} when there is none of that name. */
export function findOwner(name: string): ConfigOwner {
  let line: string;
  try {
    line = execFileSync('getent', ['passwd', name], { encoding: 'utf8' });
  } catch (err) {
    throw new CliError(`there is no user ${name} to give the configuration to`, { cause: err });
  }
  const [, , uid, gid, , home = ''] = line.trim().split(':');
  return { uid: Number(uid), gid: Number(gid), home };
}

/** Writes the context `local` from the administrator's certificate and makes it the current one. Returns the file's path. */
export function writeAdminConfig(
  pkiDir: string,
  endpoints: readonly string[],
  options: { readonly env: Readonly<Record<string, string | undefined>>; readonly owner?: ConfigOwner },
): string {
  const env = options.owner === undefined ? options.env : { ...options.env, HOME: options.owner.home };
  const path = configPath(env);
  const config = readConfig(path) ?? EMPTY_CONFIG;
  const pem = (file: string): string => readFileSync(join(pkiDir, file), 'utf8');
  const context: ClientContext = {
    endpoints,
    certificateAuthority: pem('ca.crt'),
    clientCertificate: pem('admin.crt'),
    clientKey: pem('admin.key'),
  };
  const contexts = { ...config.contexts, [LOCAL_CONTEXT]: context };
  writeConfig(path, { ...config, contexts, currentContext: LOCAL_CONTEXT }, options.owner);
  return path;
}

/** Takes the context `local` out again, when it is that of this cluster. */
export function removeAdminConfig(pkiDir: string, env: Readonly<Record<string, string | undefined>>): void {
  const path = configPath(env);
  const config = readConfig(path);
  if (config === undefined || !Object.hasOwn(config.contexts, LOCAL_CONTEXT)) return;
  const { [LOCAL_CONTEXT]: local, ...contexts } = config.contexts;
  let ca: string;
  try {
    ca = readFileSync(join(pkiDir, 'ca.crt'), 'utf8');
  } catch {
    // Its certificates are gone already: whose context it is cannot be told.
    return;
  }
  if (local?.certificateAuthority !== ca) return;
  const currentContext =
    config.currentContext === LOCAL_CONTEXT ? (Object.keys(contexts)[0] ?? '') : config.currentContext;
  writeConfig(path, { ...config, contexts, currentContext });
}
