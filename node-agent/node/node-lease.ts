/** The heartbeat: a Lease that is renewed as long as the agent lives and reaches the server. */
import type { ResourceClient } from '../../lib/client/resource-client.ts';
import { type Clock, rfc3339Micro, sleep } from '../../lib/clock.ts';
import { hasReason } from '../../lib/errors.ts';
import { type coordinationv1, KINDS, type metav1 } from '../../proto/index.ts';
import type { AgentLog } from '../pods/environment.ts';

/** Where node leases live. */
export const LEASE_NAMESPACE = 'kube-node-lease';

/** Goes along with the renewals. */
export interface LeaseCompanion {
  /**
   * Called before each renewal is sent, which waits for it: must settle within a few seconds, and never reject. One renewal at a
   * time.
   */
  beforeRenewal(signal: AbortSignal): Promise<PreparedRenewal>;
}

/** One renewal of a companion. */
export interface PreparedRenewal {
  /** What the Lease's annotations are to say; an undefined value takes one away. */
  readonly annotations: Readonly<Record<string, string | undefined>>;
  /** The server has taken it. Without this call it may have been taken or not. Must not throw. */
  readonly renewed: () => void;
}

/** What the heartbeat is made of. */
export interface NodeLeaseOptions {
  readonly client: ResourceClient;
  readonly clock: Clock;
  readonly log: AgentLog;
  readonly node: string;
  /** The Node, once registered: the lease goes with it. */
  readonly owner: () => metav1.OwnerReference | undefined;
  /** The server is there again. */
  readonly onRecovered: () => void;
  readonly renewEveryMs: number;
  readonly durationSeconds: number;
  readonly companions?: readonly LeaseCompanion[];
}

/**
 * Of the lease's duration, the part one renewal may take: a connection that swallows everything must leave time for another try.
 * After a failure the next try comes sooner by the second number.
 */
const RENEWAL_SHARE = 0.5;
const SOONER_AFTER_FAILURE = 3;

/** Renews until aborted; never rejects. */
export async function renewNodeLease(options: NodeLeaseOptions, signal: AbortSignal): Promise<void> {
  const { clock, log, renewEveryMs } = options;
  let held: coordinationv1.Lease | undefined;
  let failing = false;
  while (!signal.aborted) {
    const late = new AbortController();
    const limitMs = options.durationSeconds * 1000 * RENEWAL_SHARE;
    const cancel = clock.setTimer(() => late.abort(new Error(`no answer within ${limitMs} ms`)), limitMs);
    try {
      held = await renew(options, held, AbortSignal.any([signal, late.signal]));
      if (failing) {
        log.info({ node: options.node }, 'lease renewed again');
        options.onRecovered();
      }
      failing = false;
    } catch (err) {
      held = undefined;
      if (signal.aborted) return;
      if (!failing) log.warn({ node: options.node, err }, 'lease not renewed');
      failing = true;
    } finally {
      cancel();
    }
    await sleep(clock, failing ? renewEveryMs / SOONER_AFTER_FAILURE : renewEveryMs, signal);
  }
}

async function renew(
  options: NodeLeaseOptions,
  held: coordinationv1.Lease | undefined,
  signal: AbortSignal,
): Promise<coordinationv1.Lease> {
  const { client, clock, node, durationSeconds } = options;
  const at = { namespace: LEASE_NAMESPACE, name: node };
  const prepared = await Promise.all((options.companions ?? []).map((companion) => companion.beforeRenewal(signal)));
  const said = Object.assign({}, ...prepared.map(({ annotations }) => annotations)) as PreparedRenewal['annotations'];
  const spec = {
    holderIdentity: node,
    leaseDurationSeconds: durationSeconds,
    renewTime: rfc3339Micro(clock.now()),
  };
  const lease = held ?? (await findLease(client, at, signal));
  const { metadata = at } = lease ?? {};
  const annotations = annotated(lease?.metadata?.annotations, said);
  const owner = options.owner();
  const written =
    lease === undefined
      ? await client.create(
          KINDS.Lease,
          { metadata: { ...at, annotations, ...(owner === undefined ? {} : { ownerReferences: [owner] }) }, spec },
          { signal },
        )
      : await client.update(
          KINDS.Lease,
          { ...lease, metadata: { ...metadata, annotations }, spec: { ...lease.spec, ...spec } },
          { signal },
        );
  for (const { renewed } of prepared) renewed();
  return written;
}

async function findLease(
  client: ResourceClient,
  at: { readonly namespace: string; readonly name: string },
  signal: AbortSignal,
): Promise<coordinationv1.Lease | undefined> {
  try {
    return await client.get(KINDS.Lease, at, signal);
  } catch (err) {
    if (hasReason(err, 'NotFound')) return undefined;
    throw err;
  }
}

/** The annotations with what is to be said; what others say stays. */
function annotated(
  present: Readonly<Record<string, string>> | undefined,
  said: PreparedRenewal['annotations'],
): Record<string, string> {
  const all: Record<string, string | undefined> = { ...present, ...said };
  return Object.fromEntries(Object.entries(all).flatMap(([key, value]) => (value === undefined ? [] : [[key, value]])));
}
