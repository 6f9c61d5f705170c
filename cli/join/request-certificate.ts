/** Asks a server whose CA is known for the certificate of a node. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ApiError, errorMessage } from '../../lib/errors.ts';
import { SERVER_NAME } from '../../lib/pki.ts';
import { newCertificateRequest } from '../../lib/x509.ts';
import { joinv1 } from '../../proto/api.ts';
import { GrpcConnection } from '../connection/grpc-connection.ts';
import { CliError } from '../errors/cli-error.ts';
import { ConnectionError } from '../errors/connection-error.ts';
import { type JoinServer, portHint } from './pinned-ca.ts';
import { formatHostPort } from './server-address.ts';

/** What is asked. */
export interface CertificateAsk {
  readonly server: JoinServer;
  /** The pinned CA, PEM. */
  readonly ca: string;
  /** As pasted. */
  readonly token: string;
  readonly nodeName: string;
  /** Below which the machine's id is looked for first. */
  readonly root: string;
  readonly nowMs: number;
}

/** What a machine becomes a node with. PEM. */
export interface NodeCredentials {
  readonly certificate: string;
  readonly key: string;
  readonly ca: string;
  /** `host:port` of the API of every server known. */
  readonly servers: readonly string[];
}

/** The look at the CA has been answered just before. */
const CONNECT_TIMEOUT_MS = 3000;
const ANSWER_TIMEOUT_MS = 30_000;

/** Sends the token and a request for a new key. Throws a {@link CliError} with the server's words when it refuses. */
export async function requestCertificate(ask: CertificateAsk, signal: AbortSignal): Promise<NodeCredentials> {
  const { server, ca, token, nodeName, root, nowMs } = ask;
  const where = formatHostPort(server.host, server.port);
  const { request, key } = await newCertificateRequest(`system:node:${nodeName}`);
  try {
    const connection = await GrpcConnection.open(
      { endpoints: [where], tls: { ca, servername: SERVER_NAME }, connectTimeoutMs: CONNECT_TIMEOUT_MS },
      signal,
    );
    try {
      const reply = await connection.unary(
        joinv1.JoinService.join,
        { token, nodeName, certificateRequest: request, clockMs: nowMs, ...machineIds(root) },
        AbortSignal.any([signal, AbortSignal.timeout(ANSWER_TIMEOUT_MS)]),
      );
      const { certificate = '', servers = [] } = reply;
      if (certificate === '') throw new CliError(`Cannot join at ${where}: its reply holds no certificate`);
      return { certificate, key, ca, servers };
    } finally {
      connection.close();
    }
  } catch (err) {
    signal.throwIfAborted();
    throw refusal(server, nodeName, { err, nowMs });
  }
}

/** The machine's own ids. Below another root than `/` a machine of its own may be played, with an id of its own. */
export function machineIds(root: string): { readonly machineId: string; readonly bootId: string } {
  const machineId = firstLine(join(root, 'etc/machine-id'));
  return {
    machineId: machineId === '' ? firstLine('/etc/machine-id') : machineId,
    bootId: firstLine('/proc/sys/kernel/random/boot_id'),
  };
}

function firstLine(path: string): string {
  try {
    return readFileSync(path, 'utf8').split('\n')[0]?.trim() ?? '';
  } catch {
    return '';
  }
}

/** What the person is told: the server's own words, and what to do. */
function refusal(server: JoinServer, nodeName: string, { err, nowMs }: { err: unknown; nowMs: number }): unknown {
  const where = formatHostPort(server.host, server.port);
  if (err instanceof ApiError) {
    const because = err.message.replace(/^Cannot join: /, '');
    return new CliError(`Cannot join at ${where} as node "${nodeName}": ${because}`, { cause: err });
  }
  if (err instanceof ConnectionError && err.problem === 'server-certificate') {
    const clock = /expired|not yet valid/i.test(err.message)
      ? `This machine's clock says ${new Date(nowMs).toISOString()}. If that is wrong, set it (timedatectl set-ntp true).`
      : 'The pin is right, but the certificate it shows is not one for servers of the cluster.';
    return new CliError(`Cannot join at ${where}: its certificate does not hold (${err.message})`, {
      hint: clock,
      cause: err,
    });
  }
  if (err instanceof ConnectionError) {
    return new CliError(`Cannot join at ${where}: it is a server of the cluster, but takes no machines in there`, {
      hint: `${portHint(server)}\n(${errorMessage(err)})`,
      cause: err,
    });
  }
  return err;
}
