import type { Command } from 'commander';
import { ApiClient } from './api/api-client.ts';
import { chooseContext, configPath, readConfig } from './config/client-config.ts';
import { GrpcConnection } from './connection/grpc-connection.ts';
import { CliError } from './errors/cli-error.ts';
import { ConnectionError } from './errors/connection-error.ts';
import type { Terminal } from './terminal.ts';

/** Options every verb that speaks to the server has. */
export interface ConnectionOptions {
  readonly config?: string;
  readonly context?: string;
  readonly server?: string;
  readonly namespace?: string;
  readonly requestTimeout?: string;
}

/** What a verb works with. */
export interface Session {
  readonly terminal: Terminal;
  readonly api: ApiClient;
  /** `-n`, or the context's namespace, or `default`. */
  readonly namespace: string;
}

/** A first connection is given up after this; a machine that is there answers in milliseconds. */
const CONNECT_TIMEOUT_MS = 5000;

/** The endpoint told to a person who has no config at all. */
const DEFAULT_ENDPOINT = '127.0.0.1:7443';

/** Declares the options of {@link ConnectionOptions}. */
export function addConnectionOptions(command: Command): Command {
  return command
    .option('-n, --namespace <name>', 'the namespace to work in')
    .option('--context <name>', 'the context of the config to use')
    .option('--config <file>', 'the config file (default: $SKIFF_CONFIG or ~/.skiff/config)')
    .option('-s, --server <host:port>', 'the server to use instead of the configured ones')
    .option('--request-timeout <duration>', 'how long a single request may take, such as 5s; 0 means no limit', '0');
}

/** Connects as the options say, runs `body`, and closes the connection whatever happened. */
export async function withSession<T>(
  terminal: Terminal,
  options: ConnectionOptions,
  body: (session: Session) => Promise<T>,
): Promise<T> {
  const path = configPath(terminal.env, options.config);
  const config = readConfig(path);
  if (config === undefined) {
    if (options.config !== undefined) throw new CliError(`there is no config file ${path}`);
    const endpoint = options.server ?? DEFAULT_ENDPOINT;
    throw new ConnectionError('refused', endpoint, { detail: `there is no config file ${path}` });
  }
  const { context } = chooseContext(config, options.context);
  const connection = await GrpcConnection.open(
    {
      endpoints: options.server === undefined ? context.endpoints : [withoutScheme(options.server)],
      tls: { ca: context.certificateAuthority, cert: context.clientCertificate, key: context.clientKey },
      connectTimeoutMs: CONNECT_TIMEOUT_MS,
    },
    terminal.signal,
  );
  try {
    const api = new ApiClient(connection, {
      signal: terminal.signal,
      requestTimeoutMs: durationMs(options.requestTimeout ?? '0', '--request-timeout'),
      warn: (text) => terminal.stderr.write(`Warning: ${text}\n`),
    });
    return await body({ terminal, api, namespace: options.namespace ?? context.namespace ?? 'default' });
  } finally {
    connection.close();
  }
}

function withoutScheme(server: string): string {
  const bare = server.replace(/^https?:\/\//, '').replace(/\/$/, '');
  return /:\d+$/.test(bare) ? bare : `${bare}:7443`;
}

const UNITS_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** Milliseconds of a duration such as `90s`, `1m30s` or `2h`; a bare number is seconds. Throws a {@link CliError}. */
export function durationMs(text: string, flag: string): number {
  if (/^\d+$/.test(text)) return Number(text) * 1000;
  if (!/^(?:\d+(?:\.\d+)?(?:ms|s|m|h))+$/.test(text)) {
    throw new CliError(`invalid duration "${text}" for ${flag}: write it like 30s, 5m or 1h30m`);
  }
  let total = 0;
  for (const [, number, unit = 's'] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g))
    total += Number(number) * (UNITS_MS[unit] ?? 0);
  return total;
}
