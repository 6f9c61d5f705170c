/**
 * Keeps the EndpointSlices of services with a selector: each pod that has an address is an endpoint, ready or not.
 *
 * Watches Services (key: itself), Pods (keys: the services that select or selected it), its own EndpointSlices (key: their
 * service, to repair what others changed) and Nodes (keys: services with pods there, when the zone changes).
 *
 * This is what a rolling update waits for: a pod that is being deleted is not ready from the first look on, and the write
 * begins at once. What changes during a write is taken together in the next. A decision is taken only when the cache shows
 * every slice written for the key. Slices that others manage are never touched.
 */
import { errorMessage, hasReason } from '../../../lib/errors.ts';
import { objectKey } from '../../../lib/informer.ts';
import { done, type Outcome } from '../../../lib/reconcile-loop.ts';
import { WorkQueue } from '../../../lib/work-queue.ts';
import { type corev1, type discoveryv1, KINDS } from '../../../proto/index.ts';
import { isHeadless } from '../../resources/service-kinds.ts';
import type { Controller, ControllerContext, ControllerDefinition } from '../controller.ts';
import { OwnWrites } from '../own-writes.ts';
import { controllerReference } from '../ownership.ts';
import { followServicePods, servicePods } from '../service-pods.ts';
import { BY_NODE, BY_SERVICE } from '../shared-informers.ts';
import { type EndpointGroup, groupKey, planSlices, type SliceInput } from './plan-slices.ts';
import { endpointPorts, hasEndpoint, podEndpoint } from './pod-endpoint.ts';
import { HEADLESS_LABEL, MANAGED_BY_LABEL, SERVICE_NAME_LABEL, ZONE_LABEL } from './slice-labels.ts';
import { writeSlices } from './write-slices.ts';

const NAME = 'endpoint-slice-controller';
/** Who manages the slices this controller writes. */
const MANAGER = 'endpointslice-controller.k8s.io';
const OWN_LABELS = new Set([SERVICE_NAME_LABEL, MANAGED_BY_LABEL, HEADLESS_LABEL]);

/** The EndpointSlice controller. */
export const endpointSliceController: ControllerDefinition = { name: NAME, create };

function create(context: ControllerContext): Controller {
  const { client, informers, clock } = context;
  const queue = new WorkQueue({ clock });
  const links = servicePods(informers);
  const { services, pods, podsOf, servicesOf } = links;
  const slices = informers.of(KINDS.EndpointSlice);
  const nodes = informers.of(KINDS.Node);
  const ownWrites = new OwnWrites(slices);
  const events = context.events(NAME);
  const enqueue = (key: string): void => queue.add(key);

  services.addHandler({
    onAdd: (service) => enqueue(objectKey(service)),
    onUpdate: (_, service) => enqueue(objectKey(service)),
    onDelete: (service) => enqueue(objectKey(service)),
  });
  followServicePods(links, enqueue);
  const enqueueOwner = (slice: discoveryv1.EndpointSlice): void => {
    const { namespace = '', labels = {} } = slice.metadata ?? {};
    if (labels[MANAGED_BY_LABEL] === MANAGER) enqueue(`${namespace}/${labels[SERVICE_NAME_LABEL] ?? ''}`);
  };
  slices.addHandler({
    onUpdate: (old, slice) => {
      enqueueOwner(old);
      enqueueOwner(slice);
    },
    onDelete: enqueueOwner,
  });
  const enqueueNode = (node: corev1.Node): void => {
    for (const pod of pods.byIndex(BY_NODE, objectKey(node))) {
      for (const service of servicesOf(pod)) enqueue(objectKey(service));
    }
  };
  nodes.addHandler({
    onAdd: (node) => {
      if (zoneOfNode(node) !== undefined) enqueueNode(node);
    },
    onUpdate: (old, node) => {
      if (zoneOfNode(old) !== zoneOfNode(node)) enqueueNode(node);
    },
  });
  const zoneOf = (node: string): string | undefined => zoneOfNode(nodes.get(node));

  async function reconcile(key: string, signal: AbortSignal): Promise<Outcome> {
    await ownWrites.visible(key, signal);
    const service = services.get(key);
    // The garbage collector takes the slices of a service that is gone.
    if (service === undefined) {
      ownWrites.forget(key);
      return done;
    }
    const isName = service.spec?.type === 'ExternalName';
    // Who has no selector writes the endpoints by hand.
    if (!isName && Object.keys(service.spec?.selector ?? {}).length === 0) return done;
    const existing = slices
      .byIndex(BY_SERVICE, key)
      .filter(({ metadata }) => metadata?.labels?.[MANAGED_BY_LABEL] === MANAGER);
    const plan = planSlices({
      groups: isName ? [] : groupsOf(service, podsOf(service), zoneOf),
      existing,
      metadata: sliceMetadata(service),
      keepOne: !isName,
    });
    try {
      await writeSlices(plan, { client, ownWrites, key, signal });
    } catch (err) {
      if (!signal.aborted && !hasReason(err, 'Conflict')) {
        const message = `Error updating Endpoint Slices for Service ${key}: ${errorMessage(err)}`;
        events.record(service, 'Warning', 'FailedToUpdateEndpointSlices', message);
      }
      throw err;
    }
    return done;
  }

  return { queue, workers: 8, reconcile };
}

function zoneOfNode(node: corev1.Node | undefined): string | undefined {
  return node?.metadata?.labels?.[ZONE_LABEL];
}

/** The service's endpoints, together those with equal ports, in the order of the pods' names. */
export function groupsOf(
  service: corev1.Service,
  pods: readonly corev1.Pod[],
  zoneOf: (node: string) => string | undefined,
): EndpointGroup[] {
  const groups = new Map<string, EndpointGroup & { endpoints: discoveryv1.Endpoint[] }>();
  const byName = pods
    .filter(hasEndpoint)
    .sort((a, b) => ((a.metadata?.name ?? '') < (b.metadata?.name ?? '') ? -1 : 1));
  for (const pod of byName) {
    const ports = endpointPorts(pod, service);
    const key = groupKey({ addressType: 'IPv4', ports });
    const group = groups.get(key) ?? { addressType: 'IPv4' as const, ports, endpoints: [] };
    groups.set(key, group);
    group.endpoints.push(podEndpoint(pod, service, zoneOf));
  }
  return [...groups.values()];
}

function sliceMetadata(service: corev1.Service): SliceInput['metadata'] {
  const { name = '', namespace, labels = {} } = service.metadata ?? {};
  const given = Object.entries(labels).filter(([key]) => !OWN_LABELS.has(key));
  return {
    generateName: `${name}-`,
    namespace,
    labels: {
      ...Object.fromEntries(given),
      [SERVICE_NAME_LABEL]: name,
      [MANAGED_BY_LABEL]: MANAGER,
      ...(isHeadless(service.spec) ? { [HEADLESS_LABEL]: '' } : {}),
    },
    ownerReferences: [controllerReference(KINDS.Service, service)],
  };
}
