/** Whether a name is taken by a machine that is there. */
import { ApiError } from '../../../lib/errors.ts';
import { humanDuration } from '../../../lib/human-duration.ts';
import { type coordinationv1, type corev1, KINDS } from '../../../proto/index.ts';
import { objectKey } from '../keys.ts';
import type { ApiServices } from '../services.ts';

const LEASE_NAMESPACE = 'kube-node-lease';

/** Who wants the name. */
export interface Claimant {
  readonly nodeName: string;
  readonly machineId: string;
}

/**
 * Throws `Conflict` when a Node of that name is alive: Ready, which ends soon after its last sign of life. The same machine may
 * come again, unless that Node gives a sign of life while we listen: then its agent still runs, or another machine has a copy of
 * its disk and so the same id.
 */
export async function refuseLivingName(
  services: ApiServices,
  { nodeName, machineId }: Claimant,
  signal: AbortSignal,
): Promise<void> {
  const node = services.cache.get(objectKey(KINDS.Node, undefined, nodeName))?.object as corev1.Node | undefined;
  const ready = node?.status?.conditions?.find(({ type }) => type === 'Ready');
  if (ready?.status !== 'True') return;
  const known = node?.status?.nodeInfo?.machineID ?? '';
  if (known !== '' && known === machineId) {
    if (!(await isRenewed(services, nodeName, signal))) return;
    throw new ApiError(
      'Conflict',
      `Cannot join: a node named "${nodeName}" with this machine's id (/etc/machine-id) is in the cluster and alive: the agent of this machine runs already, or the disk of this machine is a copy of another's (then give it an id of its own: rm /etc/machine-id && systemd-machine-id-setup, and another --node-name)`,
    );
  }
  const heard = lastHeard(services, nodeName);
  throw new ApiError(
    'Conflict',
    `Cannot join: a node named "${nodeName}" is in the cluster and alive${heard}: choose another --node-name, or remove it first with skiff node rm ${nodeName}`,
  );
}

function leaseKey(nodeName: string): string {
  return objectKey(KINDS.Lease, LEASE_NAMESPACE, nodeName);
}

function leaseOf(services: ApiServices, nodeName: string): coordinationv1.Lease | undefined {
  return services.cache.get(leaseKey(nodeName))?.object as coordinationv1.Lease | undefined;
}

function lastHeard(services: ApiServices, nodeName: string): string {
  const agoMs = services.now() - Date.parse(leaseOf(services, nodeName)?.spec?.renewTime ?? '');
  // By the other machine's clock, which may be ahead of ours.
  return Number.isNaN(agoMs)
    ? ''
    : ` (last heard ${humanDuration(Math.max(0, agoMs)).replace(/(\d)([a-z])/g, '$1 $2')} ago)`;
}

/** Agents renew several times within the duration of a lease. */
const LISTEN_SHARE = 0.7;
const MAX_LISTEN_MS = 10_000;

async function isRenewed(services: ApiServices, nodeName: string, signal: AbortSignal): Promise<boolean> {
  const { cache } = services;
  const key = leaseKey(nodeName);
  const seconds = leaseOf(services, nodeName)?.spec?.leaseDurationSeconds ?? 0;
  const timeout = AbortSignal.timeout(Math.min(MAX_LISTEN_MS, seconds * 1000 * LISTEN_SHARE));
  for await (const { events } of cache.watch(key, cache.version, AbortSignal.any([signal, timeout]))) {
    if (events.some((event) => event.type === 'put' && event.entry.key === key)) return true;
  }
  signal.throwIfAborted();
  return false;
}
