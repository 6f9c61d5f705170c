/** What is wrong with a pod's wishes about its node. */
import type { ErrorCause } from '../../../lib/errors.ts';
import { labelValue, qualifiedName } from '../../../lib/name-rules.ts';
import type { corev1 } from '../../../proto/index.ts';
import { byRule, duplicate, forbidden, invalid, required } from '../validation/field-errors.ts';
import { validateLabelSelector, validateLabels } from '../validation/labels.ts';
import { validateTolerations } from './tolerations.ts';

/** Everything wrong with node selector, affinity, tolerations, spreading and gates of the spec at `path`. */
export function validateScheduling(spec: corev1.PodSpec, path: string): ErrorCause[] {
  const { affinity } = spec;
  return [
    ...validateLabels(spec.nodeSelector, `${path}.nodeSelector`),
    ...validateNodeAffinity(affinity?.nodeAffinity, `${path}.affinity.nodeAffinity`),
    ...validatePodAffinity(affinity?.podAffinity, `${path}.affinity.podAffinity`),
    ...validatePodAffinity(affinity?.podAntiAffinity, `${path}.affinity.podAntiAffinity`),
    ...validateTolerations(spec.tolerations ?? [], `${path}.tolerations`),
    ...validateSpreading(spec.topologySpreadConstraints ?? [], `${path}.topologySpreadConstraints`),
    ...validateGates(spec, path),
  ];
}

function validateNodeAffinity(affinity: corev1.NodeAffinity | undefined, path: string): ErrorCause[] {
  const needed = affinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? [];
  const wished = affinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
  const neededPath = `${path}.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms`;
  return [
    ...validateNodeTerms(needed, neededPath),
    ...wished.flatMap(({ weight, preference }, i) => {
      const at = `${path}.preferredDuringSchedulingIgnoredDuringExecution[${i}]`;
      return [...validateWeight(weight, at), ...validateNodeTerm(preference ?? {}, `${at}.preference`)];
    }),
  ];
}

/** Everything wrong with the terms of a node selector at `path`. */
export function validateNodeTerms(terms: readonly corev1.NodeSelectorTerm[], path: string): ErrorCause[] {
  return terms.flatMap((term, i) => validateNodeTerm(term, `${path}[${i}]`));
}

function validateWeight(weight: number | undefined, path: string): ErrorCause[] {
  const value = weight ?? 0;
  return value < 1 || value > 100 ? [invalid(`${path}.weight`, value, 'must be in the range 1-100')] : [];
}

function validateNodeTerm(term: corev1.NodeSelectorTerm, path: string): ErrorCause[] {
  return [
    ...(term.matchExpressions ?? []).flatMap((r, i) => validateNodeRequirement(r, `${path}.matchExpressions[${i}]`)),
    ...(term.matchFields ?? []).flatMap((r, i) => validateFieldRequirement(r, `${path}.matchFields[${i}]`)),
  ];
}

