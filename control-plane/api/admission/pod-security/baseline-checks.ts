/** The baseline standard: what keeps a pod from reaching the node by ways that are known. */
import type { corev1 } from '../../../../proto/index.ts';
import {
  type CheckedPod,
  containersOf,
  type PodCheck,
  plural,
  quoted,
  setters,
  sortedSet,
  violation,
} from './check.ts';

const APPARMOR_PREFIX = 'container.apparmor.security.beta.kubernetes.io/';
const SELINUX_TYPES: ReadonlySet<string> = new Set(['', 'container_t', 'container_init_t', 'container_kvm_t']);
/** SELinux type that came later, with its version. */
const SELINUX_ENGINE_SINCE = 31;
const DEFAULT_CAPABILITIES: ReadonlySet<string> = new Set([
  'AUDIT_WRITE',
  'CHOWN',
  'DAC_OVERRIDE',
  'FOWNER',
  'FSETID',
  'KILL',
  'MKNOD',
  'NET_BIND_SERVICE',
  'SETFCAP',
  'SETGID',
  'SETPCAP',
  'SETUID',
  'SYS_CHROOT',
]);
/** Sysctls that stay within the pod, with the version since when each counts as such. */
const SAFE_SYSCTLS: ReadonlyMap<string, number> = new Map([
  ['kernel.shm_rmid_forced', 0],
  ['net.ipv4.ip_local_port_range', 0],
  ['net.ipv4.tcp_syncookies', 0],
  ['net.ipv4.ping_group_range', 0],
  ['net.ipv4.ip_unprivileged_port_start', 0],
  ['net.ipv4.ip_local_reserved_ports', 27],
  ['net.ipv4.tcp_keepalive_time', 29],
  ['net.ipv4.tcp_fin_timeout', 29],
  ['net.ipv4.tcp_keepalive_intvl', 29],
  ['net.ipv4.tcp_keepalive_probes', 29],
  ['net.ipv4.tcp_rmem', 32],
  ['net.ipv4.tcp_wmem', 32],
]);

/** Whether a seccomp profile is one of those that confine. */
export function confines(profile: corev1.SeccompProfile | undefined): boolean {
  return profile?.type === 'RuntimeDefault' || profile?.type === 'Localhost';
}

const appArmorProfile: PodCheck = {
  level: 'baseline',
  find: ({ metadata, spec }) => {
    const annotations = Object.entries(metadata.annotations ?? {})
      .filter(([key, value]) => key.startsWith(APPARMOR_PREFIX) && !isAllowedAppArmor(value))
      .map(([key, value]) => `${quoted([key])}=${quoted([value])}`);
    const isUnconfined = (context: { appArmorProfile?: corev1.AppArmorProfile | undefined } | undefined): boolean =>
      context?.appArmorProfile?.type === 'Unconfined';
    const who = setters(
      isUnconfined(spec.securityContext),
      containersOf(spec).filter((container) => isUnconfined(container.securityContext)),
    );
    const details = [
      ...(who === '' ? [] : [`${who} must not set AppArmor profile type to "Unconfined"`]),
      ...(annotations.length === 0
        ? []
        : [`${plural(annotations.length, 'annotation', 'annotations')} ${annotations.sort().join(', ')}`]),
    ];
    const reason = plural(details.length, 'forbidden AppArmor profile', 'forbidden AppArmor profiles');
    return violation(details.join(''), reason, details.join(' and '));
  },
};

function isAllowedAppArmor(profile: string): boolean {
  return profile === '' || profile === 'runtime/default' || profile.startsWith('localhost/');
}

/** Capabilities beyond those every container has anyway. */
export const baselineCapabilities: PodCheck = {
  level: 'baseline',
  find: ({ spec }) => {
    const added = (container: corev1.Container): string[] =>
      (container.securityContext?.capabilities?.add ?? []).filter((name) => !DEFAULT_CAPABILITIES.has(name));
    const bad = containersOf(spec).filter((container) => added(container).length > 0);
    const names = quoted(sortedSet(bad.flatMap(added)));
    const who = setters(false, bad);
    return violation(
      who,
      'non-default capabilities',
      `${who} must not include ${names} in securityContext.capabilities.add`,
    );
  },
};

const hostNamespaces: PodCheck = {
  level: 'baseline',
  find: ({ spec }) => {
    const shared = (['hostNetwork', 'hostPID', 'hostIPC'] as const).filter((name) => spec[name] === true);
    const list = shared.map((name) => `${name}=true`).join(', ');
    return violation(list, 'host namespaces', list);
  },
};

/** Folders of the node. */
export const hostPathVolumes: PodCheck = {
  level: 'baseline',
  find: ({ spec }) => {
    const names = (spec.volumes ?? []).filter((volume) => volume.hostPath !== undefined).map(({ name = '' }) => name);
    const detail = `${plural(names.length, 'volume', 'volumes')} ${quoted(names)}`;
    return violation(names.join(), 'hostPath volumes', detail);
  },
};

const hostPorts: PodCheck = {
  level: 'baseline',
  find: ({ spec }) => {
    const portsOf = (container: corev1.Container): string[] =>
      (container.ports ?? []).flatMap(({ hostPort = 0 }) => (hostPort === 0 ? [] : [String(hostPort)]));
    const bad = containersOf(spec).filter((container) => portsOf(container).length > 0);
    const ports = sortedSet(bad.flatMap(portsOf));
    const who = setters(false, bad);
    const what = `${plural(bad.length, 'uses', 'use')} ${plural(ports.length, 'hostPort', 'hostPorts')} ${ports.join(', ')}`;
    return violation(who, 'hostPort', `${who} ${what}`);
  },
};

