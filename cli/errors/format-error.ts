import { ApiError } from '../../lib/errors.ts';
import { formatProblem, ManifestError } from '../manifest/manifest-error.ts';
import { JsonPathError } from '../output/json-path-parser.ts';
import { CliError, type ExitCode, ExitError, SeveralErrors } from './cli-error.ts';
import { ConnectionError } from './connection-error.ts';

/** What a failed command tells: text for standard error, each line ended, and the exit code. */
export interface ErrorReport {
  readonly text: string;
  readonly exitCode: ExitCode;
}

/**
 * Turns anything thrown into what the person reads, in kubectl's forms. Only an error nobody foresaw (a defect of Skiff)
 * shows its stack, because that is what a report needs.
 */
export function reportError(err: unknown): ErrorReport {
  if (err instanceof ExitError) return { text: '', exitCode: err.exitCode };
  if (err instanceof SeveralErrors) {
    const reports = err.errors.map((one) => reportError(one));
    return {
      text: reports.map((report) => report.text).join(''),
      exitCode: Math.max(1, ...reports.map((r) => r.exitCode)),
    };
  }
  if (err instanceof CliError) {
    const hint = err.hint === undefined ? '' : `${err.hint}\n`;
    return { text: `error: ${err.message}\n${hint}`, exitCode: err.exitCode };
  }
  if (err instanceof ManifestError) {
    return { text: err.problems.map((problem) => `error: ${formatProblem(problem)}\n`).join(''), exitCode: 1 };
  }
  if (err instanceof JsonPathError) return { text: `error: ${err.message}\n`, exitCode: 1 };
  if (err instanceof ConnectionError) return { text: connectionText(err), exitCode: 1 };
  if (err instanceof ApiError) return { text: apiText(err), exitCode: 1 };
  if (err instanceof Error && err.name === 'TimeoutError') {
    return { text: 'error: the server did not answer within --request-timeout\n', exitCode: 1 };
  }
  if (isAbort(err)) return { text: '', exitCode: 130 };
  return { text: `error: ${unforeseen(err)}\n`, exitCode: 1 };
}

const START_HINT = 'Is Skiff running on this machine? Start it with: skiff up\n';

function connectionText(err: ConnectionError): string {
  const { endpoint, message } = err;
  switch (err.problem) {
    case 'refused':
      return `The connection to the server ${endpoint} was refused - did you specify the right host or port?\n${START_HINT}`;
    case 'unreachable':
    case 'timeout':
      return `Unable to connect to the server: ${endpoint} does not answer (${message})\n`;
    case 'unknown-host':
      return `Unable to connect to the server: the host of ${endpoint} has no known address (${message})\n`;
    case 'server-certificate':
      return (
        `Unable to connect to the server: the certificate of ${endpoint} is not one your config trusts (${message})\n` +
        'The cluster may have been made anew: take its config again (skiff up writes it), or check --config and --context.\n'
      );
    case 'client-certificate':
      return (
        `Unable to connect to the server: ${endpoint} does not accept your client certificate (${message})\n` +
        'It may belong to another cluster or have expired: check --config and --context.\n'
      );
    case 'not-skiff':
      return `Unable to connect to the server: what answers at ${endpoint} does not speak Skiff's API (${message})\n`;
    case 'lost':
      return `The connection to the server ${endpoint} was lost (${message})\n`;
  }
}

function apiText(err: ApiError): string {
  switch (err.reason) {
    case 'Invalid':
      return `${err.message}\n`;
    case 'Unauthorized':
      return `error: You must be logged in to the server (${err.message})\n`;
    default:
      return `Error from server (${err.reason}): ${err.message}\n`;
  }
}

function isAbort(err: unknown): boolean {
  return err instanceof Error && err.name === 'AbortError';
}

function unforeseen(err: unknown): string {
  if (!(err instanceof Error)) return String(err);
  // Node's own errors about files and programs say enough without a stack.
  if ('code' in err && 'syscall' in err) return err.message;
  return err.stack ?? err.message;
}
