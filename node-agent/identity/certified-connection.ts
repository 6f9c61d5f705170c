import { GrpcConnection } from '../../lib/client/grpc-connection.ts';
import { systemClock } from '../../lib/clock.ts';
import type { AgentLog } from '../pods/environment.ts';
import { type IdentityFiles, NodeCertificate } from './node-certificate.ts';
import { renewCertificates } from './renew-certificate.ts';

/** How the agent calls the servers, as the node. */
export interface CertifiedConnection {
  readonly identity: NodeCertificate;
  readonly connection: GrpcConnection;
  /** Settles when `signal` has aborted. */
  readonly renewing: Promise<void>;
}

/**
 * A connection that swallows everything is found, and the next one made, before the node has been silent for too long: a heartbeat
 * apart (3 s) and these two are 9 s, of the 10 s that a node is waited for.
 */
const KEEPALIVE = { afterMs: 3_000, timeoutMs: 3_000 };

/** Connects to the servers with the node's certificate, and keeps renewing it until `signal` aborts. Throws when its files cannot be used. */
export function certifiedConnection(
  config: IdentityFiles & { readonly nodeName: string },
  { endpoints, log }: { readonly endpoints: readonly string[]; readonly log: AgentLog },
  signal: AbortSignal,
): CertifiedConnection {
  const identity = NodeCertificate.read(config);
  const connection = new GrpcConnection({ endpoints, keepalive: KEEPALIVE, ...identity.current });
  identity.onChange((credentials) => connection.useCredentials(credentials));
  const renewing = renewCertificates({ node: config.nodeName, identity, connection, clock: systemClock, log }, signal);
  return { identity, connection, renewing };
}
