/** What is wrong with the security settings of a pod and its containers. */
import type { ErrorCause } from '../../../lib/errors.ts';
import type { corev1 } from '../../../proto/index.ts';
import { duplicate, forbidden, inRange, invalid, required } from '../validation/field-errors.ts';
import type { ContainerPlace } from './containers.ts';

const MAX_ID = 2 ** 31 - 1;
const SYSCTL = /^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$/;
const MAX_SYSCTL = 253;

/** Everything wrong with the settings of the pod's spec at `path`. */
export function validatePodSecurity(spec: corev1.PodSpec, path: string): ErrorCause[] {
  const { securityContext: context = {}, hostUsers } = spec;
  const at = `${path}.securityContext`;
  const causes = [
    ...validateIds(context, at),
    ...inRange(`${at}.fsGroup`, context.fsGroup, [0, MAX_ID]),
    ...(context.supplementalGroups ?? []).flatMap((id, i) =>
      inRange(`${at}.supplementalGroups[${i}]`, id, [0, MAX_ID]),
    ),
    ...validateProfiles(context, at),
    ...validateSysctls(spec, `${at}.sysctls`),
  ];
  if (spec.shareProcessNamespace === true && spec.hostPID === true) {
    causes.push(
      invalid(`${path}.shareProcessNamespace`, true, 'ShareProcessNamespace and HostPID cannot both be enabled'),
    );
  }
  if (hostUsers === false) {
    for (const field of ['hostNetwork', 'hostPID', 'hostIPC'] as const) {
      if (spec[field] === true) causes.push(forbidden(`${path}.${field}`, 'when `hostUsers` is false'));
    }
  }
  return causes;
}

/** Everything wrong with the settings of one container. */
export function validateContainerSecurity({ container, path, spec }: ContainerPlace): ErrorCause[] {
  const context = container.securityContext;
  if (context === undefined) return [];
  const at = `${path}.securityContext`;
  const causes = [...validateIds(context, at), ...validateProfiles(context, at)];
  if (context.allowPrivilegeEscalation === false) {
    const both = (what: string) =>
      invalid(`${at}.allowPrivilegeEscalation`, false, `cannot set \`allowPrivilegeEscalation\` to false and ${what}`);
    if (context.privileged === true) causes.push(both('`privileged` to true'));
    if (context.capabilities?.add?.some((name) => name === 'SYS_ADMIN' || name === 'CAP_SYS_ADMIN') === true) {
      causes.push(both('`capabilities.Add` CAP_SYS_ADMIN'));
    }
  }
  if (context.procMount === 'Unmasked' && spec.hostUsers !== false) {
    causes.push(invalid(`${at}.procMount`, 'Unmasked', '`hostUsers` must be false to use `Unmasked`'));
  }
  return causes;
}

function validateIds(context: corev1.SecurityContext | corev1.PodSecurityContext, path: string): ErrorCause[] {
  return [
    ...inRange(`${path}.runAsUser`, context.runAsUser, [0, MAX_ID]),
    ...inRange(`${path}.runAsGroup`, context.runAsGroup, [0, MAX_ID]),
  ];
}

function validateProfiles(context: corev1.SecurityContext | corev1.PodSecurityContext, path: string): ErrorCause[] {
  return [
    ...validateProfile('seccomp', context.seccompProfile, `${path}.seccompProfile`),
    ...validateProfile('AppArmor', context.appArmorProfile, `${path}.appArmorProfile`),
  ];
}

function validateProfile(
  what: string,
  profile: corev1.SeccompProfile | corev1.AppArmorProfile | undefined,
  path: string,
): ErrorCause[] {
  const at = `${path}.localhostProfile`;
  const file = profile?.localhostProfile;
  if (profile?.type === 'Localhost') {
    if (file === undefined || file === '') return [required(at, `must be set when ${what} type is Localhost`)];
    return file.startsWith('/') || file.split('/').includes('..')
      ? [invalid(at, file, "must be a relative path that does not contain '..'")]
      : [];
  }
  return file === undefined ? [] : [invalid(at, file, `can only be set when ${what} type is Localhost`)];
}

function validateSysctls(spec: corev1.PodSpec, path: string): ErrorCause[] {
  const seen = new Set<string>();
  const causes: ErrorCause[] = [];
  for (const [i, { name = '' }] of (spec.securityContext?.sysctls ?? []).entries()) {
    const at = `${path}[${i}].name`;
    if (name === '') continue;
    if (name.length > MAX_SYSCTL || !SYSCTL.test(name)) {
      causes.push(invalid(at, name, `must have at most ${MAX_SYSCTL} characters and match regex ${SYSCTL.source}`));
    } else if (seen.has(name)) causes.push(duplicate(at, name));
    seen.add(name);
    if (spec.hostNetwork === true && /^net[./]/.test(name))
      causes.push(invalid(at, name, 'may not be specified when `hostNetwork` is true'));
    if (spec.hostIPC === true && /^(kernel[./](shm|msg|sem)|fs[./]mqueue[./])/.test(name)) {
      causes.push(invalid(at, name, 'may not be specified when `hostIPC` is true'));
    }
  }
  return causes;
}
