/**
 * Keeps the Endpoints of services with a selector, for readers that do not know EndpointSlices.
 *
 * Watches Services (key: itself), Pods (keys: the services that select or selected it) and Endpoints (key: the service of that name, to
 * repair what others changed). Traffic does not wait for it: changes of pods are gathered for a moment, so that a rolling update
 * costs few writes.
 */
import { objectKey, splitKey } from '../../../lib/informer.ts';
import { done, type Outcome } from '../../../lib/reconcile-loop.ts';
import { WorkQueue } from '../../../lib/work-queue.ts';
import { type corev1, KINDS } from '../../../proto/index.ts';
import type { Controller, ControllerContext, ControllerDefinition } from '../controller.ts';
import { OwnWrites } from '../own-writes.ts';
import { sameStatus, sameValue } from '../same-value.ts';
import { followServicePods, servicePods } from '../service-pods.ts';
import { ignoreNotFound, isNamespaceTerminating } from '../writes.ts';
import { ENDPOINTS_MANAGED_BY, MANAGER, OVER_CAPACITY, planEndpoints } from './plan.ts';

const NAME = 'endpoint-controller';
const GATHER_MS = 100;

/** The Endpoints controller. */
export const endpointsController: ControllerDefinition = { name: NAME, create };

function create(context: ControllerContext): Controller {
  const { client, informers, clock } = context;
  const queue = new WorkQueue({ clock });
  const links = servicePods(informers);
  const { services, podsOf } = links;
  const endpoints = informers.of(KINDS.Endpoints);
  const ownWrites = new OwnWrites(endpoints);
  /** Services that went: whoever wrote their Endpoints, they go, too. */
  const gone = new Set<string>();

  services.addHandler({
    onAdd: (service) => queue.add(objectKey(service)),
    onUpdate: (_, service) => queue.add(objectKey(service)),
    onDelete: (service) => {
      gone.add(objectKey(service));
      queue.add(objectKey(service));
    },
  });
  followServicePods(links, (key) => queue.addAfter(key, GATHER_MS));
  const look = (object: corev1.Endpoints): void => {
    if (isOurs(object)) queue.add(objectKey(object));
  };
  endpoints.addHandler({ onAdd: look, onUpdate: look, onDelete: look });

  async function remove(key: string, signal: AbortSignal): Promise<void> {
    const { uid = '' } = endpoints.get(key)?.metadata ?? {};
    await ignoreNotFound(client.delete(KINDS.Endpoints, splitKey(key), { uid, signal }));
    ownWrites.deleted(key, key, uid);
  }

  async function reconcile(key: string, signal: AbortSignal): Promise<Outcome> {
    await ownWrites.visible(key, signal);
    const service = services.get(key);
    const old = endpoints.get(key);
    if (service === undefined || service.spec?.type === 'ExternalName') {
      if (old !== undefined && (isOurs(old) || gone.has(key))) await remove(key, signal);
      gone.delete(key);
      if (service === undefined) ownWrites.forget(key);
      return done;
    }
    gone.delete(key);
    if (Object.keys(service.spec?.selector ?? {}).length === 0) return done;
    const want = planEndpoints(service, podsOf(service));
    if (old === undefined) {
      try {
        ownWrites.wrote(key, await client.create(KINDS.Endpoints, want, { signal }));
      } catch (err) {
        if (!isNamespaceTerminating(err)) throw err;
      }
      return done;
    }
    const { [OVER_CAPACITY]: _mark, ...others } = old.metadata?.annotations ?? {};
    const annotations = { ...others, ...want.metadata?.annotations };
    const { labels } = want.metadata ?? {};
    const same =
      sameValue(old.subsets, want.subsets) &&
      sameStatus(old.metadata?.labels, labels) &&
      sameStatus(old.metadata?.annotations ?? {}, annotations);
    if (same) return done;
    const next = { ...old, metadata: { ...old.metadata, labels, annotations }, subsets: want.subsets };
    const written = await ignoreNotFound(client.update(KINDS.Endpoints, next, { signal }));
    if (written !== undefined) ownWrites.wrote(key, written);
    return done;
  }

  return { queue, reconcile };
}

function isOurs({ metadata }: corev1.Endpoints): boolean {
  return metadata?.labels?.[ENDPOINTS_MANAGED_BY] === MANAGER;
}
