/**
 * Gives services of type LoadBalancer their addresses. With a pool, each has one of it, and one node announces it on its network
 * (see `node-agent/load-balancer/`). Without, the addresses of the nodes that may serve are the service's own.
 *
 * Watches Services (key: itself; when one goes, those that wait for an address), Nodes (keys: all services of the type) and
 * EndpointSlices (key: the service, when its traffic stays on nodes). One at a time, and only when the cache shows what was
 * written last: so no address is given twice.
 */
import { rfc3339 } from '../../../lib/clock.ts';
import { hasReason } from '../../../lib/errors.ts';
import { objectKey } from '../../../lib/informer.ts';
import { done, type Outcome } from '../../../lib/reconcile-loop.ts';
import { WorkQueue } from '../../../lib/work-queue.ts';
import { type corev1, type discoveryv1, KINDS } from '../../../proto/index.ts';
import type { Controller, ControllerContext, ControllerDefinition } from '../controller.ts';
import { SERVICE_NAME_LABEL } from '../endpoint-slice/slice-labels.ts';
import { OwnWrites } from '../own-writes.ts';
import { sameStatus, sameValue } from '../same-value.ts';
import { BY_SERVICE } from '../shared-informers.ts';
import {
  ANNOUNCED_BY,
  addressOf,
  chooseAddress,
  chooseAnnouncer,
  isLocal,
  isOurs,
  NO_ADDRESS_CONDITION,
  nodeAddresses,
  nodesWithEndpoints,
  portTrouble,
  takesTraffic,
} from './plan.ts';

const NAME = 'load-balancer-controller';
/** All writes are of one ledger: an address is chosen among all. */
const LEDGER = 'all';

/** The controller of load balancers. */
export const loadBalancerController: ControllerDefinition = { name: NAME, create };

/** What a service is to say. */
interface Wanted {
  readonly addresses: readonly string[];
  readonly announcer: string | undefined;
  readonly trouble: { readonly reason: string; readonly message: string } | undefined;
}

const NOTHING: Wanted = { addresses: [], announcer: undefined, trouble: undefined };

