/**
 * Removes bootstrap tokens whose time is over.
 *
 * Watches Secrets (key: itself, of those named as tokens are).
 */
import { hasReason } from '../../../lib/errors.ts';
import { objectKey } from '../../../lib/informer.ts';
import { after, done, type Outcome } from '../../../lib/reconcile-loop.ts';
import { WorkQueue } from '../../../lib/work-queue.ts';
import { KINDS, type KubeObject } from '../../../proto/index.ts';
import { hasEnded, storedToken, TOKEN_NAME_PREFIX, TOKEN_NAMESPACE } from '../../api/join/bootstrap-token.ts';
import type { Controller, ControllerContext, ControllerDefinition } from '../controller.ts';

const NAME = 'token-cleaner';
/** Clocks may be set: no token is trusted for longer without another look. */
const LOOK_AGAIN_MS = 3_600_000;

/** The token cleaner. */
export const bootstrapTokenController: ControllerDefinition = { name: NAME, create };

function create({ client, informers, clock, log }: ControllerContext): Controller {
  const queue = new WorkQueue({ clock });
  const secrets = informers.metadataOf(KINDS.Secret);
  const enqueue = (secret: KubeObject): void => {
    const { namespace, name = '' } = secret.metadata ?? {};
    if (namespace === TOKEN_NAMESPACE && name.startsWith(TOKEN_NAME_PREFIX)) queue.add(objectKey(secret));
  };
  secrets.addHandler({ onAdd: enqueue, onUpdate: (_, secret) => enqueue(secret) });

  async function reconcile(key: string, signal: AbortSignal): Promise<Outcome> {
    const name = key.slice(TOKEN_NAMESPACE.length + 1);
    const at = { namespace: TOKEN_NAMESPACE, name };
    try {
      const secret = await client.get(KINDS.Secret, at, signal);
      const token = storedToken(secret);
      if (token?.endsAtMs === undefined) return done;
      if (!hasEnded(token, clock.now())) return after(Math.min(token.endsAtMs - clock.now(), LOOK_AGAIN_MS));
      const { uid, resourceVersion } = secret.metadata ?? {};
      await client.delete(KINDS.Secret, at, {
        ...(uid === undefined ? {} : { uid }),
        ...(resourceVersion === undefined ? {} : { resourceVersion }),
        signal,
      });
      log.info({ token: token.id }, 'removed a bootstrap token whose time is over');
      return done;
    } catch (err) {
      if (hasReason(err, 'NotFound')) return done;
      throw err;
    }
  }

  return { queue, reconcile };
}
