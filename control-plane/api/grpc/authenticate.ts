import type { PeerCertificate } from 'node:tls';
import { ApiError } from '../../../lib/errors.ts';
import type { Caller } from '../request/caller.ts';

/** A call as far as its connection is concerned. */
interface AuthenticatedCall {
  getAuthContext(): { readonly sslPeerCertificate?: PeerCertificate } | null;
}

/**
 * Who makes a call, by the certificate of its connection, which the TLS layer has verified against the cluster's CA.
 * Throws `Unauthorized` without one.
 */
export function callerOf(call: AuthenticatedCall): Caller {
  const certificate = call.getAuthContext()?.sslPeerCertificate;
  const user = first(certificate?.subject?.CN);
  if (certificate === undefined || user === '') {
    throw new ApiError('Unauthorized', 'Unauthorized: the connection has no client certificate of this cluster');
  }
  return { user, groups: all(certificate.subject?.O), internal: false };
}

function first(value: string | string[] | undefined): string {
  return (Array.isArray(value) ? value[0] : value) ?? '';
}

function all(value: string | string[] | undefined): string[] {
  if (value === undefined) return [];
  return Array.isArray(value) ? value : [value];
}
