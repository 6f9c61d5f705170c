import { CliError } from '../errors/cli-error.ts';
import type { JsonObject } from '../manifest/json-value.ts';
import { listAt, numberAt, textAt, valueAt } from '../resources/fields.ts';

/** How far a rollout is: what to tell, and whether that was the end of it. */
export interface RolloutState {
  readonly message: string;
  readonly done: boolean;
  /** Pods of the new version that are available, and wanted: for a progress bar. */
  readonly available: number;
  readonly wanted: number;
}

/**
 * The state of a Deployment's rollout, in kubectl's words. Throws a {@link CliError} when it went past its deadline.
 */
export function deploymentRollout(deployment: JsonObject): RolloutState {
  const name = textAt(deployment, 'metadata', 'name');
  const wanted = numberAt(deployment, 'spec', 'replicas') ?? 1;
  const status = (field: string): number => numberAt(deployment, 'status', field) ?? 0;
  const updated = status('updatedReplicas');
  const available = status('availableReplicas');
  const state = (message: string, done = false): RolloutState => ({
    message,
    done,
    available: Math.min(available, updated),
    wanted,
  });
  const waiting = (what: string): RolloutState =>
    state(`Waiting for deployment "${name}" rollout to finish: ${what}...`);

  if ((numberAt(deployment, 'metadata', 'generation') ?? 0) > status('observedGeneration')) {
    return state('Waiting for deployment spec update to be observed...');
  }
  const progressing = listAt(deployment, 'status', 'conditions').find(
    (condition) => textAt(condition, 'type') === 'Progressing',
  );
  if (textAt(progressing, 'reason') === 'ProgressDeadlineExceeded') {
    throw new CliError(`deployment "${name}" exceeded its progress deadline`);
  }
  if (updated < wanted) return waiting(`${updated} out of ${wanted} new replicas have been updated`);
  const total = status('replicas');
  if (total > updated) return waiting(`${total - updated} old replicas are pending termination`);
  if (available < updated) return waiting(`${available} of ${updated} updated replicas are available`);
  return state(`deployment "${name}" successfully rolled out`, true);
}

/** Whether a deployment is paused: its rollout would never end. */
export function isPaused(deployment: JsonObject): boolean {
  return valueAt(deployment, 'spec', 'paused') === true;
}
