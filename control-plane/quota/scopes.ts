/** Which objects a quota with scopes counts. */
import { qosClass } from '../../lib/qos.ts';
import type { corev1, KubeObject, ResourceType } from '../../proto/index.ts';

/** Whether `quota` counts `object`. One without scopes counts everything, one with scopes only pods that meet all of them. */
export function isInScope(
  quota: corev1.ResourceQuota,
  kind: Pick<ResourceType, 'group' | 'plural'>,
  object: KubeObject,
): boolean {
  const conditions = [
    ...(quota.spec?.scopes ?? []).map((scopeName) => ({ scopeName, operator: 'Exists', values: [] })),
    ...(quota.spec?.scopeSelector?.matchExpressions ?? []),
  ];
  if (conditions.length === 0) return true;
  if (kind.group === '' && kind.plural === 'pods') {
    return conditions.every((condition) => podMeets(object as corev1.Pod, condition));
  }
  return (
    kind.group === '' &&
    kind.plural === 'persistentvolumeclaims' &&
    conditions.every((condition) => claimMeets(object as corev1.PersistentVolumeClaim, condition))
  );
}

type Condition = corev1.ScopedResourceSelectorRequirement;

function podMeets({ spec }: corev1.Pod, condition: Condition): boolean {
  switch (condition.scopeName) {
    case 'Terminating':
      return spec?.activeDeadlineSeconds !== undefined;
    case 'NotTerminating':
      return spec?.activeDeadlineSeconds === undefined;
    case 'BestEffort':
      return qosClass(spec) === 'BestEffort';
    case 'NotBestEffort':
      return qosClass(spec) !== 'BestEffort';
    case 'PriorityClass':
      return compares(spec?.priorityClassName ?? '', condition);
    case 'CrossNamespacePodAffinity':
      return reachesOtherNamespaces(spec);
    default:
      return false;
  }
}

function claimMeets({ spec }: corev1.PersistentVolumeClaim, condition: Condition): boolean {
  return condition.scopeName === 'VolumeAttributesClass' && compares(spec?.volumeAttributesClassName ?? '', condition);
}

/** An absent class has no name: it only satisfies conditions that ask for none, or not for these. */
function compares(name: string, { operator, values = [] }: Condition): boolean {
  switch (operator) {
    case 'Exists':
      return name !== '';
    case 'DoesNotExist':
      return name === '';
    case 'In':
      return name !== '' && values.includes(name);
    case 'NotIn':
      return !values.includes(name);
    default:
      return false;
  }
}

function reachesOtherNamespaces(spec: corev1.PodSpec | undefined): boolean {
  return [spec?.affinity?.podAffinity, spec?.affinity?.podAntiAffinity].some((affinity) =>
    [
      ...(affinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []),
      ...(affinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map((term) => term.podAffinityTerm),
    ].some((term) => (term?.namespaces ?? []).length > 0 || term?.namespaceSelector !== undefined),
  );
}