function validateNodeRequirement(requirement: corev1.NodeSelectorRequirement, path: string): ErrorCause[] {
  const { key = '', operator, values = [] } = requirement;
  const causes = key === '' ? [] : byRule(`${path}.key`, key, qualifiedName);
  switch (operator) {
    case 'In':
    case 'NotIn':
      if (values.length === 0) {
        causes.push(required(`${path}.values`, "must be specified when `operator` is 'In' or 'NotIn'"));
      }
      break;
    case 'Exists':
    case 'DoesNotExist':
      if (values.length > 0) {
        causes.push(forbidden(`${path}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"));
      }
      break;
    case 'Gt':
    case 'Lt':
      if (values.length !== 1) {
        causes.push(required(`${path}.values`, "must be specified single value when `operator` is 'Lt' or 'Gt'"));
      }
      break;
    default:
  }
  return [...causes, ...values.flatMap((value, i) => byRule(`${path}.values[${i}]`, value, labelValue))];
}

function validateFieldRequirement(requirement: corev1.NodeSelectorRequirement, path: string): ErrorCause[] {
  const { key = '', operator, values = [] } = requirement;
  const causes: ErrorCause[] = [];
  if (key !== 'metadata.name') causes.push(invalid(`${path}.key`, key, 'not a valid field selector key'));
  if (operator !== 'In' && operator !== 'NotIn') {
    causes.push(invalid(`${path}.operator`, operator, 'not a valid selector operator'));
  }
  if (values.length !== 1) {
    causes.push(
      required(`${path}.values`, "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"),
    );
  }
  return causes;
}

function validatePodAffinity(
  affinity: corev1.PodAffinity | corev1.PodAntiAffinity | undefined,
  path: string,
): ErrorCause[] {
  const needed = affinity?.requiredDuringSchedulingIgnoredDuringExecution ?? [];
  const wished = affinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
  return [
    ...needed.flatMap((term, i) =>
      validatePodTerm(term, `${path}.requiredDuringSchedulingIgnoredDuringExecution[${i}]`),
    ),
    ...wished.flatMap(({ weight, podAffinityTerm }, i) => {
      const at = `${path}.preferredDuringSchedulingIgnoredDuringExecution[${i}]`;
      return [...validateWeight(weight, at), ...validatePodTerm(podAffinityTerm ?? {}, `${at}.podAffinityTerm`)];
    }),
  ];
}

function validatePodTerm(term: corev1.PodAffinityTerm, path: string): ErrorCause[] {
  return [
    ...((term.topologyKey ?? '') === '' ? [] : byRule(`${path}.topologyKey`, term.topologyKey ?? '', qualifiedName)),
    ...validateLabelSelector(term.labelSelector, `${path}.labelSelector`),
    ...validateLabelSelector(term.namespaceSelector, `${path}.namespaceSelector`),
  ];
}

function validateSpreading(constraints: readonly corev1.TopologySpreadConstraint[], path: string): ErrorCause[] {
  const seen = new Set<string>();
  return constraints.flatMap((constraint, i) => {
    const { maxSkew = 0, minDomains, topologyKey = '', whenUnsatisfiable = '' } = constraint;
    const at = `${path}[${i}]`;
    const causes = validateLabelSelector(constraint.labelSelector, `${at}.labelSelector`);
    if (maxSkew <= 0) causes.push(invalid(`${at}.maxSkew`, maxSkew, 'must be greater than zero'));
    if (topologyKey !== '') causes.push(...byRule(`${at}.topologyKey`, topologyKey, qualifiedName));
    if (minDomains !== undefined && minDomains <= 0) {
      causes.push(invalid(`${at}.minDomains`, minDomains, 'must be greater than zero'));
    }
    if (minDomains !== undefined && whenUnsatisfiable !== 'DoNotSchedule') {
      const why = `can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ${whenUnsatisfiable}`;
      causes.push(invalid(`${at}.minDomains`, minDomains, why));
    }
    const pair = `{${topologyKey}, ${whenUnsatisfiable}}`;
    if (seen.has(pair)) causes.push(duplicate(`${at}.{topologyKey, whenUnsatisfiable}`, pair));
    seen.add(pair);
    return causes;
  });
}

function validateGates(spec: corev1.PodSpec, path: string): ErrorCause[] {
  const gates = spec.schedulingGates ?? [];
  const seen = new Set<string>();
  const causes = gates.flatMap(({ name = '' }, i) => {
    const at = `${path}.schedulingGates[${i}]`;
    const isTwice = seen.has(name);
    seen.add(name);
    return [...(name === '' ? [] : byRule(at, name, qualifiedName)), ...(isTwice ? [duplicate(at, name)] : [])];
  });
  if (gates.length > 0 && (spec.nodeName ?? '') !== '') {
    causes.push(forbidden(`${path}.nodeName`, 'cannot be set until all schedulingGates have been cleared'));
  }
  return causes;
}
