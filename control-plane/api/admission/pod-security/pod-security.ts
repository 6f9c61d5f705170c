import { isDeepStrictEqual } from 'node:util';
import { type corev1, KINDS, type metav1 } from '../../../../proto/index.ts';
import { forbidden, invalid } from '../../api-errors.ts';
import { objectKey } from '../../keys.ts';
import type { ApiServices } from '../../services.ts';
import type { AdmissionRequest, AdmissionStep } from '../admission-step.ts';
import { policyObjects } from '../policy-objects.ts';
import { detailText, reasonText, violationsOf } from './evaluate.ts';
import { isStricter, type LevelVersion, labelProblems, policyOf, policyText } from './levels.ts';
import { type PodParts, templateOf } from './pod-template.ts';

/** Most existing pods looked at when a namespace becomes stricter, as in Kubernetes. */
const MAX_EXISTING_PODS = 3_000;
const MIRROR_ANNOTATION = 'kubernetes.io/config.mirror';

/** Where violations in mode `audit` are written down. */
export interface AuditLog {
  info(fields: object, message: string): void;
}

/**
 * Holds pods to the Pod Security Standard that labels of their namespace name: refuses them (enforce), warns (warn), or logs
 * (audit). Workloads are never refused for their templates, only warned of and logged. A namespace that becomes stricter is
 * told which of its pods would not be let in any more.
 */
export function podSecurity(log: AuditLog): AdmissionStep {
  return (request, services) => {
    const { messageName } = request.definition.type;
    if (messageName === KINDS.Namespace.messageName) {
      if (request.subresource === '') checkNamespace(request, services);
    } else if (messageName === KINDS.Pod.messageName) {
      checkPod(request, services, log);
    } else {
      const template = request.subresource === '' ? templateOf(messageName, request.object) : undefined;
      if (template !== undefined) tell(request, labelsOf(request, services), { pod: template, log });
    }
  };
}

type Labels = metav1.ObjectMeta['labels'];

function labelsOf({ namespace }: AdmissionRequest, services: ApiServices): Labels {
  return services.cache.get(objectKey(KINDS.Namespace, undefined, namespace))?.object?.metadata?.labels;
}

function checkPod(request: AdmissionRequest, services: ApiServices, log: AuditLog): void {
  const { definition, subresource, name, old } = request;
  if (subresource !== '' && subresource !== 'ephemeralcontainers') return;
  const pod = request.object as corev1.Pod;
  if (pod.spec === undefined || (old !== undefined && !isSignificant(pod, old as corev1.Pod))) return;
  const labels = labelsOf(request, services);
  if (labels === undefined) return;
  const parts = { metadata: pod.metadata ?? {}, spec: pod.spec };
  const policy = policyOf(labels, 'enforce');
  const violations = violationsOf(parts.metadata, parts.spec, policy);
  if (violations.length > 0) {
    throw forbidden(definition.type, name, `violates PodSecurity "${policyText(policy)}": ${detailText(violations)}`);
  }
  tell(request, labels, { pod: parts, log });
}

/** Labels, annotations that mean nothing here, and tolerations may change without a pod being looked at again. */
function isSignificant(pod: corev1.Pod, old: corev1.Pod): boolean {
  return (
    !isDeepStrictEqual(pod.metadata?.annotations ?? {}, old.metadata?.annotations ?? {}) ||
    !isDeepStrictEqual(pod.spec?.containers, old.spec?.containers) ||
    !isDeepStrictEqual(pod.spec?.initContainers, old.spec?.initContainers) ||
    !isDeepStrictEqual(pod.spec?.ephemeralContainers, old.spec?.ephemeralContainers)
  );
}

function tell(
  { definition, namespace, name, caller, warn }: AdmissionRequest,
  labels: Labels,
  { pod, log }: { readonly pod: PodParts; readonly log: AuditLog },
): void {
  for (const mode of ['audit', 'warn'] as const) {
    const policy = policyOf(labels, mode);
    const violations = violationsOf(pod.metadata, pod.spec, policy);
    if (violations.length === 0) continue;
    const text = `would violate PodSecurity "${policyText(policy)}": ${detailText(violations)}`;
    if (mode === 'warn') warn?.(text);
    else {
      const { kind } = definition.type;
      log.info({ kind, namespace, name, user: caller.user, violations: text }, 'pod security audit');
    }
  }
}

function checkNamespace({ definition, name, object, old, warn }: AdmissionRequest, services: ApiServices): void {
  const labels = object.metadata?.labels;
  const before = old?.metadata?.labels;
  const problems = labelProblems(labels, before);
  if (problems.length > 0) throw invalid(definition.type, name, problems);
  if (old === undefined) return;
  const policy = policyOf(labels, 'enforce');
  if (!isStricter(policy, policyOf(before, 'enforce'))) return;
  for (const line of existingViolations(name, policyObjects(services, KINDS.Pod, name), policy)) warn?.(line);
}

/** What a namespace is told that becomes stricter: pods with the same violations share a line. */
export function existingViolations(namespace: string, pods: readonly corev1.Pod[], policy: LevelVersion): string[] {
  const byReason = new Map<string, string[]>();
  const looked = pods.slice(0, MAX_EXISTING_PODS);
  for (const { metadata = {}, spec = {}, status } of looked) {
    const hasEnded = status?.phase === 'Succeeded' || status?.phase === 'Failed';
    if (hasEnded || metadata.annotations?.[MIRROR_ANNOTATION] !== undefined) continue;
    const reasons = reasonText(violationsOf(metadata, spec, policy));
    if (reasons !== '') byReason.set(reasons, [...(byReason.get(reasons) ?? []), metadata.name ?? '']);
  }
  if (byReason.size === 0) return [];
  const lines = [...byReason].map(([reasons, names]) => {
    const others = names.length - 1;
    const more = others === 0 ? '' : ` (and ${others} other ${others === 1 ? 'pod' : 'pods'})`;
    return `${[...names].sort()[0] ?? ''}${more}: ${reasons}`;
  });
  const level = policyText(policy);
  const left = pods.length - looked.length;
  return [
    `existing pods in namespace ${JSON.stringify(namespace)} violate the new PodSecurity enforce level ${JSON.stringify(level)}`,
    ...lines.sort(),
    ...(left === 0
      ? []
      : [
          `new PodSecurity enforce level only checked against the first ${looked.length} of ${pods.length} existing pods`,
        ]),
  ];
}
