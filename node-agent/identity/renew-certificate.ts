/**
 * Renews the node's certificate in time: somewhere between 70 and 90 % of its life, so that nodes that joined together do not come
 * together, with a new key each time.
 */
import { X509Certificate } from 'node:crypto';
import { Backoff } from '../../lib/backoff.ts';
import type { GrpcConnection } from '../../lib/client/grpc-connection.ts';
import { type Clock, sleep } from '../../lib/clock.ts';
import { certificateLife } from '../../lib/pki.ts';
import { NODE_USER_PREFIX } from '../../lib/pki-names.ts';
import { newCertificateRequest } from '../../lib/x509.ts';
import { joinv1 } from '../../proto/index.ts';
import type { AgentLog } from '../pods/environment.ts';
import type { NodeCertificate } from './node-certificate.ts';

/** What renewing needs. */
export interface RenewOptions {
  readonly node: string;
  readonly identity: NodeCertificate;
  readonly connection: Pick<GrpcConnection, 'unary'>;
  readonly clock: Clock;
  readonly log: AgentLog;
  /** From 0 to 1, for the moment within the span; `Math.random` unless given. */
  readonly random?: () => number;
}

const EARLIEST = 0.7;
const SPAN = 0.2;
/** Clocks are set and files replaced: however long there is to wait, look again. */
const LOOK_EVERY_MS = 3_600_000;
const MAX_RETRY_MS = 600_000;
/** Nothing but other files can help then. */
const LOOK_WHEN_ENDED_MS = 60_000;
/** Of a short life, how much may pass between two attempts. */
const RETRY_SHARE = 0.02;

/** Works until `signal` aborts. Never rejects: what fails is tried again. */
export async function renewCertificates(options: RenewOptions, signal: AbortSignal): Promise<void> {
  const { clock, log, node, identity, random = Math.random } = options;
  let watched = '';
  let plan: Plan = { dueAtMs: 0, endsAtMs: 0, backoff: new Backoff({ initialMs: 1, maxMs: 1 }) };
  while (!signal.aborted) {
    if (identity.current.cert !== watched) {
      watched = identity.current.cert;
      plan = planFor(watched, random());
    }
    const waitMs = plan.dueAtMs - clock.now();
    if (waitMs > 0) {
      await sleep(clock, Math.min(waitMs, LOOK_EVERY_MS), signal);
      if (!signal.aborted) reload(options);
      continue;
    }
    try {
      if (reload(options)) continue;
      await renewOnce(options, signal);
      log.info({ node, until: new Date(certificateLife(identity.current.cert).endsAtMs) }, 'certificate renewed');
    } catch (err) {
      if (signal.aborted) return;
      const ended = clock.now() >= plan.endsAtMs;
      report(options, plan, { ended, err });
      await sleep(clock, ended ? LOOK_WHEN_ENDED_MS : plan.backoff.next(), signal);
    }
  }
}

interface Plan {
  readonly dueAtMs: number;
  readonly endsAtMs: number;
  readonly backoff: Backoff;
}

/** When to renew a certificate. `fraction` says where in the span. */
export function renewalTime(cert: string, fraction: number): number {
  const { madeAtMs, endsAtMs } = certificateLife(cert);
  return madeAtMs + (endsAtMs - madeAtMs) * (EARLIEST + SPAN * fraction);
}

function planFor(cert: string, fraction: number): Plan {
  const { madeAtMs, endsAtMs } = certificateLife(cert);
  const step = (endsAtMs - madeAtMs) * RETRY_SHARE;
  const backoff = new Backoff({
    initialMs: Math.min(1_000, step),
    maxMs: Math.min(MAX_RETRY_MS, 2 * step),
    jitter: 0.2,
  });
  return { dueAtMs: renewalTime(cert, fraction), endsAtMs, backoff };
}

/** Whether somebody has put another certificate into the files. */
function reload({ identity, log, node }: RenewOptions): boolean {
  try {
    const changed = identity.reload();
    if (changed) log.info({ node }, 'took another certificate from its files');
    return changed;
  } catch (err) {
    log.warn({ node, err }, 'certificate files not read');
    return false;
  }
}

async function renewOnce({ node, identity, connection }: RenewOptions, signal: AbortSignal): Promise<void> {
  const { request, key } = await newCertificateRequest(`${NODE_USER_PREFIX}${node}`);
  const { certificate = '' } = await connection.unary(
    joinv1.NodesService.renewCertificate,
    { certificateRequest: request },
    { signal },
  );
  const issuer = new X509Certificate(identity.current.ca);
  if (!new X509Certificate(certificate).verify(issuer.publicKey)) {
    throw new Error(`Cannot renew the certificate of node "${node}": the new one is not of this cluster's CA`);
  }
  identity.replace({ cert: certificate, key });
}

function report(
  { log, node }: RenewOptions,
  { endsAtMs, backoff }: Plan,
  { ended, err }: { readonly ended: boolean; readonly err: unknown },
): void {
  const endsAt = new Date(endsAtMs).toISOString().replace('.000Z', 'Z');
  if (ended) {
    const because = `the certificate of this node ended at ${endsAt}: join again with skiff join <server> --token <token> (skiff token create makes one)`;
    log.error({ node, endsAt, because, err }, 'certificate has ended');
  } else if (backoff.failures === 0) log.warn({ node, endsAt, err }, 'certificate not renewed');
}
