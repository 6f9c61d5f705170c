import type { PodBinding } from '../../../lib/client/resource-client.ts';
import { rfc3339 } from '../../../lib/clock.ts';
import { type corev1, KINDS } from '../../../proto/index.ts';
import { conflict, notFound } from '../api-errors.ts';
import type { Caller } from '../request/caller.ts';
import type { AnyDefinition, ApiServices } from '../services.ts';
import { guardedWrite } from './guarded-write.ts';
import type { WriteOutcome } from './write-request.ts';

/** Who binds, and what may stop it. */
export interface BindOptions {
  readonly caller: Caller;
  readonly signal?: AbortSignal | undefined;
  readonly dryRun?: boolean;
}

/**
 * Puts a pod on a node: sets its node name and the PodScheduled condition. Calls made together share store transactions.
 * Throws `Conflict` when the pod is bound already, being deleted, or another one than meant; `NotFound` when it is gone.
 */
export function bindPod(services: ApiServices, binding: PodBinding, options: BindOptions): Promise<WriteOutcome> {
  const definition = podDefinition(services);
  const { namespace, name, uid, node } = binding;
  const target = { definition, served: definition, namespace, name, subresource: 'binding' };
  const { caller, signal, dryRun = false } = options;
  return guardedWrite(services, { target, caller, dryRun, signal }, name, (current) => {
    if (current === undefined) throw notFound(KINDS.Pod, name);
    const pod: corev1.Pod = current.object;
    const actual = pod.metadata?.uid ?? '';
    if (uid !== '' && uid !== actual) {
      throw conflict(
        KINDS.Pod,
        name,
        `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${actual}`,
      );
    }
    if (pod.metadata?.deletionTimestamp !== undefined) {
      throw conflict(KINDS.Pod, name, `pod ${name} is being deleted, cannot be assigned to a host`);
    }
    if ((pod.spec?.nodeName ?? '') !== '') {
      throw conflict(KINDS.Pod, name, `pod ${name} is already assigned to node "${pod.spec?.nodeName}"`);
    }
    pod.spec = { ...pod.spec, nodeName: node };
    pod.status = { ...pod.status, conditions: scheduled(pod.status?.conditions ?? [], rfc3339(services.now())) };
    return { type: 'put', object: pod, action: 'configured' };
  });
}

function scheduled(conditions: readonly corev1.PodCondition[], now: string): corev1.PodCondition[] {
  const others = conditions.filter(({ type }) => type !== 'PodScheduled');
  return [...others, { type: 'PodScheduled', status: 'True', lastTransitionTime: now }];
}

function podDefinition(services: ApiServices): AnyDefinition {
  const definition = services.registry.findDefinition(KINDS.Pod.apiVersion, KINDS.Pod.kind);
  if (definition === undefined) throw new Error('the registry has no pods');
  return definition;
}
