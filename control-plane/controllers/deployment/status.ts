/** The status of a Deployment: counts and the conditions Available, Progressing and ReplicaFailure. */
import { rfc3339 } from '../../../lib/clock.ts';
import type { appsv1 } from '../../../proto/index.ts';
import { rolloutBounds, totalSize, wantedReplicas } from './rollout-math.ts';

/** A deadline of this many seconds means none. */
const NO_DEADLINE = 2 ** 31 - 1;

/** What the status is made from. */
export interface StatusInput {
  readonly deployment: appsv1.Deployment;
  readonly replicaSets: readonly appsv1.ReplicaSet[];
  readonly newSet: appsv1.ReplicaSet | undefined;
  /** Name of the ReplicaSet made in this step. */
  readonly created?: string | undefined;
  /** Why the new ReplicaSet could not be made. */
  readonly createError?: string | undefined;
  readonly nowMs: number;
}

/** The status to write, and when to look again because a deadline runs. */
export interface DeploymentStatusPlan {
  readonly status: appsv1.DeploymentStatus;
  readonly recheckMs: number | undefined;
}

/** The status a Deployment should have. */
export function deploymentStatus(input: StatusInput): DeploymentStatusPlan {
  const { deployment, nowMs } = input;
  const counts = countStatus(input);
  const conditions = new Conditions(deployment.status?.conditions ?? [], rfc3339(nowMs));
  setAvailable(conditions, deployment, counts);
  setReplicaFailure(conditions, input);
  if (hasDeadline(deployment)) setProgressing(conditions, input, counts);
  else conditions.remove('Progressing');
  const status: appsv1.DeploymentStatus = { ...counts, conditions: conditions.list };
  return { status, recheckMs: deadlineInMs(deployment, status, nowMs) };
}

/** Whether everything wanted is updated and available, and nothing else is left. */
export function isComplete(deployment: appsv1.Deployment, status: appsv1.DeploymentStatus): boolean {
  const replicas = wantedReplicas(deployment);
  return (
    (status.updatedReplicas ?? 0) === replicas &&
    (status.replicas ?? 0) === replicas &&
    (status.availableReplicas ?? 0) === replicas &&
    (status.observedGeneration ?? 0) >= (deployment.metadata?.generation ?? 0)
  );
}

function countStatus({ deployment, replicaSets, newSet }: StatusInput): appsv1.DeploymentStatus {
  const sum = (count: (status: appsv1.ReplicaSetStatus) => number | undefined): number =>
    replicaSets.reduce((total, set) => total + (count(set.status ?? {}) ?? 0), 0);
  const available = sum((s) => s.availableReplicas);
  return {
    observedGeneration: deployment.metadata?.generation ?? 0,
    replicas: sum((s) => s.replicas),
    updatedReplicas: newSet?.status?.replicas ?? 0,
    readyReplicas: sum((s) => s.readyReplicas),
    availableReplicas: available,
    unavailableReplicas: Math.max(0, totalSize(replicaSets) - available),
    terminatingReplicas: sum((s) => s.terminatingReplicas),
    ...(deployment.status?.collisionCount === undefined ? {} : { collisionCount: deployment.status.collisionCount }),
  };
}

function setAvailable(conditions: Conditions, deployment: appsv1.Deployment, counts: appsv1.DeploymentStatus): void {
  const needed = wantedReplicas(deployment) - rolloutBounds(deployment).maxUnavailable;
  if ((counts.availableReplicas ?? 0) >= needed) {
    conditions.set('Available', 'True', 'MinimumReplicasAvailable', 'Deployment has minimum availability.');
  } else {
    const message = 'Deployment does not have minimum availability.';
    conditions.set('Available', 'False', 'MinimumReplicasUnavailable', message);
  }
}

function setReplicaFailure(conditions: Conditions, { replicaSets, newSet }: StatusInput): void {
  const ordered = newSet === undefined ? replicaSets : [newSet, ...replicaSets];
  const failure = ordered.flatMap((set) => set.status?.conditions ?? []).find((c) => c.type === 'ReplicaFailure');
  if (failure === undefined) conditions.remove('ReplicaFailure');
  else conditions.set('ReplicaFailure', failure.status ?? 'True', failure.reason ?? '', failure.message ?? '');
}

