/** Names for pod templates. A hash only names; whether two templates are the same is decided by their meaning. */
import { createHash } from 'node:crypto';
import { type appsv1, type corev1, toJson } from '../../../proto/index.ts';
import { sameValue } from '../same-value.ts';
import { byAge } from './rollout-math.ts';

/** Label that tells the pods of one Deployment's ReplicaSets apart. */
export const HASH_LABEL = 'pod-template-hash';

/** Letters and digits that cannot form words or be mistaken for each other. */
const ALPHABET = 'bcdfghjklmnpqrstvwxz2456789';
const LENGTH = 10;

/** A short name for a template; another one for each `collisionCount`. */
export function templateHash(template: corev1.PodTemplateSpec, collisionCount: number): string {
  const text = `${JSON.stringify(toJson('skiff.core.v1.PodTemplateSpec', withoutHash(template)))}#${collisionCount}`;
  const digest = createHash('sha256').update(text).digest();
  return Array.from(digest.subarray(0, LENGTH), (byte) => ALPHABET.charAt(byte % ALPHABET.length)).join('');
}

/** Whether two templates, defaulted, ask for the same pods. */
export function sameTemplate(a: corev1.PodTemplateSpec | undefined, b: corev1.PodTemplateSpec | undefined): boolean {
  return sameValue(withoutHash(a ?? {}), withoutHash(b ?? {}));
}

/** The oldest ReplicaSet with the Deployment's template. */
export function findNewSet(
  deployment: appsv1.Deployment,
  sets: readonly appsv1.ReplicaSet[],
): appsv1.ReplicaSet | undefined {
  return [...sets].sort(byAge).find((set) => sameTemplate(set.spec?.template, deployment.spec?.template));
}

function withoutHash(template: corev1.PodTemplateSpec): corev1.PodTemplateSpec {
  const { [HASH_LABEL]: _, ...labels } = template.metadata?.labels ?? {};
  const metadata = { ...template.metadata, labels: Object.keys(labels).length === 0 ? undefined : labels };
  // A template without any metadata and one with an empty one mean the same.
  const empty = Object.values(metadata).every((value) => value === undefined);
  return { ...template, metadata: empty ? undefined : metadata };
}
