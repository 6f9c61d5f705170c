/** What is wrong with the mounts and devices of a container. */
import type { ErrorCause } from '../../../lib/errors.ts';
import type { corev1 } from '../../../proto/index.ts';
import { byRule, forbidden, invalid, notFound } from '../validation/field-errors.ts';
import { localPath } from '../validation/texts.ts';
import type { ContainerPlace } from './containers.ts';

/** Everything wrong with the container's volume mounts and devices. */
export function validateVolumeMounts(place: ContainerPlace): ErrorCause[] {
  const { container, path, spec } = place;
  const volumes = new Set((spec.volumes ?? []).map((volume) => volume.name));
  const devices = container.volumeDevices ?? [];
  const paths = new Set<string>();
  const causes: ErrorCause[] = [];
  for (const [i, mount] of (container.volumeMounts ?? []).entries()) {
    const at = `${path}.volumeMounts[${i}]`;
    const { name = '', mountPath = '' } = mount;
    if (name !== '' && !volumes.has(name)) causes.push(notFound(`${at}.name`, name));
    if (paths.has(mountPath)) causes.push(invalid(`${at}.mountPath`, mountPath, 'must be unique'));
    if (devices.some((device) => device.name === name))
      causes.push(invalid(`${at}.name`, name, 'must not already exist in volumeDevices'));
    paths.add(mountPath);
    causes.push(...validateMount(mount, container.securityContext, at));
  }
  return [...causes, ...validateDevices(place, paths)];
}

/** A device is a claimed volume as it is, at a path of its own. */
function validateDevices({ container, path, spec }: ContainerPlace, mountPaths: ReadonlySet<string>): ErrorCause[] {
  const names = new Set<string>();
  const paths = new Set<string>();
  return (container.volumeDevices ?? []).flatMap(({ name = '', devicePath = '' }, i) => {
    const at = `${path}.volumeDevices[${i}]`;
    const causes: ErrorCause[] = [];
    const volume = spec.volumes?.find((one) => one.name === name);
    if (names.has(name)) causes.push(invalid(`${at}.name`, name, 'must be unique'));
    if (name !== '' && volume === undefined) causes.push(notFound(`${at}.name`, name));
    if (volume !== undefined && volume.persistentVolumeClaim === undefined && volume.ephemeral === undefined) {
      const why = 'can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode';
      causes.push(invalid(`${at}.name`, name, why));
    }
    if (paths.has(devicePath)) causes.push(invalid(`${at}.devicePath`, devicePath, 'must be unique'));
    if (devicePath.split('/').includes('..'))
      causes.push(invalid(`${at}.devicePath`, devicePath, "can not contain backsteps ('..')"));
    if (mountPaths.has(devicePath))
      causes.push(invalid(`${at}.devicePath`, devicePath, 'must not already exist as a path in volumeMounts'));
    names.add(name);
    paths.add(devicePath);
    return causes;
  });
}

function validateMount(
  mount: corev1.VolumeMount,
  security: corev1.SecurityContext | undefined,
  path: string,
): ErrorCause[] {
  const { subPath = '', subPathExpr = '', mountPropagation, recursiveReadOnly, readOnly } = mount;
  const causes: ErrorCause[] = [];
  if (subPath !== '') causes.push(...byRule(`${path}.subPath`, subPath, localPath));
  if (subPathExpr !== '') causes.push(...byRule(`${path}.subPathExpr`, subPathExpr, localPath));
  if (subPath !== '' && subPathExpr !== '') {
    causes.push(invalid(`${path}.subPathExpr`, subPathExpr, 'subPathExpr and subPath are mutually exclusive'));
  }
  if (mountPropagation === 'Bidirectional' && security?.privileged !== true) {
    const why = 'Bidirectional mount propagation is available only to privileged containers';
    causes.push(forbidden(`${path}.mountPropagation`, why));
  }
  if (recursiveReadOnly !== undefined && recursiveReadOnly !== 'Disabled' && readOnly !== true) {
    causes.push(forbidden(`${path}.recursiveReadOnly`, 'may only be specified when readOnly is true'));
  }
  return causes;
}
