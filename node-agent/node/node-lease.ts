/** The heartbeat: a Lease that is renewed as long as the agent lives and reaches the server. */
import type { ResourceClient } from '../../lib/client/resource-client.ts';
import { type Clock, rfc3339Micro, sleep } from '../../lib/clock.ts';
import { hasReason } from '../../lib/errors.ts';
import { type coordinationv1, KINDS, type metav1 } from '../../proto/index.ts';
import type { AgentLog } from '../pods/environment.ts';

/** Where node leases live. */
export const LEASE_NAMESPACE = 'kube-node-lease';

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
}

/** Renews until aborted; never rejects. */
export async function renewNodeLease(options: NodeLeaseOptions, signal: AbortSignal): Promise<void> {
  const { clock, log, renewEveryMs } = options;
  let held: coordinationv1.Lease | undefined;
  let failing = false;
  while (!signal.aborted) {
    try {
      held = await renew(options, held, signal);
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
    }
    await sleep(clock, renewEveryMs, signal);
  }
}

async function renew(
  options: NodeLeaseOptions,
  held: coordinationv1.Lease | undefined,
  signal: AbortSignal,
): Promise<coordinationv1.Lease> {
  const { client, clock, node, durationSeconds } = options;
  const at = { namespace: LEASE_NAMESPACE, name: node };
  const spec = {
    holderIdentity: node,
    leaseDurationSeconds: durationSeconds,
    renewTime: rfc3339Micro(clock.now()),
  };
  let lease = held;
  if (lease === undefined) {
    try {
      lease = await client.get(KINDS.Lease, at, signal);
    } catch (err) {
      if (!hasReason(err, 'NotFound')) throw err;
      const owner = options.owner();
      const metadata = { ...at, ...(owner === undefined ? {} : { ownerReferences: [owner] }) };
      return client.create(KINDS.Lease, { metadata, spec }, { signal });
    }
  }
  return client.update(KINDS.Lease, { ...lease, spec: { ...lease.spec, ...spec } }, { signal });
}
