/**
 * The first look at a server one knows by its CA's pin alone: a TLS connection whose certificate nobody vouches for yet, over which
 * nothing is sent. Only when the CA it shows has the pin is that CA trusted, and the real connection made.
 */
import { X509Certificate } from 'node:crypto';
import { connect, type DetailedPeerCertificate } from 'node:tls';
import { caPin, SERVER_NAME } from '../../lib/pki.ts';
import { CliError } from '../errors/cli-error.ts';
import { connectionError } from '../errors/connection-error.ts';
import { API_PORT, formatHostPort, JOIN_PORT } from './server-address.ts';

/** The server as the person named it. */
export interface JoinServer {
  readonly host: string;
  readonly port: number;
}

const CONNECT_TIMEOUT_MS = 5000;

/** The CA certificate with this pin that the server shows, PEM. Throws a {@link CliError} that explains why there is none. */
export async function fetchPinnedCa(server: JoinServer, pin: string, signal: AbortSignal): Promise<string> {
  let chain: readonly string[];
  try {
    chain = await shownChain(server, signal).catch((err: unknown) => {
      // On a bad wire or a fresh link the question for the address may get lost: what says no at once says so twice.
      if (connectionError('', err).problem === 'unreachable') return shownChain(server, signal);
      throw err;
    });
  } catch (err) {
    signal.throwIfAborted();
    throw unreachable(server, err);
  }
  const authorities = chain.filter((pem) => new X509Certificate(pem).ca);
  const found = authorities.find((pem) => caPin(pem) === pin);
  if (found !== undefined) return found;
  const [shown] = authorities;
  const where = formatHostPort(server.host, server.port);
  if (shown === undefined) {
    throw new CliError(`Cannot join at ${where}: what listens there shows no CA, so it is not where machines join`, {
      hint: portHint(server),
    });
  }
  throw new CliError(`Cannot join at ${where}: its CA is not the one the line is for`, {
    hint: [
      `  pin in the line: ${pin}`,
      `  pin it shows:    ${caPin(shown)}`,
      'Either the line is of another cluster (or of this one before it was made anew), or something on the way poses as the',
      'server. Nothing was sent to it. Take a new line where the cluster runs: skiff token create',
    ].join('\n'),
  });
}

/** Which port would be the right one. */
export function portHint({ host, port }: JoinServer): string {
  return port === API_PORT
    ? `Port ${API_PORT} is the API's; machines join at port ${JOIN_PORT}: skiff join ${formatHostPort(host, JOIN_PORT)} …`
    : `Machines join at port ${JOIN_PORT} unless the server was told otherwise.`;
}

/** Every certificate the server shows, PEM, its own first. */
function shownChain({ host, port }: JoinServer, signal: AbortSignal): Promise<readonly string[]> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, servername: SERVER_NAME, rejectUnauthorized: false, ALPNProtocols: ['h2'] });
    const end = (act: () => void): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      socket.destroy();
      act();
    };
    const onAbort = (): void => end(() => reject(signal.reason as Error));
    const timer = setTimeout(
      () => end(() => reject(Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' }))),
      CONNECT_TIMEOUT_MS,
    );
    signal.addEventListener('abort', onAbort, { once: true });
    socket.on('error', (err) => end(() => reject(err)));
    socket.once('secureConnect', () => {
      const chain = chainOf(socket.getPeerCertificate(true));
      end(() => resolve(chain));
    });
  });
}

function chainOf(first: DetailedPeerCertificate): string[] {
  const chain: string[] = [];
  for (let at: DetailedPeerCertificate | undefined = first; at?.raw !== undefined; at = at.issuerCertificate) {
    const pem = new X509Certificate(at.raw).toString();
    if (chain.includes(pem)) break;
    chain.push(pem);
  }
  return chain;
}

/** Why there is no TLS with the server at all. */
function unreachable(server: JoinServer, err: unknown): CliError {
  const where = formatHostPort(server.host, server.port);
  const { problem, message } = connectionError(where, err);
  switch (problem) {
    case 'refused':
      return new CliError(`Cannot join at ${where}: nothing listens there`, {
        hint: `Is it the right machine, and is its server up? ${portHint(server)}`,
        cause: err,
      });
    case 'unknown-host':
      return new CliError(`Cannot join at ${where}: the host has no known address (${message})`, { cause: err });
    case 'unreachable':
    case 'timeout':
      return new CliError(`Cannot join at ${where}: it does not answer (${message})`, {
        hint: `Is the machine on, and does a firewall let port ${server.port} through?`,
        cause: err,
      });
    default:
      return new CliError(`Cannot join at ${where}: what listens there does not speak TLS (${message})`, {
        hint: portHint(server),
        cause: err,
      });
  }
}
