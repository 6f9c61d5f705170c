/** What is wrong with a pod's volumes. */
import type { ErrorCause } from '../../../lib/errors.ts';
import { dnsLabel } from '../../../lib/name-rules.ts';
import { parseQuantity } from '../../../lib/quantity.ts';
import type { corev1 } from '../../../proto/index.ts';
import { validateClaimSpec } from '../claim-spec.ts';
import { byRule, forbidden, notSupported, required, unique } from '../validation/field-errors.ts';
import { validateAnnotations, validateLabels } from '../validation/labels.ts';
import { localPath, validateFileMode } from '../validation/texts.ts';
import { validateDriverName, validateSharedSources } from '../volume-sources.ts';
import { validateObjectName } from './env.ts';
import { validateProjected } from './projected-volumes.ts';
import { validateFactFiles, validateKeyFiles } from './volume-files.ts';

const MEDIA = ['', 'Memory'];

/** Everything wrong with the volumes at `path`. */
export function validateVolumes(volumes: readonly corev1.Volume[], path: string): ErrorCause[] {
  return [
    ...volumes.flatMap((volume, i) => validateVolume(volume, `${path}[${i}]`)),
    ...unique(
      volumes.map((volume) => volume.name),
      (i) => `${path}[${i}].name`,
    ),
  ];
}

function validateVolume(volume: corev1.Volume, path: string): ErrorCause[] {
  const { name = '', emptyDir, configMap, secret, downwardAPI, projected, csi, ephemeral, gitRepo } = volume;
  const causes = name === '' ? [] : byRule(`${path}.name`, name, dnsLabel);
  for (const source of sourcesOf(volume).slice(1)) {
    causes.push(forbidden(`${path}.${source}`, 'may not specify more than 1 volume type'));
  }
  if (emptyDir !== undefined) causes.push(...validateEmptyDir(emptyDir, `${path}.emptyDir`));
  causes.push(...validateSharedSources(volume, path));
  if (configMap !== undefined) {
    causes.push(...validateObjectName(configMap.name, `${path}.configMap.name`));
    causes.push(...validateKeyFiles(configMap, `${path}.configMap`));
  }
  if (secret !== undefined) {
    if ((secret.secretName ?? '') === '') causes.push(required(`${path}.secret.secretName`));
    causes.push(...validateKeyFiles(secret, `${path}.secret`));
  }
  if (downwardAPI !== undefined) {
    causes.push(...validateFileMode(`${path}.downwardAPI.defaultMode`, downwardAPI.defaultMode));
    causes.push(...validateFactFiles(downwardAPI.items ?? [], `${path}.downwardAPI.items`));
  }
  if (projected !== undefined) causes.push(...validateProjected(projected, `${path}.projected`));
  if (gitRepo?.directory !== undefined)
    causes.push(...byRule(`${path}.gitRepo.directory`, gitRepo.directory, localPath));
  if (csi !== undefined) {
    causes.push(...validateDriverName(csi.driver, `${path}.csi.driver`));
    if (csi.nodePublishSecretRef !== undefined && (csi.nodePublishSecretRef.name ?? '') === '')
      causes.push(required(`${path}.csi.nodePublishSecretRef.name`));
  }
  if (ephemeral?.volumeClaimTemplate !== undefined)
    causes.push(...validateClaimTemplate(ephemeral.volumeClaimTemplate, `${path}.ephemeral.volumeClaimTemplate`));
  return causes;
}

function validateClaimTemplate(template: corev1.PersistentVolumeClaimTemplate, path: string): ErrorCause[] {
  return [
    ...validateLabels(template.metadata?.labels, `${path}.metadata.labels`),
    ...validateAnnotations(template.metadata?.annotations, `${path}.metadata.annotations`),
    ...validateClaimSpec(template.spec ?? {}, `${path}.spec`),
  ];
}

/** The sources a volume names, in the order of its fields. */
export function sourcesOf(volume: corev1.Volume): string[] {
  return Object.entries(volume)
    .filter(([key, value]) => key !== 'name' && key !== '_unknownFields' && value !== undefined)
    .map(([key]) => key);
}

function validateEmptyDir({ medium = '', sizeLimit }: corev1.EmptyDirVolumeSource, path: string): ErrorCause[] {
  const causes: ErrorCause[] = [];
  if (!MEDIA.includes(medium) && !medium.startsWith('HugePages'))
    causes.push(notSupported(`${path}.medium`, medium, MEDIA));
  if (sizeLimit !== undefined && (parseQuantity(sizeLimit)?.nano ?? 0n) < 0n) {
    causes.push(forbidden(`${path}.sizeLimit`, 'SizeLimit field must be a valid resource quantity'));
  }
  return causes;
}
