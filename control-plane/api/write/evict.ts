import { rfc3339 } from '../../../lib/clock.ts';
import { ApiError } from '../../../lib/errors.ts';
import { selectorMatches } from '../../../lib/selectors.ts';
import { type corev1, KINDS, type policyv1 } from '../../../proto/index.ts';
import { withAllowed } from '../../controllers/disruption/plan.ts';
import { isReady, withCondition } from '../../controllers/pod-state.ts';
import { policyObjects } from '../admission/policy-objects.ts';
import { forbidden, notFound } from '../api-errors.ts';
import { resolveTarget } from '../request/target.ts';
import type { ApiServices } from '../services.ts';
import { checkPreconditions, type DeletionOptions, decideDeletion } from './delete.ts';
import { guardedWrite } from './guarded-write.ts';
import type { WriteOutcome, WriteRequest } from './write-request.ts';

/** When whoever was refused should ask again. */
const RETRY_AFTER_MS = 10_000;
/** Evictions allowed and not yet seen; more mean that nobody keeps the budget's status. */
const MAX_UNSEEN = 2_000;
const REFUSED = "Cannot evict pod as it would violate the pod's disruption budget.";

/**
 * Deletes the pod if its disruption budget allows it now, and counts that in the budget. Throws `TooManyRequests` when the
 * budget does not, `InternalError` when several budgets select the pod, `NotFound`, `Conflict` (preconditions). Pods that do
 * not run, or go already, need nobody's leave.
 */
export async function evictPod(
  services: ApiServices,
  request: WriteRequest,
  { name, deletion }: { readonly name: string; readonly deletion: DeletionOptions },
): Promise<WriteOutcome> {
  const { definition, namespace } = request.target;
  let allowedFor: string | undefined;
  return guardedWrite(services, request, name, async (current) => {
    if (current === undefined) throw notFound(definition.type, name);
    checkPreconditions(definition, name, current, deletion);
    const pod: corev1.Pod = current.object;
    const uid = pod.metadata?.uid ?? '';
    // Decided anew after a conflict, the same pod is not counted twice.
    if (allowedFor !== uid) {
      await askBudget(services, request, { namespace, pod });
      allowedFor = uid;
    }
    const decision = decideDeletion(services, definition, { object: current.object, options: deletion });
    if (decision.type === 'put') markDisrupted(decision.object, rfc3339(services.now()));
    return decision;
  });
}

interface Subject {
  readonly namespace: string;
  readonly pod: corev1.Pod;
}

async function askBudget(services: ApiServices, request: WriteRequest, { namespace, pod }: Subject): Promise<void> {
  const phase = pod.status?.phase;
  const needsNoLeave = phase !== 'Running' && phase !== 'Unknown';
  if (needsNoLeave || pod.metadata?.deletionTimestamp !== undefined) return;
  // Evictions are rare, and what they go by must not be old.
  await services.cache.catchUp(request.signal);
  const budgets = policyObjects(services, KINDS.PodDisruptionBudget, namespace).filter((budget) =>
    selectorMatches(budget.spec?.selector, pod.metadata?.labels),
  );
  if (budgets.length > 1) {
    throw new ApiError(
      'InternalError',
      'This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.',
    );
  }
  const name = budgets[0]?.metadata?.name;
  if (name !== undefined) await takeOne(services, request, { budget: name, namespace, pod });
}

/** Counts the eviction in the budget's status, or throws. */
async function takeOne(
  services: ApiServices,
  { caller, dryRun, signal }: WriteRequest,
  { budget: name, namespace, pod }: Subject & { readonly budget: string },
): Promise<void> {
  const { apiVersion, kind } = KINDS.PodDisruptionBudget;
  const target = resolveTarget({ apiVersion, kind, namespace, name, subresource: 'status' }, services.registry);
  await guardedWrite(services, { target, caller, dryRun, signal }, name, (current) => {
    // Deleted meanwhile: nobody minds any more.
    if (current === undefined) throw new BudgetGone();
    const budget: policyv1.PodDisruptionBudget = current.object;
    if (isSpared(budget, pod)) return { type: 'keep', action: 'unchanged' };
    const left = checkAllowed(budget) - 1;
    const now = rfc3339(services.now());
    budget.status = {
      ...budget.status,
      disruptionsAllowed: left,
      disruptedPods: { ...budget.status?.disruptedPods, [pod.metadata?.name ?? '']: now },
      conditions: withAllowed(budget, left > 0 ? 'SufficientPods' : 'InsufficientPods', now),
    };
    return { type: 'put', object: budget, action: 'configured' };
  }).catch((err: unknown) => {
    if (!(err instanceof BudgetGone)) throw err;
  });
}

class BudgetGone extends Error {}

/** A pod that is not ready takes nothing from what the budget protects: when enough others are, or always if it says so. */
function isSpared({ spec = {}, status = {} }: policyv1.PodDisruptionBudget, pod: corev1.Pod): boolean {
  if (isReady(pod)) return false;
  if (spec.unhealthyPodEvictionPolicy === 'AlwaysAllow') return true;
  const desired = status.desiredHealthy ?? 0;
  return desired > 0 && (status.currentHealthy ?? 0) >= desired;
}

function checkAllowed({ metadata = {}, status = {} }: policyv1.PodDisruptionBudget): number {
  const name = metadata.name ?? '';
  const allowed = status.disruptionsAllowed ?? 0;
  if ((status.observedGeneration ?? 0) < (metadata.generation ?? 0)) {
    throw refused(`The disruption budget ${name} is still being processed by the server.`);
  }
  if (allowed < 0) throw forbidden(KINDS.PodDisruptionBudget, name, 'pdb disruptions allowed is negative');
  if (Object.keys(status.disruptedPods ?? {}).length > MAX_UNSEEN) {
    const because = 'DisruptedPods map too big - too many evictions not confirmed by PDB controller';
    throw forbidden(KINDS.PodDisruptionBudget, name, because);
  }
  if (allowed === 0) {
    const { desiredHealthy = 0, currentHealthy = 0 } = status;
    throw refused(
      `The disruption budget ${name} needs ${desiredHealthy} healthy pods and has ${currentHealthy} currently`,
    );
  }
  return allowed;
}

function refused(because: string): ApiError {
  const causes = [{ field: '', reason: 'DisruptionBudget', message: because }];
  return new ApiError('TooManyRequests', REFUSED, { causes, retryAfterMs: RETRY_AFTER_MS });
}

/** Tells the pod's owner that it was not the pod's fault. */
function markDisrupted(pod: corev1.Pod, now: string): void {
  const condition: corev1.PodCondition = {
    type: 'DisruptionTarget',
    status: 'True',
    reason: 'EvictionByEvictionAPI',
    message: 'Eviction API: evicting',
    lastTransitionTime: now,
  };
  pod.status = { ...pod.status, conditions: withCondition(pod.status?.conditions, condition) };
}
