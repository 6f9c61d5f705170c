/**
 * Keeps the status of quotas right: `hard` follows the spec, and `used` is counted anew.
 *
 * Every write through the API charges its quotas in its own transaction, so there is seldom anything to correct: a new quota
 * or a new limit; pods that stop counting because their node is silent; what was written at the very moment a quota was made;
 * a status that somebody wrote by hand.
 *
 * Watches ResourceQuotas (key: itself) and all kinds that are counted (keys: the quotas of the namespace, after a moment).
 * The quota is read before its namespace is listed, and written only if it is still the same: a charge in between fails that
 * write, so that no count is ever less than what is there.
 */
import { hasReason } from '../../../lib/errors.ts';
import { objectKey, splitKey } from '../../../lib/informer.ts';
import { after, done, type Outcome } from '../../../lib/reconcile-loop.ts';
import { WorkQueue } from '../../../lib/work-queue.ts';
import { type corev1, KINDS, type KubeObject } from '../../../proto/index.ts';
import { countUsed, statusOf } from '../../quota/quota-book.ts';
import { concernsKind, isCountedKind } from '../../quota/usage.ts';
import type { Controller, ControllerContext, ControllerDefinition } from '../controller.ts';
import { followKinds } from '../follow-kinds.ts';
import { sameStatus, sameValue } from '../same-value.ts';
import { BY_NAMESPACE } from '../shared-informers.ts';

const NAME = 'resourcequota-controller';
/** Changes that were charged already are counted after only, many at once. */
const RECOUNT_MS = 1_000;
/** Pods stop counting by time alone. */
const RESYNC_MS = 30_000;

/** The quota controller. */
export const resourceQuotaController: ControllerDefinition = { name: NAME, create };

function create(context: ControllerContext): Controller {
  const { client, informers, kinds, clock } = context;
  const queue = new WorkQueue({ clock });
  const quotas = informers.of(KINDS.ResourceQuota);
  // Whether pods have ended is not in their metadata.
  informers.of(KINDS.Pod);

  quotas.addHandler({
    onAdd: (quota) => queue.add(objectKey(quota)),
    onUpdate: (old, quota) => queue.addAfter(objectKey(quota), sameValue(old.spec, quota.spec) ? RECOUNT_MS : 0),
  });

  const recountNamespace = (object: KubeObject): void => {
    for (const quota of quotas.byIndex(BY_NAMESPACE, object.metadata?.namespace ?? '')) {
      queue.addAfter(objectKey(quota), RECOUNT_MS);
    }
  };
  followKinds(context, {
    wants: (type) => isCountedKind(type) && type.messageName !== KINDS.ResourceQuota.messageName,
    follow: (informer, type) => {
      const onUpdate = (old: KubeObject, object: KubeObject): void => {
        if (type.messageName !== KINDS.Pod.messageName || endsBetween(old, object)) recountNamespace(object);
      };
      informer.addHandler({ onAdd: recountNamespace, onUpdate, onDelete: recountNamespace });
    },
  });

  async function reconcile(key: string, signal: AbortSignal): Promise<Outcome> {
    const at = splitKey(key);
    if (quotas.get(key) === undefined) return done;
    try {
      const quota = await client.get(KINDS.ResourceQuota, at, signal);
      const names = Object.keys(quota.spec?.hard ?? {});
      const lists = await Promise.all(
        kinds
          .list()
          .filter((type) => concernsKind(names, type))
          .map(async (type) => {
            const { items } = await client.list(type, { namespace: at.namespace ?? '', signal });
            return items.map((object) => ({ kind: type, object }));
          }),
      );
      const status = statusOf(quota, countUsed(quota, lists.flat(), clock.now()));
      if (!sameStatus(status, quota.status)) {
        await client.update(KINDS.ResourceQuota, { ...quota, status }, { subresource: 'status', signal });
      }
    } catch (err) {
      if (hasReason(err, 'NotFound')) return done;
      // Somebody charged it meanwhile: count again what is there then.
      if (hasReason(err, 'Conflict')) return after(RECOUNT_MS);
      throw err;
    }
    return after(RESYNC_MS);
  }

  return { queue, reconcile };
}

/** Of all that changes in pods only this changes what they use. */
function endsBetween(old: corev1.Pod, pod: corev1.Pod): boolean {
  return old.status?.phase !== pod.status?.phase || old.metadata?.deletionTimestamp !== pod.metadata?.deletionTimestamp;
}
