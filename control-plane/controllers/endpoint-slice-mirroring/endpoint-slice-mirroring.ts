/**
 * Mirrors Endpoints that people write for services without selector into EndpointSlices, from which traffic and names are made.
 *
 * Watches Endpoints (key: itself), Services (key: the Endpoints of that name) and its own EndpointSlices (key: their service). Not
 * mirrored: what the label `endpointslice.kubernetes.io/skip-mirror` excludes, and what is a leader's lock.
 */
import { isIPv6 } from 'node:net';
import { objectKey } from '../../../lib/informer.ts';
import { done, type Outcome } from '../../../lib/reconcile-loop.ts';
import { WorkQueue } from '../../../lib/work-queue.ts';
import { type corev1, type discoveryv1, KINDS } from '../../../proto/index.ts';
import type { Controller, ControllerContext, ControllerDefinition } from '../controller.ts';
import { type EndpointGroup, planSlices } from '../endpoint-slice/plan-slices.ts';
import { MANAGED_BY_LABEL, SERVICE_NAME_LABEL, SKIP_MIRROR_LABEL } from '../endpoint-slice/slice-labels.ts';
import { writeSlices } from '../endpoint-slice/write-slices.ts';
import { OwnWrites } from '../own-writes.ts';
import { controllerReference } from '../ownership.ts';
import { BY_SERVICE } from '../shared-informers.ts';

const NAME = 'endpoint-slice-mirroring-controller';
const MANAGER = 'endpointslicemirroring-controller.k8s.io';
const LEADER_ANNOTATION = 'control-plane.alpha.kubernetes.io/leader';
const NOT_COPIED = new Set(['kubectl.kubernetes.io/last-applied-configuration', LEADER_ANNOTATION]);
const MAX_ENDPOINTS = 1000;

/** The mirroring controller. */
export const endpointSliceMirroringController: ControllerDefinition = { name: NAME, create };

function create(context: ControllerContext): Controller {
  const { client, informers, clock } = context;
  const queue = new WorkQueue({ clock });
  const endpoints = informers.of(KINDS.Endpoints);
  const services = informers.of(KINDS.Service);
  const slices = informers.of(KINDS.EndpointSlice);
  const ownWrites = new OwnWrites(slices);

  const look = (object: corev1.Endpoints | corev1.Service): void => queue.add(objectKey(object));
  const handler = { onAdd: look, onUpdate: (_: unknown, object: corev1.Service) => look(object), onDelete: look };
  endpoints.addHandler(handler);
  services.addHandler(handler);
  const lookAtSlice = ({ metadata }: discoveryv1.EndpointSlice): void => {
    const { namespace = '', labels = {} } = metadata ?? {};
    if (labels[MANAGED_BY_LABEL] === MANAGER) queue.add(`${namespace}/${labels[SERVICE_NAME_LABEL] ?? ''}`);
  };
  slices.addHandler({ onAdd: lookAtSlice, onUpdate: (_, slice) => lookAtSlice(slice), onDelete: lookAtSlice });

  async function reconcile(key: string, signal: AbortSignal): Promise<Outcome> {
    await ownWrites.visible(key, signal);
    const source = endpoints.get(key);
    const existing = slices
      .byIndex(BY_SERVICE, key)
      .filter(({ metadata }) => metadata?.labels?.[MANAGED_BY_LABEL] === MANAGER);
    const mirrored = source !== undefined && isMirrored(source, services.get(key)) ? source : undefined;
    if (mirrored === undefined && existing.length === 0) {
      ownWrites.forget(key);
      return done;
    }
    const plan = planSlices({
      groups: groupsOf(mirrored?.subsets ?? []),
      existing,
      metadata: mirrored === undefined ? {} : sliceMetadata(mirrored),
      maxEndpoints: MAX_ENDPOINTS,
      keepOne: mirrored !== undefined,
    });
    await writeSlices(plan, { client, ownWrites, key, signal });
    return done;
  }

  return { queue, reconcile };
}

/** Whether the Endpoints are those of a service that has no others. */
export function isMirrored({ metadata }: corev1.Endpoints, service: corev1.Service | undefined): boolean {
  if (service === undefined || metadata?.deletionTimestamp !== undefined) return false;
  if (service.spec?.type === 'ExternalName' || Object.keys(service.spec?.selector ?? {}).length > 0) return false;
  if (metadata?.labels?.[SKIP_MIRROR_LABEL] === 'true') return false;
  return metadata?.annotations?.[LEADER_ANNOTATION] === undefined;
}

/** The addresses of all subsets, together those with equal ports and family. */
export function groupsOf(subsets: readonly corev1.EndpointSubset[]): EndpointGroup[] {
  return subsets.flatMap(({ addresses = [], notReadyAddresses = [], ports = [] }) => {
    const all = [
      ...addresses.slice(0, MAX_ENDPOINTS).map((one) => endpointOf(one, true)),
      ...notReadyAddresses.slice(0, Math.max(0, MAX_ENDPOINTS - addresses.length)).map((one) => endpointOf(one, false)),
    ];
    const slicePorts = ports.map(({ name = '', port, protocol = 'TCP', appProtocol }) => ({
      name,
      port,
      protocol,
      ...(appProtocol === undefined ? {} : { appProtocol }),
    }));
    const ofFamily = (addressType: 'IPv4' | 'IPv6'): EndpointGroup => ({
      addressType,
      ports: slicePorts,
      endpoints: all.filter((one) => isIPv6(one.addresses?.[0] ?? '') === (addressType === 'IPv6')),
    });
    return [ofFamily('IPv4'), ofFamily('IPv6')];
  });
}

function endpointOf(address: corev1.EndpointAddress, ready: boolean): discoveryv1.Endpoint {
  const { ip = '', hostname = '', nodeName, targetRef } = address;
  return {
    addresses: [ip],
    conditions: { ready },
    ...(hostname === '' ? {} : { hostname }),
    ...(nodeName === undefined ? {} : { nodeName }),
    ...(targetRef === undefined ? {} : { targetRef }),
  };
}

function sliceMetadata(source: corev1.Endpoints): NonNullable<discoveryv1.EndpointSlice['metadata']> {
  const { name = '', namespace, labels, annotations = {} } = source.metadata ?? {};
  return {
    generateName: `${name}-`,
    namespace,
    labels: { ...labels, [SERVICE_NAME_LABEL]: name, [MANAGED_BY_LABEL]: MANAGER },
    annotations: Object.fromEntries(Object.entries(annotations).filter(([key]) => !NOT_COPIED.has(key))),
    ownerReferences: [controllerReference(KINDS.Endpoints, source)],
  };
}
