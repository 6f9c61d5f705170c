/**
 * How a server says that it serves, and where: a Lease of its own in `kube-system`. While it is the only one it is written once and
 * never again, so that an idle cluster stays idle; as soon as there are several each is renewed every ten seconds, and one that is
 * not for {@link LEASE_SECONDS} is taken for dead by the leader (see `api-endpoints.ts`). A server that stops takes its own away.
 */
import { createHash } from 'node:crypto';
import { hostname } from 'node:os';
import type { ResourceClient } from '../../../lib/client/resource-client.ts';
import { type Clock, rfc3339, sleep, systemClock } from '../../../lib/clock.ts';
import { hasReason } from '../../../lib/errors.ts';
import { Informer, type InformerLog } from '../../../lib/informer.ts';
import { type coordinationv1, KINDS } from '../../../proto/index.ts';
import { ignoreNotFound } from '../writes.ts';

/** Where the leases are. */
export const SERVER_LEASE_NAMESPACE = 'kube-system';
/** Seconds without renewal after which a server, one of several, is taken for dead. */
export const LEASE_SECONDS = 25;
const RENEW_MS = 10_000;
const RETRY_MS = 2_000;
/** How long a server that stops tries to take its lease away. */
const LEAVE_MS = 1_000;
const LABEL = 'apiserver.kubernetes.io/identity';
const LABEL_VALUE = 'kube-apiserver';
const ADDRESS_ANNOTATION = 'skiff.dev/api-address';

/** What {@link keepServerLease} is given. */
export interface ServerLeaseOptions {
  readonly client: ResourceClient;
  /** Names the server, the same after a restart. */
  readonly identity: string;
  /** Where others reach its API, `address:port`; asked at each renewal. */
  readonly address: () => string;
  readonly clock?: Clock;
  readonly log: InformerLog;
}

/** Whether a Lease is that of a server. */
export function isServerLease({ metadata }: coordinationv1.Lease): boolean {
  return metadata?.namespace === SERVER_LEASE_NAMESPACE && metadata.labels?.[LABEL] === LABEL_VALUE;
}

/** Where the API of a lease's server is; undefined when it does not say so. */
export function serverAddress({ metadata }: coordinationv1.Lease): { ip: string; port: number } | undefined {
  const [, ip = '', port = ''] =
    /^\[?([0-9a-fA-F.:]+?)\]?:(\d+)$/.exec(metadata?.annotations?.[ADDRESS_ANNOTATION] ?? '') ?? [];
  return ip === '' ? undefined : { ip, port: Number(port) };
}

/** Keeps the lease until `signal` aborts. Never rejects. */
export async function keepServerLease(options: ServerLeaseOptions, signal: AbortSignal): Promise<void> {
  const { client, identity, address, log, clock = systemClock } = options;
  const name = `apiserver-${createHash('sha256').update(identity).digest('hex').slice(0, 26)}`;
  const key = `${SERVER_LEASE_NAMESPACE}/${name}`;
  const select = { namespace: SERVER_LEASE_NAMESPACE, labelSelector: `${LABEL}=${LABEL_VALUE}` };
  const leases = new Informer<coordinationv1.Lease>({ client, type: KINDS.Lease, select, clock, log });
  const run = leases.run(signal);
  const hasOthers = (): boolean => leases.list().some((lease) => lease.metadata?.name !== name);

  async function write(): Promise<void> {
    const now = rfc3339(clock.now());
    const known = leases.get(key);
    const lease: coordinationv1.Lease = {
      metadata: {
        name,
        namespace: SERVER_LEASE_NAMESPACE,
        labels: { [LABEL]: LABEL_VALUE, 'kubernetes.io/hostname': hostname().toLowerCase().slice(0, 63) },
        annotations: { [ADDRESS_ANNOTATION]: address() },
      },
      spec: {
        holderIdentity: identity,
        leaseDurationSeconds: LEASE_SECONDS,
        acquireTime: known?.spec?.acquireTime ?? now,
        renewTime: now,
      },
    };
    if (known === undefined) await client.create(KINDS.Lease, lease, { signal });
    else await client.update(KINDS.Lease, lease, { signal });
    await leases.waitUntil((informer) => informer.get(key)?.spec?.renewTime === now, signal);
  }

  try {
    await leases.synced(signal);
    while (!signal.aborted) {
      try {
        await write();
      } catch (err) {
        if (signal.aborted) break;
        if (!hasReason(err, 'NotFound', 'AlreadyExists'))
          log.warn({ err, name }, 'cannot renew the lease of this server');
        await sleep(clock, RETRY_MS, signal);
        continue;
      }
      if (hasOthers()) await sleep(clock, RENEW_MS, signal);
      else await leases.waitUntil((informer) => hasOthers() || informer.get(key) === undefined, signal);
    }
  } catch (err) {
    if (!signal.aborted) log.warn({ err, name }, 'the lease of this server is kept no more');
  }
  await run;
  // Alone, nobody could look for another server anyway, and the next start finds everything as it was.
  if (!hasOthers()) return;
  const limit = { signal: AbortSignal.timeout(LEAVE_MS) };
  await ignoreNotFound(client.delete(KINDS.Lease, { namespace: SERVER_LEASE_NAMESPACE, name }, limit)).catch(
    (err: unknown) => {
      log.warn({ err, name }, 'cannot take the lease of this server away');
    },
  );
}
