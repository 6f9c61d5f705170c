/** Revision numbers of ReplicaSets, and the annotations that pass from a Deployment to its newest ReplicaSet. */
import type { appsv1 } from '../../../proto/index.ts';
import { DESIRED_ANNOTATION, MAX_ANNOTATION, rolloutBounds, wantedReplicas } from './rollout-math.ts';

/** Number of the rollout a ReplicaSet belongs to; on the Deployment, of the newest. */
export const REVISION_ANNOTATION = 'deployment.kubernetes.io/revision';
/** Numbers a ReplicaSet had before, when it was rolled back to. */
export const HISTORY_ANNOTATION = 'deployment.kubernetes.io/revision-history';

/** Annotations that belong to the Deployment or the ReplicaSet alone. */
const NOT_COPIED: ReadonlySet<string> = new Set([
  'kubectl.kubernetes.io/last-applied-configuration',
  'deprecated.deployment.rollback.to',
  REVISION_ANNOTATION,
  HISTORY_ANNOTATION,
  DESIRED_ANNOTATION,
  MAX_ANNOTATION,
]);

/** The revision of an object; 0 when it has none. */
export function revisionOf(object: appsv1.ReplicaSet | appsv1.Deployment): number {
  const text = object.metadata?.annotations?.[REVISION_ANNOTATION] ?? '';
  return /^\d+$/.test(text) ? Number(text) : 0;
}

/** The revision the newest ReplicaSet must have, given all the others. */
export function nextRevision(oldSets: readonly appsv1.ReplicaSet[]): number {
  return Math.max(0, ...oldSets.map(revisionOf)) + 1;
}

/** Annotations of the newest ReplicaSet: the Deployment's, and its revision, which only grows. */
export function newSetAnnotations(
  deployment: appsv1.Deployment,
  current: Readonly<Record<string, string>>,
  revision: number,
): Record<string, string> {
  const copied = Object.entries(deployment.metadata?.annotations ?? {}).filter(([name]) => !NOT_COPIED.has(name));
  const own = Object.entries(current).filter(([name]) => NOT_COPIED.has(name));
  const annotations: Record<string, string> = Object.fromEntries([...copied, ...own]);
  const before = Number(current[REVISION_ANNOTATION] ?? '0');
  if (before < revision) {
    annotations[REVISION_ANNOTATION] = String(revision);
    if (before > 0) {
      const history = current[HISTORY_ANNOTATION];
      annotations[HISTORY_ANNOTATION] = history === undefined ? String(before) : `${history},${before}`;
    }
  }
  return annotations;
}

/** What a ReplicaSet remembers of the Deployment's size, for proportional scaling. */
export function sizeAnnotations(deployment: appsv1.Deployment): Record<string, string> {
  const replicas = wantedReplicas(deployment);
  return {
    [DESIRED_ANNOTATION]: String(replicas),
    [MAX_ANNOTATION]: String(replicas + rolloutBounds(deployment).maxSurge),
  };
}
