import { setTimeout as delay } from 'node:timers/promises';
import type { ResourceClient } from '../lib/client/resource-client.ts';
import { ApiError, hasReason } from '../lib/errors.ts';
import { BUILT_IN_CLASS, INGRESS_CONTROLLER } from '../lib/ingress-class.ts';
import type { Logger } from '../lib/logger.ts';
import { KINDS, type networkingv1 } from '../proto/index.ts';
import { SYSTEM_PRIORITY_CLASSES } from './resources/priority-class.ts';

/** Namespaces every cluster has. */
const SYSTEM_NAMESPACES = ['default', 'kube-system', 'kube-public', 'kube-node-lease'] as const;

const RETRY_MS = 500;

/**
 * Creates the namespaces and priority classes every cluster has, where they are missing; tries again while the store cannot
 * be reached.
 */
export async function ensureSystemObjects(client: ResourceClient, options: EnsureOptions): Promise<void> {
  for (const name of SYSTEM_NAMESPACES) {
    await ensure(name, options, () =>
      client.create(KINDS.Namespace, { metadata: { name } }, { signal: options.signal }),
    );
  }
  for (const priorityClass of SYSTEM_PRIORITY_CLASSES) {
    await ensure(priorityClass.metadata?.name ?? '', options, () =>
      client.create(KINDS.PriorityClass, priorityClass, { signal: options.signal }),
    );
  }
  await ensure(`ingress class ${INGRESS_CLASS.metadata?.name}`, options, () =>
    client.create(KINDS.IngressClass, INGRESS_CLASS, { signal: options.signal }),
  );
}

/** Served by every node; the class of Ingresses that name none. */
const INGRESS_CLASS: networkingv1.IngressClass = {
  metadata: { name: BUILT_IN_CLASS, annotations: { 'ingressclass.kubernetes.io/is-default-class': 'true' } },
  spec: { controller: INGRESS_CONTROLLER },
};

/** What {@link ensureSystemObjects} needs. */
export interface EnsureOptions {
  readonly log: Logger;
  readonly signal: AbortSignal;
}

async function ensure(name: string, { log, signal }: EnsureOptions, create: () => Promise<unknown>): Promise<void> {
  for (;;) {
    signal.throwIfAborted();
    try {
      await create();
      log.info({ name }, 'created a system object');
      return;
    } catch (err) {
      if (hasReason(err, 'AlreadyExists')) return;
      if (!(err instanceof ApiError) || !err.retryable) throw err;
      log.warn({ err, name }, 'system object not created, trying again');
      await delay(RETRY_MS, undefined, { signal });
    }
  }
}
