/** Kubernetes' defaults of volumes. */
import type { corev1 } from '../../../proto/index.ts';
import { defaultClaimSpec } from '../claim-spec.ts';
import { defaultPullPolicy } from './container-defaults.ts';
import { sourcesOf } from './volumes.ts';

const FILE_MODE = 0o644;
const TOKEN_SECONDS = 3600;

/** Fills in a volume. One without a source is an empty folder. */
export function defaultVolume(volume: corev1.Volume): void {
  const { configMap, secret, downwardAPI, projected, image, ephemeral } = volume;
  if (sourcesOf(volume).length === 0) volume.emptyDir = {};
  if (configMap !== undefined) configMap.defaultMode ??= FILE_MODE;
  if (secret !== undefined) secret.defaultMode ??= FILE_MODE;
  if (downwardAPI !== undefined) {
    downwardAPI.defaultMode ??= FILE_MODE;
    defaultFieldRefs(downwardAPI.items);
  }
  if (projected !== undefined) defaultProjected(projected);
  if (image !== undefined) image.pullPolicy ??= defaultPullPolicy(image.reference ?? '');
  if (ephemeral?.volumeClaimTemplate?.spec !== undefined) defaultClaimSpec(ephemeral.volumeClaimTemplate.spec);
  defaultVolumeSource(volume);
}

function defaultProjected(projected: corev1.ProjectedVolumeSource): void {
  projected.defaultMode ??= FILE_MODE;
  for (const { serviceAccountToken, downwardAPI } of projected.sources ?? []) {
    if (serviceAccountToken !== undefined) serviceAccountToken.expirationSeconds ??= TOKEN_SECONDS;
    defaultFieldRefs(downwardAPI?.items);
  }
}

function defaultFieldRefs(items: readonly corev1.DownwardAPIVolumeFile[] | undefined): void {
  for (const { fieldRef } of items ?? []) {
    if (fieldRef !== undefined) fieldRef.apiVersion ??= 'v1';
  }
}

/** Fills in the sources that volumes of pods and persistent volumes have in common. */
export function defaultVolumeSource(sources: corev1.Volume | corev1.PersistentVolumeSpec): void {
  const { azureDisk, hostPath, iscsi, rbd, scaleIO } = sources;
  if (hostPath !== undefined) hostPath.type ??= '';
  if (iscsi !== undefined) iscsi.iscsiInterface ??= 'default';
  if (rbd !== undefined) {
    rbd.pool ??= 'rbd';
    rbd.user ??= 'admin';
    rbd.keyring ??= '/etc/ceph/keyring';
  }
  if (azureDisk !== undefined) {
    azureDisk.cachingMode ??= 'ReadWrite';
    azureDisk.kind ??= 'Shared';
    azureDisk.fsType ??= 'ext4';
    azureDisk.readOnly ??= false;
  }
  if (scaleIO !== undefined) {
    scaleIO.storageMode ??= 'ThinProvisioned';
    scaleIO.fsType ??= 'xfs';
  }
}