function setProgressing(conditions: Conditions, input: StatusInput, counts: appsv1.DeploymentStatus): void {
  const { deployment, newSet, created, createError } = input;
  const current = conditions.get('Progressing');
  const subject =
    newSet === undefined ? `Deployment "${deployment.metadata?.name}"` : `ReplicaSet "${newSet.metadata?.name}"`;
  const paused = deployment.spec?.paused === true;
  if (createError !== undefined) {
    conditions.set('Progressing', 'False', 'ReplicaSetCreateError', createError);
  } else if (paused && current?.reason !== 'ProgressDeadlineExceeded') {
    conditions.set('Progressing', 'Unknown', 'DeploymentPaused', 'Deployment is paused');
  } else if (!paused && current?.reason === 'DeploymentPaused') {
    conditions.set('Progressing', 'Unknown', 'DeploymentResumed', 'Deployment is resumed');
  } else if (created !== undefined) {
    conditions.set('Progressing', 'True', 'NewReplicaSetCreated', `Created new replica set "${created}"`);
  } else if (current === undefined && newSet !== undefined && !isComplete(deployment, counts)) {
    conditions.set('Progressing', 'True', 'FoundNewReplicaSet', `Found new replica set "${newSet.metadata?.name}"`);
  } else if (isSettled(counts, current)) {
    return;
  } else if (isComplete(deployment, counts)) {
    conditions.set('Progressing', 'True', 'NewReplicaSetAvailable', `${subject} has successfully progressed.`);
  } else if (hasProgressed(deployment.status ?? {}, counts)) {
    conditions.touch('Progressing', 'True', 'ReplicaSetUpdated', `${subject} is progressing.`);
  } else if (hasTimedOut(deployment, current, input.nowMs)) {
    conditions.set('Progressing', 'False', 'ProgressDeadlineExceeded', `${subject} has timed out progressing.`);
  }
}

/** Whether the rollout ended earlier; what happens to its pods afterwards is not progress of it. */
function isSettled(counts: appsv1.DeploymentStatus, current: appsv1.DeploymentCondition | undefined): boolean {
  return (counts.replicas ?? 0) === (counts.updatedReplicas ?? 0) && current?.reason === 'NewReplicaSetAvailable';
}

/** Whether pods were updated, removed from old sets, or became ready or available since `old`. */
function hasProgressed(old: appsv1.DeploymentStatus, now: appsv1.DeploymentStatus): boolean {
  const oldOnes = (s: appsv1.DeploymentStatus): number => (s.replicas ?? 0) - (s.updatedReplicas ?? 0);
  return (
    (now.updatedReplicas ?? 0) > (old.updatedReplicas ?? 0) ||
    oldOnes(now) < oldOnes(old) ||
    (now.readyReplicas ?? 0) > (old.readyReplicas ?? 0) ||
    (now.availableReplicas ?? 0) > (old.availableReplicas ?? 0)
  );
}

function hasDeadline(deployment: appsv1.Deployment): boolean {
  const seconds = deployment.spec?.progressDeadlineSeconds;
  return seconds !== undefined && seconds !== NO_DEADLINE;
}

function hasTimedOut(
  deployment: appsv1.Deployment,
  condition: appsv1.DeploymentCondition | undefined,
  nowMs: number,
): boolean {
  if (condition === undefined || condition.reason === 'NewReplicaSetAvailable') return false;
  if (condition.reason === 'ProgressDeadlineExceeded') return true;
  if (condition.reason === 'DeploymentPaused') return false;
  return deadlineMs(deployment, condition) < nowMs;
}

function deadlineMs(deployment: appsv1.Deployment, condition: appsv1.DeploymentCondition): number {
  return Date.parse(condition.lastUpdateTime ?? '') + (deployment.spec?.progressDeadlineSeconds ?? 0) * 1000;
}

/** Milliseconds until the progress deadline has passed, when it still matters. */
function deadlineInMs(
  deployment: appsv1.Deployment,
  status: appsv1.DeploymentStatus,
  nowMs: number,
): number | undefined {
  const condition = status.conditions?.find((c) => c.type === 'Progressing');
  if (condition === undefined || !hasDeadline(deployment) || isComplete(deployment, status)) return undefined;
  const settled = ['ProgressDeadlineExceeded', 'NewReplicaSetAvailable', 'DeploymentPaused'];
  if (settled.includes(condition.reason ?? '')) return undefined;
  // Times are whole seconds: look one second later than the last that still counts.
  return Math.max(0, deadlineMs(deployment, condition) - nowMs) + 1000;
}

/** The conditions while they are changed. */
class Conditions {
  list: appsv1.DeploymentCondition[];
  readonly #now: string;

  constructor(list: readonly appsv1.DeploymentCondition[], now: string) {
    this.list = [...list];
    this.#now = now;
  }

  get(type: string): appsv1.DeploymentCondition | undefined {
    return this.list.find((condition) => condition.type === type);
  }

  /** Sets a condition; nothing changes when status and reason are the same. */
  set(type: string, status: string, reason: string, message: string): void {
    const old = this.get(type);
    if (old?.status === status && old.reason === reason) return;
    this.touch(type, status, reason, message);
  }

  /** Sets a condition and its time of update. The transition time stays when the status does. */
  touch(type: string, status: string, reason: string, message: string): void {
    const old = this.get(type);
    const lastTransitionTime = old?.status === status ? (old.lastTransitionTime ?? this.#now) : this.#now;
    this.remove(type);
    this.list.push({ type, status, reason, message, lastUpdateTime: this.#now, lastTransitionTime });
  }

  remove(type: string): void {
    this.list = this.list.filter((condition) => condition.type !== type);
  }
}
