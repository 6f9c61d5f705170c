/**
 * Gives every namespace a service account `default`, and makes it again when it was deleted.
 *
 * Watches Namespaces (key: itself) and ServiceAccounts (key: the namespace one was deleted from). Pods need not wait for it:
 * their admission makes the account when it is missing.
 */
import { hasReason } from '../../../lib/errors.ts';
import { objectKey } from '../../../lib/informer.ts';
import { done, type Outcome } from '../../../lib/reconcile-loop.ts';
import { WorkQueue } from '../../../lib/work-queue.ts';
import { KINDS } from '../../../proto/index.ts';
import type { Controller, ControllerContext, ControllerDefinition } from '../controller.ts';
import { isNamespaceTerminating } from '../writes.ts';

const NAME = 'serviceaccount-controller';
const ACCOUNT = 'default';

/** The service account controller. */
export const serviceAccountController: ControllerDefinition = { name: NAME, create };

function create({ client, informers, clock }: ControllerContext): Controller {
  const queue = new WorkQueue({ clock });
  const namespaces = informers.of(KINDS.Namespace);
  const accounts = informers.metadataOf(KINDS.ServiceAccount);

  namespaces.addHandler({
    onAdd: (namespace) => queue.add(objectKey(namespace)),
    onUpdate: (_, namespace) => queue.add(objectKey(namespace)),
  });
  accounts.addHandler({
    onDelete: (account) => {
      if (account.metadata?.name === ACCOUNT) queue.add(account.metadata.namespace ?? '');
    },
  });

  async function reconcile(namespace: string, signal: AbortSignal): Promise<Outcome> {
    const found = namespaces.get(namespace);
    if (found === undefined || found.metadata?.deletionTimestamp !== undefined) return done;
    if (accounts.get(`${namespace}/${ACCOUNT}`) !== undefined) return done;
    try {
      await client.create(KINDS.ServiceAccount, { metadata: { name: ACCOUNT, namespace } }, { signal });
    } catch (err) {
      if (!hasReason(err, 'AlreadyExists', 'NotFound') && !isNamespaceTerminating(err)) throw err;
    }
    return done;
  }

  return { queue, reconcile };
}
