import type { corev1, metav1 } from '../../../../proto/index.ts';
import { BASELINE_CHECKS } from './baseline-checks.ts';
import type { PodCheck, Violation } from './check.ts';
import type { LevelVersion } from './levels.ts';
import { RESTRICTED_CHECKS } from './restricted-checks.ts';

/** Everything a pod does that the policy forbids, in Kubernetes' order. */
export function violationsOf(
  metadata: metav1.ObjectMeta,
  spec: corev1.PodSpec,
  { level, minor }: LevelVersion,
): Violation[] {
  if (level === 'privileged') return [];
  const isThere = (check: PodCheck): boolean => (check.since ?? 0) <= minor;
  const restricted = level === 'restricted' ? RESTRICTED_CHECKS.filter(isThere) : [];
  const replaced = new Set(restricted.map((check) => check.replaces));
  const checks = [...BASELINE_CHECKS.filter((check) => isThere(check) && !replaced.has(check)), ...restricted];
  return checks.flatMap((check) => check.find({ metadata, spec, minor }) ?? []);
}

/** `reason (detail), reason (detail)`. */
export function detailText(violations: readonly Violation[]): string {
  return violations.map(({ reason, detail }) => `${reason} (${detail})`).join(', ');
}

/** `reason, reason`. */
export function reasonText(violations: readonly Violation[]): string {
  return violations.map(({ reason }) => reason).join(', ');
}