const hostProbes: PodCheck = {
  level: 'baseline',
  since: 34,
  find: ({ spec }) => {
    const hostsOf = ({ livenessProbe, readinessProbe, startupProbe, lifecycle }: corev1.Container): string[] =>
      [livenessProbe, readinessProbe, startupProbe, lifecycle?.postStart, lifecycle?.preStop].flatMap((handler) =>
        [handler?.httpGet?.host ?? '', handler?.tcpSocket?.host ?? ''].filter((host) => host !== ''),
      );
    const bad = containersOf(spec).filter((container) => hostsOf(container).length > 0);
    const hosts = sortedSet(bad.flatMap(hostsOf));
    const who = setters(false, bad);
    const noun = plural(hosts.length, 'probe or lifecycle host', 'probe or lifecycle hosts');
    return violation(
      who,
      'probe or lifecycle host',
      `${who} ${plural(bad.length, 'uses', 'use')} ${noun} ${quoted(hosts)}`,
    );
  },
};

const privileged: PodCheck = {
  level: 'baseline',
  find: ({ spec }) => {
    const who = setters(
      false,
      containersOf(spec).filter((container) => container.securityContext?.privileged === true),
    );
    return violation(who, 'privileged', `${who} must not set securityContext.privileged=true`);
  },
};

const procMount: PodCheck = {
  level: 'baseline',
  find: ({ spec }) => {
    const mountOf = (container: corev1.Container): string => container.securityContext?.procMount ?? 'Default';
    const bad = containersOf(spec).filter((container) => mountOf(container) !== 'Default');
    const who = setters(false, bad);
    const values = quoted(sortedSet(bad.map(mountOf)));
    return violation(who, 'procMount', `${who} must not set securityContext.procMount to ${values}`);
  },
};

const seLinuxOptions: PodCheck = {
  level: 'baseline',
  find: ({ spec, minor }) => {
    const isAllowedType = (type: string): boolean =>
      SELINUX_TYPES.has(type) || (type === 'container_engine_t' && minor >= SELINUX_ENGINE_SINCE);
    const isBad = (options: corev1.SELinuxOptions | undefined): boolean =>
      options !== undefined &&
      (!isAllowedType(options.type ?? '') || (options.user ?? '') !== '' || (options.role ?? '') !== '');
    const containers = containersOf(spec).filter((container) => isBad(container.securityContext?.seLinuxOptions));
    const ofPod = isBad(spec.securityContext?.seLinuxOptions) ? spec.securityContext?.seLinuxOptions : undefined;
    const bad = [ofPod, ...containers.map((container) => container.securityContext?.seLinuxOptions)];
    const types = sortedSet(bad.map((options) => options?.type ?? '').filter((type) => !isAllowedType(type)));
    const details = [
      ...(types.length === 0 ? [] : [`${plural(types.length, 'type', 'types')} ${quoted(types)}`]),
      ...(bad.some((options) => (options?.user ?? '') !== '') ? ['user may not be set'] : []),
      ...(bad.some((options) => (options?.role ?? '') !== '') ? ['role may not be set'] : []),
    ];
    const who = setters(ofPod !== undefined, containers);
    return violation(
      who,
      'seLinuxOptions',
      `${who} set forbidden securityContext.seLinuxOptions: ${details.join('; ')}`,
    );
  },
};

/** Pods that say that they want no system call filter. */
export const baselineSeccomp: PodCheck = {
  level: 'baseline',
  since: 19,
  find: ({ spec }) => badSeccomp(spec),
};

/** Who sets a seccomp profile that does not confine. */
export function badSeccomp(spec: corev1.PodSpec) {
  const isBad = (profile: corev1.SeccompProfile | undefined): boolean => profile !== undefined && !confines(profile);
  const ofPod = spec.securityContext?.seccompProfile;
  const containers = containersOf(spec).filter((container) => isBad(container.securityContext?.seccompProfile));
  const profiles = [...(isBad(ofPod) ? [ofPod] : []), ...containers.map((c) => c.securityContext?.seccompProfile)];
  const values = quoted(sortedSet(profiles.map((profile) => profile?.type ?? '')));
  const who = setters(isBad(ofPod), containers);
  return violation(who, 'seccompProfile', `${who} must not set securityContext.seccompProfile.type to ${values}`);
}

const sysctls: PodCheck = {
  level: 'baseline',
  find: ({ spec, minor }) => {
    const isSafe = (name: string): boolean => {
      const since = SAFE_SYSCTLS.get(name);
      return since !== undefined && since <= minor;
    };
    const bad = (spec.securityContext?.sysctls ?? []).map(({ name = '' }) => name).filter((name) => !isSafe(name));
    return violation(bad.join(), 'forbidden sysctls', bad.join(', '));
  },
};

const windowsHostProcess: PodCheck = {
  level: 'baseline',
  find: ({ spec }: CheckedPod) => {
    const who = setters(
      spec.securityContext?.windowsOptions?.hostProcess === true,
      containersOf(spec).filter((container) => container.securityContext?.windowsOptions?.hostProcess === true),
    );
    return violation(who, 'hostProcess', `${who} must not set securityContext.windowsOptions.hostProcess=true`);
  },
};

/** In the order in which they are reported. */
export const BASELINE_CHECKS: readonly PodCheck[] = [
  appArmorProfile,
  baselineCapabilities,
  hostNamespaces,
  hostPathVolumes,
  hostPorts,
  hostProbes,
  privileged,
  procMount,
  seLinuxOptions,
  baselineSeccomp,
  sysctls,
  windowsHostProcess,
];
