/**
 * Keeps the two services every cluster has: `default/kubernetes`, which leads to every server that serves, and
 * `kube-system/kube-dns`, whose address each node answers itself.
 *
 * Watches the Leases of servers (see `server-lease.ts`), and Services, EndpointSlices and Endpoints, to repair what others
 * changed or deleted. One key. The age of a lease counts from when this process saw it renewed; one lease alone never ages, since
 * whoever runs this is a server.
 */
import { hasReason } from '../../../lib/errors.ts';
import { objectKey } from '../../../lib/informer.ts';
import { after, done, type Outcome } from '../../../lib/reconcile-loop.ts';
import { WorkQueue } from '../../../lib/work-queue.ts';
import { type coordinationv1, KINDS, type KubeObject, type ResourceType } from '../../../proto/index.ts';
import type { Controller, ControllerContext, ControllerDefinition } from '../controller.ts';
import { sameValue } from '../same-value.ts';
import { BY_NAMESPACE, BY_SERVICE } from '../shared-informers.ts';
import { ignoreNotFound } from '../writes.ts';
import {
  API_SERVICE,
  apiAddresses,
  apiEndpoints,
  apiPorts,
  apiService,
  apiSlices,
  DNS_SERVICE,
  dnsService,
  isApiSlice,
} from './plan.ts';
import { isServerLease, LEASE_SECONDS, SERVER_LEASE_NAMESPACE } from './server-lease.ts';

const NAME = 'api-endpoints-controller';
const KEY = 'api';
const API_KEY = `${API_SERVICE.namespace}/${API_SERVICE.name}`;
const DNS_KEY = `${DNS_SERVICE.namespace}/${DNS_SERVICE.name}`;

/** The controller of the services every cluster has. */
export const apiEndpointsController: ControllerDefinition = { name: NAME, create };

function create(context: ControllerContext): Controller {
  const { client, informers, clock, settings, log } = context;
  const queue = new WorkQueue({ clock });
  const leases = informers.of(KINDS.Lease);
  const services = informers.of(KINDS.Service);
  const slices = informers.of(KINDS.EndpointSlice);
  const endpoints = informers.of(KINDS.Endpoints);
  /** When a server was last heard, by the uid of its lease, in monotonic milliseconds. */
  const heardMs = new Map<string, number>();
  queue.add(KEY);

  const heard = (lease: coordinationv1.Lease): void => {
    if (!isServerLease(lease)) return;
    heardMs.set(lease.metadata?.uid ?? '', clock.monotonicMs());
  };
  leases.addHandler({
    onAdd: (lease) => {
      heard(lease);
      if (isServerLease(lease)) queue.add(KEY);
    },
    onUpdate: (old, lease) => {
      heard(lease);
      if (isServerLease(lease) && !sameValue(old.metadata?.annotations, lease.metadata?.annotations)) queue.add(KEY);
    },
    onDelete: (lease) => {
      heardMs.delete(lease.metadata?.uid ?? '');
      if (isServerLease(lease)) queue.add(KEY);
    },
  });
  const ours = new Set([API_KEY, DNS_KEY]);
  const look = (object: KubeObject): void => {
    const service = object.metadata?.labels?.['kubernetes.io/service-name'];
    if (ours.has(objectKey(object)) || service === API_SERVICE.name) queue.add(KEY);
  };
  for (const informer of [services, slices, endpoints] as const) {
    informer.addHandler({ onUpdate: (_: KubeObject, object: KubeObject) => look(object), onDelete: look });
  }

  /** Servers that are alive; takes away the leases of those that are not. `recheckMs`: when one may be found dead. */
  async function liveServers(
    signal: AbortSignal,
  ): Promise<{ live: coordinationv1.Lease[]; recheckMs: number | undefined }> {
    const all = leases.byIndex(BY_NAMESPACE, SERVER_LEASE_NAMESPACE).filter(isServerLease);
    if (all.length < 2) return { live: all, recheckMs: undefined };
    const leftMs = ({ metadata }: coordinationv1.Lease): number =>
      (heardMs.get(metadata?.uid ?? '') ?? 0) + LEASE_SECONDS * 1000 - clock.monotonicMs();
    const live = all.filter((lease) => leftMs(lease) > 0);
    for (const lease of all.filter((one) => !live.includes(one))) {
      const { namespace, name = '', uid = '', resourceVersion = '' } = lease.metadata ?? {};
      log.warn({ name, holder: lease.spec?.holderIdentity }, 'a server is silent: nobody is sent to it any longer');
      try {
        // With the version: one that spoke meanwhile stays.
        await ignoreNotFound(client.delete(KINDS.Lease, { namespace, name }, { uid, resourceVersion, signal }));
      } catch (err) {
        if (!hasReason(err, 'Conflict')) throw err;
      }
    }
    return { live, recheckMs: Math.max(1, Math.min(...live.map(leftMs))) };
  }

  async function createMissing<T extends KubeObject>(
    type: ResourceType<T>,
    object: T,
    signal: AbortSignal,
  ): Promise<void> {
    try {
      await client.create(type, object, { signal });
    } catch (err) {
      // The cache will show it, and bring the key back if it is not as it should be.
      if (!hasReason(err, 'AlreadyExists')) throw err;
    }
  }

  async function reconcile(_key: string, signal: AbortSignal): Promise<Outcome> {
    const { live, recheckMs } = await liveServers(signal);
    const addresses = apiAddresses(live);
    const service = services.get(API_KEY);
    if (service === undefined) await createMissing(KINDS.Service, apiService(settings.serviceRange, addresses), signal);
    else if (addresses.length > 0 && !sameValue(service.spec?.ports, apiPorts(addresses))) {
      const spec = { ...service.spec, ports: apiPorts(addresses) };
      await client.update(KINDS.Service, { ...service, spec }, { signal });
    }
    const dns = dnsService(settings.serviceRange);
    if (dns !== undefined && services.get(DNS_KEY) === undefined) await createMissing(KINDS.Service, dns, signal);
    if (addresses.length > 0) await writeEndpoints(addresses, signal);
    return recheckMs === undefined ? done : after(recheckMs);
  }

  async function writeEndpoints(addresses: ReturnType<typeof apiAddresses>, signal: AbortSignal): Promise<void> {
    const wanted = new Map(apiSlices(addresses).map((slice) => [objectKey(slice), slice]));
    for (const slice of slices.byIndex(BY_SERVICE, API_KEY).filter(isApiSlice)) {
      const want = wanted.get(objectKey(slice));
      wanted.delete(objectKey(slice));
      const { namespace, name = '' } = slice.metadata ?? {};
      if (want === undefined) {
        await ignoreNotFound(client.delete(KINDS.EndpointSlice, { namespace, name }, { signal }));
      } else if (!sameValue([slice.endpoints, slice.ports], [want.endpoints, want.ports])) {
        const next = { ...want, metadata: { ...slice.metadata, labels: want.metadata?.labels } };
        await client.update(KINDS.EndpointSlice, next, { signal });
      }
    }
    for (const slice of wanted.values()) await createMissing(KINDS.EndpointSlice, slice, signal);
    const old = endpoints.get(API_KEY);
    const want = apiEndpoints(addresses);
    if (old === undefined) await createMissing(KINDS.Endpoints, want, signal);
    else if (!sameValue(old.subsets, want.subsets)) {
      const metadata = { ...old.metadata, labels: want.metadata?.labels };
      await client.update(KINDS.Endpoints, { ...want, metadata }, { signal });
    }
  }

  return { queue, workers: 1, reconcile };
}
