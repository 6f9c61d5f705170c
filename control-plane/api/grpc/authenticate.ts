import type { PeerCertificate } from 'node:tls';
import { ApiError } from '../../../lib/errors.ts';
import type { Caller } from '../request/caller.ts';

/** A call as far as its connection is concerned. */
interface AuthenticatedCall {
  getAuthContext(): { readonly sslPeerCertificate?: PeerCertificate } | null;
}

/**
 * Who makes a call, by the certificate of its connection, which the TLS layer has verified against the cluster's CA.
 * Throws `Unauthorized` without one, and once it has ended.
 */
export function callerOf(call: AuthenticatedCall): Caller {
  const { caller, endsAtMs } = certifiedCaller(call);
  // A connection outlives the certificate it was made with; what is asked over it must not.
  if (endsAtMs < Date.now()) {
    const ended = new Date(endsAtMs).toISOString().replace('.000Z', 'Z');
    throw new ApiError('Unauthorized', `Unauthorized: the certificate of "${caller.user}" ended at ${ended}`);
  }
  return caller;
}

/** When the certificate of a call's connection ends, milliseconds since the epoch. */
export function certificateEnd(call: AuthenticatedCall): number {
  return certifiedCaller(call).endsAtMs;
}

/** A caller, and until when its certificate says so. */
interface CertifiedCaller {
  readonly caller: Caller;
  readonly endsAtMs: number;
}

function certifiedCaller(call: AuthenticatedCall): CertifiedCaller {
  // Reading a certificate takes 30 µs, and a connection's never changes: once for each connection is enough.
  const session = sessionOf(call as CallInternals);
  const known = session === undefined ? undefined : callers.get(session);
  if (known !== undefined) return known;
  const read = readCaller(call);
  if (session !== undefined) callers.set(session, read);
  return read;
}

const callers = new WeakMap<object, CertifiedCaller>();

/** What grpc-js keeps in a call: calls wrapped in calls around an HTTP/2 stream. Not its public interface. */
interface CallInternals {
  readonly call?: CallInternals;
  readonly nextCall?: CallInternals;
  readonly stream?: { readonly session?: object };
}

/** The connection of a call; undefined when grpc-js keeps it elsewhere, which only costs time. */
function sessionOf(call: CallInternals): object | undefined {
  let inner: CallInternals | undefined = call.call;
  while (inner !== undefined && inner.stream === undefined) inner = inner.nextCall;
  return inner?.stream?.session ?? undefined;
}

function readCaller(call: AuthenticatedCall): CertifiedCaller {
  const certificate = call.getAuthContext()?.sslPeerCertificate;
  const user = first(certificate?.subject?.CN);
  if (certificate === undefined || user === '') {
    throw new ApiError('Unauthorized', 'Unauthorized: the connection has no client certificate of this cluster');
  }
  const caller = { user, groups: all(certificate.subject?.O), internal: false };
  return { caller, endsAtMs: Date.parse(certificate.valid_to) };
}

function first(value: string | string[] | undefined): string {
  return (Array.isArray(value) ? value[0] : value) ?? '';
}

function all(value: string | string[] | undefined): string[] {
  if (value === undefined) return [];
  return Array.isArray(value) ? value : [value];
}
