/** The restricted standard: the baseline, and what a pod must give up by itself. */
import type { corev1 } from '../../../../proto/index.ts';
import { badSeccomp, baselineCapabilities, baselineSeccomp, confines, hostPathVolumes } from './baseline-checks.ts';
import { containerNames, containersOf, type PodCheck, plural, quoted, setters, sortedSet, violation } from './check.ts';

const ALLOWED_VOLUMES: ReadonlySet<string> = new Set([
  'configMap',
  'csi',
  'downwardAPI',
  'emptyDir',
  'ephemeral',
  'persistentVolumeClaim',
  'projected',
  'secret',
]);
/** Pods of other systems are spared what only Linux has, from this version on. */
const WINDOWS_SPARED_SINCE = 25;

function isSpared(spec: corev1.PodSpec, minor: number): boolean {
  return minor >= WINDOWS_SPARED_SINCE && spec.os?.name === 'windows';
}

const allowPrivilegeEscalation: PodCheck = {
  level: 'restricted',
  since: 8,
  find: ({ spec, minor }) => {
    if (isSpared(spec, minor)) return undefined;
    const who = setters(
      false,
      containersOf(spec).filter((container) => container.securityContext?.allowPrivilegeEscalation !== false),
    );
    const detail = `${who} must set securityContext.allowPrivilegeEscalation=false`;
    return violation(who, 'allowPrivilegeEscalation != false', detail);
  },
};

const restrictedCapabilities: PodCheck = {
  level: 'restricted',
  since: 22,
  replaces: baselineCapabilities,
  find: ({ spec, minor }) => {
    if (isSpared(spec, minor)) return undefined;
    const keeping = containersOf(spec).filter(
      (container) => !(container.securityContext?.capabilities?.drop ?? []).includes('ALL'),
    );
    const added = (container: corev1.Container): string[] =>
      (container.securityContext?.capabilities?.add ?? []).filter((name) => name !== 'NET_BIND_SERVICE');
    const adding = containersOf(spec).filter((container) => added(container).length > 0);
    const names = quoted(sortedSet(adding.flatMap(added)));
    const details = [
      ...(keeping.length === 0
        ? []
        : [`${containerNames(keeping)} must set securityContext.capabilities.drop=["ALL"]`]),
      ...(adding.length === 0
        ? []
        : [`${containerNames(adding)} must not include ${names} in securityContext.capabilities.add`]),
    ].join('; ');
    return violation(details, 'unrestricted capabilities', details);
  },
};

const restrictedVolumes: PodCheck = {
  level: 'restricted',
  replaces: hostPathVolumes,
  find: ({ spec }) => {
    const typeOf = (volume: corev1.Volume): string =>
      Object.keys(volume).find((key) => key !== 'name' && volume[key as keyof corev1.Volume] !== undefined) ??
      'unknown';
    const bad = (spec.volumes ?? []).filter((volume) => !ALLOWED_VOLUMES.has(typeOf(volume)));
    const names = bad.map(({ name = '' }) => name);
    const types = sortedSet(bad.map(typeOf));
    const detail =
      `${plural(names.length, 'volume', 'volumes')} ${quoted(names)} ${plural(names.length, 'uses', 'use')} restricted ` +
      `volume ${plural(types.length, 'type', 'types')} ${quoted(types)}`;
    return violation(names.join(), 'restricted volume types', detail);
  },
};

const runAsNonRoot: PodCheck = {
  level: 'restricted',
  find: ({ spec }) => {
    const ofPod = spec.securityContext?.runAsNonRoot;
    const containers = containersOf(spec);
    const reason = 'runAsNonRoot != true';
    const saying = setters(
      ofPod === false,
      containers.filter((container) => container.securityContext?.runAsNonRoot === false),
    );
    if (saying !== '') return { reason, detail: `${saying} must not set securityContext.runAsNonRoot=false` };
    const silent = containers.filter((container) => container.securityContext?.runAsNonRoot === undefined);
    if (ofPod === true || silent.length === 0) return undefined;
    return { reason, detail: `pod or ${containerNames(silent)} must set securityContext.runAsNonRoot=true` };
  },
};

const runAsUser: PodCheck = {
  level: 'restricted',
  since: 23,
  find: ({ spec }) => {
    const who = setters(
      spec.securityContext?.runAsUser === 0,
      containersOf(spec).filter((container) => container.securityContext?.runAsUser === 0),
    );
    return violation(who, 'runAsUser=0', `${who} must not set runAsUser=0`);
  },
};

const restrictedSeccomp: PodCheck = {
  level: 'restricted',
  since: 19,
  replaces: baselineSeccomp,
  find: ({ spec, minor }) => {
    if (isSpared(spec, minor)) return undefined;
    const bad = badSeccomp(spec);
    if (bad !== undefined || confines(spec.securityContext?.seccompProfile)) return bad;
    const silent = containersOf(spec).filter((container) => container.securityContext?.seccompProfile === undefined);
    if (silent.length === 0) return undefined;
    const must = 'must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"';
    return { reason: 'seccompProfile', detail: `pod or ${containerNames(silent)} ${must}` };
  },
};

/** In the order in which they are reported, after those of the baseline. */
export const RESTRICTED_CHECKS: readonly PodCheck[] = [
  allowPrivilegeEscalation,
  restrictedCapabilities,
  restrictedVolumes,
  runAsNonRoot,
  runAsUser,
  restrictedSeccomp,
];
