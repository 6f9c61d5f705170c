/**
 * Empties namespaces that are being deleted, then lets them go: pods first, and only when they are gone everything else, so
 * that no pod outlives the ConfigMaps, policies and secrets it runs by.
 *
 * Watches Namespaces (key: itself) and every namespaced kind, also those that come later (key: the namespace an object left, when that is terminating).
 */
import { rfc3339 } from '../../../lib/clock.ts';
import { errorMessage } from '../../../lib/errors.ts';
import { objectKey } from '../../../lib/informer.ts';
import { after, done, type Outcome } from '../../../lib/reconcile-loop.ts';
import { WorkQueue } from '../../../lib/work-queue.ts';
import { type corev1, KINDS, type KubeObject, type ResourceType } from '../../../proto/index.ts';
import type { Controller, ControllerContext, ControllerDefinition } from '../controller.ts';
import { followKinds } from '../follow-kinds.ts';
import { sameStatus } from '../same-value.ts';
import { kindId } from '../served-kinds.ts';
import { BY_NAMESPACE } from '../shared-informers.ts';
import { deleteAll, ignoreNotFound } from '../writes.ts';
import { type PassResult, type Remaining, terminatingStatus } from './plan.ts';

const NAME = 'namespace-controller';
const FINALIZER = 'kubernetes';
/** Milliseconds after which a namespace with something left in it is looked at even if no change was seen. */
const RECHECK_MS = 5_000;
/** Milliseconds after which a namespace that is gone is looked at once more. */
const LATECOMERS_MS = 2_000;

/** The namespace controller. */
export const namespaceController: ControllerDefinition = { name: NAME, create };

function create(context: ControllerContext): Controller {
  const { client, informers, clock, kinds, log } = context;
  const queue = new WorkQueue({ clock });
  const namespaces = informers.of(KINDS.Namespace);
  const namespaced = (): ResourceType[] => kinds.list().filter((type) => type.namespaced);
  const isTerminating = (namespace: corev1.Namespace | undefined): boolean =>
    namespace?.metadata?.deletionTimestamp !== undefined;

  namespaces.addHandler({
    onAdd: (namespace) => {
      if (isTerminating(namespace)) queue.add(objectKey(namespace));
    },
    onUpdate: (_, namespace) => {
      if (isTerminating(namespace)) queue.add(objectKey(namespace));
    },
    onDelete: (namespace) => queue.addAfter(objectKey(namespace), LATECOMERS_MS),
  });
  followKinds(context, {
    wants: (type) => type.namespaced && kindId(type) !== kindId(KINDS.Event),
    follow: (informer) =>
      informer.addHandler({
        onDelete: (object) => {
          const name = object.metadata?.namespace ?? '';
          if (isTerminating(namespaces.get(name))) queue.add(name);
        },
      }),
  });

  /** Asks for the deletion of everything of a kind; tells what was there. */
  async function empty(type: ResourceType, namespace: string, signal: AbortSignal): Promise<PassResult> {
    const { items } = await client.list(type, { namespace, signal });
    const failures = (await deleteAll(client, type, { items, signal })).map(errorMessage);
    const left = items.length === 0 ? [] : (await client.list(type, { namespace, signal })).items;
    return { remaining: [remainingOf(type, left)], failures };
  }

  async function pass(namespace: string, signal: AbortSignal): Promise<PassResult> {
    const ofPods = await empty(KINDS.Pod, namespace, signal);
    if (ofPods.remaining.some((r) => r.count > 0) || ofPods.failures.length > 0) return ofPods;
    const others = namespaced().filter((type) => kindId(type) !== kindId(KINDS.Pod));
    const results = await Promise.all(others.map((type) => empty(type, namespace, signal)));
    return { remaining: results.flatMap((r) => r.remaining), failures: results.flatMap((r) => r.failures) };
  }

  /**
   * What was let in by a server that had not yet seen the mark, and stored after the last look, is in a namespace that is gone:
   * nobody else would ever remove it.
   */
  async function removeLatecomers(name: string, signal: AbortSignal): Promise<Outcome> {
    const inIt = (type: ResourceType): boolean => informers.metadataOf(type).byIndex(BY_NAMESPACE, name).length > 0;
    const late = namespaced().filter((type) => kindId(type) !== kindId(KINDS.Event) && inIt(type));
    if (late.length === 0 || (await ignoreNotFound(client.get(KINDS.Namespace, { name }, signal))) !== undefined)
      return done;
    log.warn(
      { namespace: name, kinds: late.map(({ kind }) => kind) },
      'removing what came into a namespace as it went',
    );
    const results = await Promise.all(late.map((type) => empty(type, name, signal)));
    return results.every((r) => r.failures.length === 0 && r.remaining.every(({ count }) => count === 0))
      ? done
      : after(RECHECK_MS);
  }

  async function reconcile(key: string, signal: AbortSignal): Promise<Outcome> {
    const cached = namespaces.get(key);
    if (cached === undefined) return removeLatecomers(key, signal);
    if (!isTerminating(cached)) return done;
    if (!(cached.spec?.finalizers ?? []).includes(FINALIZER)) return done;
    const result = await pass(key, signal);
    const empty = result.failures.length === 0 && result.remaining.every((r) => r.count === 0);
    const status = terminatingStatus(cached.status, result, rfc3339(clock.now()));
    if (!empty && !sameStatus(status, cached.status)) {
      await client.update(KINDS.Namespace, { ...cached, status }, { subresource: 'status', signal });
    }
    if (!empty) return after(RECHECK_MS);
    const finalizers = (cached.spec?.finalizers ?? []).filter((name) => name !== FINALIZER);
    const emptied = { ...cached, spec: { ...cached.spec, finalizers } };
    await ignoreNotFound(client.update(KINDS.Namespace, emptied, { subresource: 'finalize', signal }));
    return done;
  }

  return { queue, reconcile };
}

function remainingOf(type: ResourceType, items: readonly KubeObject[]): Remaining {
  const finalizers = new Map<string, number>();
  for (const name of items.flatMap((object) => object.metadata?.finalizers ?? [])) {
    finalizers.set(name, (finalizers.get(name) ?? 0) + 1);
  }
  return { resource: `${type.plural}.${type.group}`, count: items.length, finalizers };
}
