/** What may change in a pod that exists: nearly nothing. */
import type { ErrorCause } from '../../../lib/errors.ts';
import { type corev1, KINDS } from '../../../proto/index.ts';
import { changesInWords, fieldChanges } from '../validation/changed-fields.ts';
import { forbidden, invalid } from '../validation/field-errors.ts';
import { isGated, validateNarrowing, withPlacementOf } from './gated-update.ts';

const CHANGEABLE =
  'pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,' +
  '`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations)';

/** Everything that changed from `old` to `pod` and may not. Both are defaulted. */
export function validatePodUpdate(pod: corev1.Pod, old: corev1.Pod): ErrorCause[] {
  const spec = pod.spec ?? {};
  const before = old.spec ?? {};
  const causes: ErrorCause[] = [];
  for (const list of ['containers', 'initContainers'] as const) {
    if ((spec[list] ?? []).length !== (before[list] ?? []).length) {
      causes.push(forbidden(`spec.${list}`, 'pod updates may not add or remove containers'));
    }
  }
  if (causes.length > 0) return causes;
  causes.push(...validateDeadline(spec.activeDeadlineSeconds, before.activeDeadlineSeconds));
  causes.push(...validateTolerationsUpdate(spec.tolerations ?? [], before.tolerations ?? []));
  causes.push(...validateGatesUpdate(spec, before));
  const gated = isGated(before);
  if (gated) causes.push(...validateNarrowing(spec, before));
  const comparable = withChangesOf(gated ? withPlacementOf(spec, before) : spec, before);
  const changes = fieldChanges(KINDS.Pod.messageName, { spec: comparable }, { spec: before });
  const [first] = changes;
  if (first !== undefined) causes.push(forbidden(first.path, `${CHANGEABLE}; ${changesInWords(changes)}`));
  return causes;
}

/** `spec` with everything that may change as it was in `old`: what then differs may not. */
function withChangesOf(spec: corev1.PodSpec, old: corev1.PodSpec): corev1.PodSpec {
  const asBefore = (containers: corev1.Container[] | undefined, before: corev1.Container[] | undefined) =>
    containers?.map((container, i) => ({ ...container, image: before?.[i]?.image }));
  return {
    ...spec,
    containers: asBefore(spec.containers, old.containers),
    initContainers: asBefore(spec.initContainers, old.initContainers),
    activeDeadlineSeconds: old.activeDeadlineSeconds,
    tolerations: old.tolerations,
    schedulingGates: old.schedulingGates,
  };
}

function validateDeadline(seconds: number | undefined, before: number | undefined): ErrorCause[] {
  const field = 'spec.activeDeadlineSeconds';
  if (before === undefined) return [];
  if (seconds === undefined) return [invalid(field, null, 'must not update from a positive integer to nil value')];
  return seconds > before ? [invalid(field, seconds, 'must be less than or equal to previous value')] : [];
}

/** Existing tolerations stay, but for their seconds. */
function validateTolerationsUpdate(tolerations: corev1.Toleration[], before: corev1.Toleration[]): ErrorCause[] {
  const kept = (old: corev1.Toleration): boolean =>
    tolerations.some((t) =>
      (['key', 'operator', 'value', 'effect'] as const).every((k) => (t[k] ?? '') === (old[k] ?? '')),
    );
  return before.every(kept)
    ? []
    : [forbidden('spec.tolerations', 'existing toleration can not be modified except its tolerationSeconds')];
}

function validateGatesUpdate(spec: corev1.PodSpec, before: corev1.PodSpec): ErrorCause[] {
  const had = new Set((before.schedulingGates ?? []).map((gate) => gate.name));
  return (spec.schedulingGates ?? [])
    .filter((gate) => !had.has(gate.name))
    .map(({ name }) =>
      forbidden('spec.schedulingGates', `only deletion is allowed, but found new scheduling gate '${name}'`),
    );
}
