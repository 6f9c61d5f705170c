import { describe, expect, test } from 'vitest';
import { ApiError } from '../../lib/errors.ts';
import { ManifestError, problemAt } from '../manifest/manifest-error.ts';
import { SourceText } from '../manifest/source-text.ts';
import { CliError, ExitError, throwAll } from './cli-error.ts';
import { ConnectionError, connectionError } from './connection-error.ts';
import { reportError } from './format-error.ts';

function systemError(code: string, message = code): Error {
  return Object.assign(new Error(message), { code });
}

describe('any error becomes text in the forms of kubectl', () => {
  const rows: readonly [string, unknown, string, number][] = [
    ['usage', new CliError('you must specify a name'), 'error: you must specify a name\n', 1],
    [
      'usage with help',
      new CliError('unknown command "gte"', { hint: 'Did you mean get?' }),
      'error: unknown command "gte"\nDid you mean get?\n',
      1,
    ],
    [
      'not found',
      new ApiError('NotFound', 'pods "x" not found'),
      'Error from server (NotFound): pods "x" not found\n',
      1,
    ],
    [
      'invalid',
      new ApiError('Invalid', 'The Pod "x" is invalid: spec.containers: Required value'),
      'The Pod "x" is invalid: spec.containers: Required value\n',
      1,
    ],
    [
      'unauthorized',
      new ApiError('Unauthorized', 'Unauthorized'),
      'error: You must be logged in to the server (Unauthorized)\n',
      1,
    ],
    [
      'nobody listens',
      connectionError('127.0.0.1:7443', systemError('ECONNREFUSED')),
      'The connection to the server 127.0.0.1:7443 was refused - did you specify the right host or port?\n' +
        'Is Skiff running on this machine? Start it with: skiff up\n',
      1,
    ],
    ['a command that has said all', new ExitError(137), '', 137],
    ['interrupted', Object.assign(new Error('stopped'), { name: 'AbortError' }), '', 130],
  ];
  test.each(rows)('%s', (_, err, text, exitCode) => {
    expect(reportError(err)).toEqual({ text, exitCode });
  });

  test('every problem of a manifest begins with error:, its source line does not', () => {
    const source = new SourceText('a.yaml', 'kind: Pod\nimagee: x\n');
    const err = new ManifestError([
      problemAt(source, 10, 'unknown field "imagee"'),
      { file: 'b.yaml', message: 'no object' },
    ]);
    expect(reportError(err).text).toBe(
      'error: a.yaml:2:1: unknown field "imagee"\n    2 | imagee: x\n      | ^\nerror: b.yaml: no object\n',
    );
  });

  test('several failures are told in turn', () => {
    const failing = (): void => throwAll([new CliError('one'), new ExitError(3)]);
    expect(failing).toThrow();
    try {
      failing();
    } catch (err) {
      expect(reportError(err)).toEqual({ text: 'error: one\n', exitCode: 3 });
    }
    expect(() => throwAll([])).not.toThrow();
    expect(() => throwAll([new CliError('one')])).toThrow('one');
  });

  test('a defect shows its stack', () => {
    expect(reportError(new TypeError('x is undefined')).text).toMatch(/^error: TypeError: x is undefined\n\s+at /);
  });
});

describe('what a connection throws is understood', () => {
  const rows: readonly [string, string, ConnectionError['problem']][] = [
    ['ECONNREFUSED', '', 'refused'],
    ['ENOTFOUND', '', 'unknown-host'],
    ['EHOSTUNREACH', '', 'unreachable'],
    ['ETIMEDOUT', '', 'timeout'],
    ['SELF_SIGNED_CERT_IN_CHAIN', '', 'server-certificate'],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', '', 'server-certificate'],
    ['ERR_TLS_CERT_ALTNAME_INVALID', '', 'server-certificate'],
    ['CERT_HAS_EXPIRED', '', 'server-certificate'],
    ['ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', 'tlsv13 alert certificate required', 'client-certificate'],
    ['ERR_SSL_TLSV1_ALERT_UNKNOWN_CA', 'tlsv1 alert unknown ca', 'client-certificate'],
    ['ERR_SSL_WRONG_VERSION_NUMBER', 'wrong version number', 'not-skiff'],
    ['ERR_HTTP2_ERROR', 'Protocol error', 'not-skiff'],
    ['ECONNRESET', '', 'lost'],
  ];
  test.each(rows)('%s', (code, message, problem) => {
    expect(connectionError('h:1', systemError(code, message)).problem).toBe(problem);
  });

  test('each kind of problem has words of its own', () => {
    const problems = [
      'refused',
      'unreachable',
      'unknown-host',
      'timeout',
      'server-certificate',
      'client-certificate',
      'not-skiff',
      'lost',
    ] as const;
    for (const problem of problems) {
      expect(reportError(new ConnectionError(problem, 'h:1', { detail: 'why' })).text).toContain('h:1');
    }
  });
});
