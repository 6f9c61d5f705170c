/** What may change in where a pod may run while scheduling gates hold it: it may be narrowed, never widened. */
import { isDeepStrictEqual } from 'node:util';
import type { ErrorCause } from '../../../lib/errors.ts';
import type { corev1 } from '../../../proto/index.ts';
import { invalid } from '../validation/field-errors.ts';

const REQUIRED = 'requiredDuringSchedulingIgnoredDuringExecution';
const AFFINITY = 'spec.affinity.nodeAffinity';

/** Whether the pod of that spec still waits for somebody to open its gates. */
export function isGated(spec: corev1.PodSpec): boolean {
  return (spec.schedulingGates ?? []).length > 0;
}

/** Everything that changed from `before` to `spec`, both of a gated pod, and lets it run where it could not before. */
export function validateNarrowing(spec: corev1.PodSpec, before: corev1.PodSpec): ErrorCause[] {
  const old = Object.entries(before.nodeSelector ?? {});
  const isKept = old.every(([key, value]) => spec.nodeSelector?.[key] === value);
  const why = 'only additions to spec.nodeSelector are allowed (no mutations or deletions)';
  return [
    ...(isKept ? [] : [invalid('spec.nodeSelector', spec.nodeSelector ?? null, why)]),
    ...validateTerms(termsOf(spec), termsOf(before)),
  ];
}

/** `spec` with what {@link validateNarrowing} looks at as in `old`. */
export function withPlacementOf(spec: corev1.PodSpec, old: corev1.PodSpec): corev1.PodSpec {
  const affinity = { ...spec.affinity, nodeAffinity: old.affinity?.nodeAffinity };
  const isEmpty = Object.values(affinity).every((part) => part === undefined) && old.affinity === undefined;
  return { ...spec, nodeSelector: old.nodeSelector, affinity: isEmpty ? undefined : affinity };
}

function termsOf(spec: corev1.PodSpec): readonly corev1.NodeSelectorTerm[] {
  return spec.affinity?.nodeAffinity?.[REQUIRED]?.nodeSelectorTerms ?? [];
}

/** One of the terms must hold: another one widens, and so does a condition that goes. */
function validateTerms(
  terms: readonly corev1.NodeSelectorTerm[],
  old: readonly corev1.NodeSelectorTerm[],
): ErrorCause[] {
  const path = `${AFFINITY}.${REQUIRED}.nodeSelectorTerms`;
  if (old.length === 0) return [];
  if (terms.length !== old.length)
    return [invalid(path, terms, 'no additions/deletions to non-empty NodeSelectorTerms list are allowed')];
  return old.flatMap((before, i) => {
    const term = terms[i] ?? {};
    const isKept =
      startsWith(term.matchExpressions ?? [], before.matchExpressions ?? []) &&
      startsWith(term.matchFields ?? [], before.matchFields ?? []);
    return isKept ? [] : [invalid(`${path}[${i}]`, term, 'only additions are allowed (no mutations or deletions)')];
  });
}

function startsWith(
  requirements: readonly corev1.NodeSelectorRequirement[],
  old: readonly corev1.NodeSelectorRequirement[],
): boolean {
  return old.every((before, i) => isDeepStrictEqual(requirements[i], before));
}
