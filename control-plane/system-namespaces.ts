import { setTimeout as delay } from 'node:timers/promises';
import type { ResourceClient } from '../lib/client/resource-client.ts';
import { ApiError, hasReason } from '../lib/errors.ts';
import type { Logger } from '../lib/logger.ts';
import { KINDS } from '../proto/index.ts';

/** Namespaces every cluster has. */
const SYSTEM_NAMESPACES = ['default', 'kube-system', 'kube-public', 'kube-node-lease'] as const;

const RETRY_MS = 500;

/** Creates the namespaces every cluster has, where they are missing; tries again while the store cannot be reached. */
export async function ensureSystemNamespaces(
  client: ResourceClient,
  { log, signal }: { readonly log: Logger; readonly signal: AbortSignal },
): Promise<void> {
  for (const name of SYSTEM_NAMESPACES) {
    for (;;) {
      signal.throwIfAborted();
      try {
        await client.create(KINDS.Namespace, { metadata: { name } }, { signal });
        log.info({ namespace: name }, 'created a system namespace');
        break;
      } catch (err) {
        if (hasReason(err, 'AlreadyExists')) break;
        if (!(err instanceof ApiError) || !err.retryable) throw err;
        log.warn({ err, namespace: name }, 'system namespace not created, trying again');
        await delay(RETRY_MS, undefined, { signal });
      }
    }
  }
}
