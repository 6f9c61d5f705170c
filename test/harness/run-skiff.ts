/** One command of `skiff`, run in this process: what it printed, and the configuration that leads it to a server under test. */
import { Readable } from 'node:stream';
import type { ClientConfig } from '../../cli/config/client-config.ts';
import { runCli } from '../../cli/run-cli.ts';
import type { TextOutput } from '../../cli/terminal.ts';
import type { KeyPairPem } from '../../lib/pki.ts';

/** What one command did. */
export interface CliResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Surroundings of one command. */
export interface CliRunOptions {
  readonly stdin?: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Standard output is a terminal of this many columns. */
  readonly columns?: number;
  readonly signal?: AbortSignal;
  /** Told everything that is printed, as it comes. */
  readonly onOutput?: (all: string) => void;
  /** Changes what is printed before anybody sees it, such as paths that differ from run to run. */
  readonly mask?: (text: string) => string;
}

/** Runs `skiff <args>`. Its environment is `options.env` alone. */
export async function runSkiff(args: readonly string[], options: CliRunOptions = {}): Promise<CliResult> {
  const stdout: Uint8Array[] = [];
  const stderr: Uint8Array[] = [];
  const text = (parts: readonly Uint8Array[]): string => {
    const all = Buffer.concat(parts).toString('utf8');
    return options.mask?.(all) ?? all;
  };
  const output = (into: Uint8Array[], columns: number | undefined): TextOutput => ({
    write: (piece) => {
      into.push(Buffer.from(piece));
      options.onOutput?.(text(into));
    },
    isTerminal: columns !== undefined,
    columns: () => columns ?? 80,
  });
  const code = await runCli(args, {
    stdin: Readable.from(options.stdin === undefined ? [] : [Buffer.from(options.stdin)]),
    stdout: output(stdout, options.columns),
    stderr: output(stderr, undefined),
    env: options.env ?? {},
    now: () => Date.now(),
    signal: options.signal ?? new AbortController().signal,
  });
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

/** The configuration of an administrator of the server at `endpoint` (`host:port`). */
export function adminConfigFor(
  endpoint: string,
  { ca, admin }: { readonly ca: string; readonly admin: KeyPairPem },
): ClientConfig {
  const context = {
    endpoints: [endpoint],
    certificateAuthority: ca,
    clientCertificate: admin.cert,
    clientKey: admin.key,
  };
  return { apiVersion: 'skiff/v1', kind: 'Config', currentContext: 'test', contexts: { test: context } };
}