function create(context: ControllerContext): Controller {
  const { client, informers, clock, settings } = context;
  const pool = settings.loadBalancerPool;
  const queue = new WorkQueue({ clock });
  const services = informers.of(KINDS.Service);
  const nodes = informers.of(KINDS.Node);
  const slices = informers.of(KINDS.EndpointSlice);
  const ownWrites = new OwnWrites(services);
  const events = context.events(NAME);
  /** Keys of the services that are ours. */
  const ours = new Set<string>();

  const enqueueAll = (): void => {
    for (const key of ours) queue.add(key);
  };
  const enqueueWaiting = (): void => {
    for (const key of ours) {
      const service = services.get(key);
      if (service !== undefined && addressOf(service) === undefined) queue.add(key);
    }
  };
  const look = (service: corev1.Service): void => {
    const key = objectKey(service);
    if (isOurs(service)) ours.add(key);
    else if (ours.delete(key)) enqueueWaiting();
    if (isOurs(service) || isLeftover(service)) queue.add(key);
  };
  services.addHandler({
    onAdd: look,
    onUpdate: (old, service) => {
      look(service);
      const samePorts = sameValue(old.spec?.ports, service.spec?.ports);
      if (addressOf(old) !== addressOf(service) || !samePorts) enqueueWaiting();
    },
    onDelete: (service) => {
      if (ours.delete(objectKey(service))) enqueueWaiting();
    },
  });
  nodes.addHandler({
    onAdd: enqueueAll,
    onUpdate: (old, node) => {
      const same = takesTraffic(old) === takesTraffic(node) && sameValue(old.status?.addresses, node.status?.addresses);
      if (!same) enqueueAll();
    },
    onDelete: enqueueAll,
  });
  const lookAtSlice = ({ metadata }: discoveryv1.EndpointSlice): void => {
    const key = `${metadata?.namespace ?? ''}/${metadata?.labels?.[SERVICE_NAME_LABEL] ?? ''}`;
    if (!ours.has(key)) return;
    const service = services.get(key);
    if (service !== undefined && isLocal(service)) queue.add(key);
  };
  slices.addHandler({ onAdd: lookAtSlice, onUpdate: (_, slice) => lookAtSlice(slice), onDelete: lookAtSlice });

  /** Nodes that may take the service's traffic. */
  function candidates(service: corev1.Service): corev1.Node[] {
    const able = nodes.list().filter(takesTraffic);
    if (!isLocal(service)) return able;
    const serving = nodesWithEndpoints(slices.byIndex(BY_SERVICE, objectKey(service)));
    return able.filter((node) => serving.has(objectKey(node)));
  }

  function wantedOf(service: corev1.Service): Wanted {
    if (!isOurs(service)) return NOTHING;
    const able = candidates(service);
    const others = [...ours].flatMap((key) => services.get(key) ?? []).filter((other) => other !== service);
    const holders = others.filter((other) => addressOf(other) !== undefined);
    if (pool.size === 0) {
      // Who has a port keeps it; of two that have, the older one.
      const older = holders.filter((other) => addressOf(service) === undefined || isOlder(other, service));
      const trouble = portTrouble(service, older, settings.reservedPorts);
      return trouble === undefined ? { ...NOTHING, addresses: nodeAddresses(able) } : { ...NOTHING, trouble };
    }
    const choice = chooseAddress(service, holders, pool);
    if (!('address' in choice)) return { ...NOTHING, trouble: choice };
    // Who shares an address is announced together.
    const sharing = holders.find((other) => addressOf(other) === choice.address && announcerOf(other) !== undefined);
    const names = able.map(objectKey);
    const shared = sharing === undefined ? undefined : announcerOf(sharing);
    const first = sharing !== undefined && objectKey(sharing) < objectKey(service);
    const current = first ? shared : (announcerOf(service) ?? shared);
    const moved = addressOf(service) !== choice.address;
    const announcer = chooseAnnouncer(choice.address, moved ? shared : current, names);
    return { addresses: [choice.address], announcer, trouble: undefined };
  }

  async function write(service: corev1.Service, wanted: Wanted, signal: AbortSignal): Promise<void> {
    const { [ANNOUNCED_BY]: _before, ...rest } = service.metadata?.annotations ?? {};
    const annotations = wanted.announcer === undefined ? rest : { ...rest, [ANNOUNCED_BY]: wanted.announcer };
    const status = statusOf(service, wanted, rfc3339(clock.now()));
    const sameAnnotations = sameStatus(annotations, service.metadata?.annotations ?? {});
    if (sameAnnotations && sameStatus(status, service.status ?? {})) return;
    const next = { ...service, metadata: { ...service.metadata, annotations }, status };
    let written = await client.update(KINDS.Service, next, { subresource: 'status', signal });
    ownWrites.wrote(LEDGER, written);
    if (!sameStatus(written.metadata?.annotations ?? {}, annotations)) {
      written = await client.update(
        KINDS.Service,
        { ...written, metadata: { ...written.metadata, annotations } },
        { signal },
      );
      ownWrites.wrote(LEDGER, written);
    }
    tell(service, wanted);
  }

  function tell(service: corev1.Service, wanted: Wanted): void {
    const [address] = wanted.addresses;
    const from = announcerOf(service);
    if (wanted.trouble !== undefined) {
      events.record(
        service,
        'Warning',
        wanted.trouble.reason,
        `Cannot give the service an address: ${wanted.trouble.message}`,
      );
    } else if (pool.size > 0 && address !== undefined) {
      if (addressOf(service) !== address) events.record(service, 'Normal', 'IPAllocated', `Assigned IP ["${address}"]`);
      if (from !== wanted.announcer && wanted.announcer !== undefined) {
        const what = from === undefined ? '' : `, no longer from node "${from}"`;
        events.record(
          service,
          'Normal',
          'NodeAssigned',
          `Announcing ${address} from node "${wanted.announcer}"${what}`,
        );
      }
    }
  }

  async function reconcile(key: string, signal: AbortSignal): Promise<Outcome> {
    await ownWrites.visible(LEDGER, signal);
    const service = services.get(key);
    if (service === undefined || (!isOurs(service) && !isLeftover(service))) return done;
    try {
      await write(service, wantedOf(service), signal);
    } catch (err) {
      if (!hasReason(err, 'NotFound')) throw err;
    }
    return done;
  }

  return { queue, workers: 1, reconcile };
}

function isOlder(a: corev1.Service, b: corev1.Service): boolean {
  const rank = (service: corev1.Service): string =>
    `${service.metadata?.creationTimestamp ?? ''} ${objectKey(service)}`;
  return rank(a) < rank(b);
}

function announcerOf({ metadata }: corev1.Service): string | undefined {
  return metadata?.annotations?.[ANNOUNCED_BY];
}

/** Whether a service that is of another type now still says what it was given. */
function isLeftover(service: corev1.Service): boolean {
  if (service.spec?.type === 'LoadBalancer') return false;
  return addressOf(service) !== undefined || announcerOf(service) !== undefined;
}

function statusOf(
  { status, metadata }: corev1.Service,
  { addresses, trouble }: Wanted,
  now: string,
): corev1.ServiceStatus {
  const ingress = addresses.map((ip) => ({ ip, ipMode: 'VIP' }));
  const others = (status?.conditions ?? []).filter(({ type }) => type !== NO_ADDRESS_CONDITION);
  if (trouble === undefined) return { ...status, conditions: others, loadBalancer: { ingress } };
  const old = status?.conditions?.find(({ type }) => type === NO_ADDRESS_CONDITION);
  const condition = {
    type: NO_ADDRESS_CONDITION,
    status: 'False',
    reason: trouble.reason,
    message: trouble.message,
    observedGeneration: metadata?.generation,
    lastTransitionTime: old?.lastTransitionTime ?? now,
  };
  return { ...status, conditions: [...others, condition], loadBalancer: { ingress } };
}
