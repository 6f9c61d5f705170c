/** What is wrong with a pod's spec or a workload's template, besides what the schema itself refuses. */
import type { ErrorCause } from '../../../lib/errors.ts';
import { dnsLabel, dnsSubdomain, qualifiedName } from '../../../lib/name-rules.ts';
import type { corev1 } from '../../../proto/index.ts';
import { byRule, forbidden, inRange, notNegative, notSupported, required } from '../validation/field-errors.ts';
import { validateAnnotations, validateLabels } from '../validation/labels.ts';
import { validateContainers } from './containers.ts';
import { validateNames } from './dns.ts';
import { validateEphemeralContainers } from './ephemeral-containers.ts';
import { validateResources } from './resources.ts';
import { validateScheduling } from './scheduling.ts';
import { validatePodSecurity } from './security-context.ts';
import { validateVolumes } from './volumes.ts';

const MAX_INT32 = 2 ** 31 - 1;

/** Everything wrong with `spec`, which stands at `path`. */
export function validatePodSpec(spec: corev1.PodSpec | undefined, path: string): ErrorCause[] {
  if (spec === undefined) return [];
  return [
    ...validateVolumes(spec.volumes ?? [], `${path}.volumes`),
    ...validateContainers(spec, path),
    ...validateEphemeralContainers(spec, path),
    ...validateLifetime(spec, path),
    ...validateReferences(spec, path),
    ...validateNames(spec, path),
    ...validatePodSecurity(spec, path),
    ...validateScheduling(spec, path),
    ...validateResources(spec.resources, `${path}.resources`),
  ];
}

/** Everything wrong with a template, whatever it is for. */
export function validateAnyPodTemplate(template: corev1.PodTemplateSpec | undefined, path: string): ErrorCause[] {
  if (template === undefined) return [];
  const { metadata, spec } = template;
  return [
    ...validateLabels(metadata?.labels, `${path}.metadata.labels`),
    ...validateAnnotations(metadata?.annotations, `${path}.metadata.annotations`),
    ...validatePodSpec(spec, `${path}.spec`),
    ...((spec?.ephemeralContainers ?? []).length > 0
      ? [forbidden(`${path}.spec.ephemeralContainers`, 'ephemeral containers not allowed in pod template')]
      : []),
  ];
}

/** Everything wrong with the template of `kind`, whose pods must be able to run for ever. */
export function validatePodTemplate(
  template: corev1.PodTemplateSpec | undefined,
  path: string,
  kind: string,
): ErrorCause[] {
  if (template === undefined) return [];
  const spec = template.spec;
  const causes = validateAnyPodTemplate(template, path);
  if (spec?.restartPolicy !== undefined && spec.restartPolicy !== 'Always') {
    causes.push(notSupported(`${path}.spec.restartPolicy`, spec.restartPolicy, ['Always']));
  }
  if (spec?.activeDeadlineSeconds !== undefined) {
    causes.push(forbidden(`${path}.spec.activeDeadlineSeconds`, `activeDeadlineSeconds in ${kind} is not Supported`));
  }
  return causes;
}

function validateLifetime(spec: corev1.PodSpec, path: string): ErrorCause[] {
  return [
    ...inRange(`${path}.activeDeadlineSeconds`, spec.activeDeadlineSeconds, [1, MAX_INT32]),
    ...notNegative(`${path}.terminationGracePeriodSeconds`, spec.terminationGracePeriodSeconds),
  ];
}

function validateReferences(spec: corev1.PodSpec, path: string): ErrorCause[] {
  const named = ['serviceAccountName', 'nodeName', 'runtimeClassName', 'priorityClassName'] as const;
  return [
    ...named.flatMap((field) => {
      const value = spec[field] ?? '';
      return value === '' ? [] : byRule(`${path}.${field}`, value, dnsSubdomain);
    }),
    ...(spec.imagePullSecrets ?? []).flatMap((secret, i) =>
      (secret.name ?? '') === '' ? [required(`${path}.imagePullSecrets[${i}].name`)] : [],
    ),
    ...(spec.readinessGates ?? []).flatMap((gate, i) =>
      byRule(`${path}.readinessGates[${i}].conditionType`, gate.conditionType ?? '', qualifiedName),
    ),
    ...(spec.resourceClaims ?? []).flatMap((claim, i) =>
      byRule(`${path}.resourceClaims[${i}].name`, claim.name ?? '', dnsLabel),
    ),
  ];
}
