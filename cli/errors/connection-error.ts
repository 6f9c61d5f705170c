/** Why the server could not be spoken to; decides what the person is told. */
export type ConnectionProblem =
  | 'refused'
  | 'unreachable'
  | 'unknown-host'
  | 'timeout'
  | 'server-certificate'
  | 'client-certificate'
  | 'not-skiff'
  | 'lost';

/** No usable connection to the server. `endpoint` is `host:port` as configured. */
export class ConnectionError extends Error {
  override readonly name = 'ConnectionError';
  readonly problem: ConnectionProblem;
  readonly endpoint: string;

  constructor(problem: ConnectionProblem, endpoint: string, options: { detail: string; cause?: unknown }) {
    super(options.detail, options.cause === undefined ? undefined : { cause: options.cause });
    this.problem = problem;
    this.endpoint = endpoint;
  }
}

const SYSTEM_CODES: Readonly<Record<string, ConnectionProblem>> = {
  ECONNREFUSED: 'refused',
  ENOENT: 'refused',
  EHOSTUNREACH: 'unreachable',
  ENETUNREACH: 'unreachable',
  ENOTFOUND: 'unknown-host',
  EAI_AGAIN: 'unknown-host',
  ETIMEDOUT: 'timeout',
  ECONNRESET: 'lost',
  EPIPE: 'lost',
  ERR_HTTP2_ERROR: 'not-skiff',
  ERR_HTTP2_STREAM_CANCEL: 'lost',
};

/** Reads what Node, TLS or HTTP/2 threw while speaking to `endpoint`. */
export function connectionError(endpoint: string, err: unknown): ConnectionError {
  if (err instanceof ConnectionError) return err;
  const code = err instanceof Error && 'code' in err && typeof err.code === 'string' ? err.code : '';
  const detail = err instanceof Error ? err.message : String(err);
  return new ConnectionError(problemOf(code, detail), endpoint, { detail, cause: err });
}

function problemOf(code: string, detail: string): ConnectionProblem {
  const known = SYSTEM_CODES[code];
  if (known !== undefined) return known;
  // Alerts are what the other side says of our certificate; everything else of TLS is what we say of theirs.
  if (/alert|ERR_SSL_TLSV1/.test(`${code} ${detail}`)) return 'client-certificate';
  if (/CERT|SELF_SIGNED|UNABLE_TO_|ALTNAME/.test(code)) return 'server-certificate';
  if (/ERR_SSL|WRONG_VERSION|EPROTO/.test(code)) return 'not-skiff';
  if (/ERR_HTTP2/.test(code)) return 'not-skiff';
  return 'lost';
}
