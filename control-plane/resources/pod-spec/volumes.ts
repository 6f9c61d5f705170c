/** What is wrong with a pod's volumes. */
import type { ErrorCause } from '../../../lib/errors.ts';
import { dnsLabel } from '../../../lib/name-rules.ts';
import { parseQuantity } from '../../../lib/quantity.ts';
import type { corev1 } from '../../../proto/index.ts';
import { validateClaimSpec } from '../claim-spec.ts';
import { byRule, forbidden, invalid, notSupported, required, unique } from '../validation/field-errors.ts';
import { validateAnnotations, validateLabels } from '../validation/labels.ts';
import { configKey, localPath, validateFileMode } from '../validation/texts.ts';
import { validateDriverName, validateSharedSources } from '../volume-sources.ts';
import { validateFieldRef, validateObjectName, validateResourceRef } from './env.ts';

const MEDIA = ['', 'Memory'];
const MIN_TOKEN_SECONDS = 600;

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
    causes.push(...validateFiles(configMap, `${path}.configMap`));
  }
  if (secret !== undefined) {
    if ((secret.secretName ?? '') === '') causes.push(required(`${path}.secret.secretName`));
    causes.push(...validateFiles(secret, `${path}.secret`));
  }
  if (downwardAPI !== undefined) {
    causes.push(...validateFileMode(`${path}.downwardAPI.defaultMode`, downwardAPI.defaultMode));
    causes.push(...validateDownward(downwardAPI.items ?? [], `${path}.downwardAPI.items`));
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

interface Files {
  readonly defaultMode?: number | undefined;
  readonly items?: readonly corev1.KeyToPath[] | undefined;
}

function validateFiles({ defaultMode, items }: Files, path: string): ErrorCause[] {
  return [
    ...validateFileMode(`${path}.defaultMode`, defaultMode),
    ...(items ?? []).flatMap((item, i) => {
      const at = `${path}.items[${i}]`;
      return [
        ...((item.key ?? '') === '' ? [] : byRule(`${at}.key`, item.key ?? '', configKey)),
        ...((item.path ?? '') === '' ? [] : byRule(`${at}.path`, item.path ?? '', localPath)),
        ...validateFileMode(`${at}.mode`, item.mode),
      ];
    }),
  ];
}

function validateDownward(items: readonly corev1.DownwardAPIVolumeFile[], path: string): ErrorCause[] {
  return items.flatMap(({ path: file = '', fieldRef, resourceFieldRef, mode }, i) => {
    const at = `${path}[${i}]`;
    const causes = [
      ...(file === '' ? [] : byRule(`${at}.path`, file, localPath)),
      ...validateFileMode(`${at}.mode`, mode),
    ];
    if (fieldRef === undefined && resourceFieldRef === undefined) {
      causes.push(required(at, 'one of fieldRef and resourceFieldRef is required'));
    }
    if (fieldRef !== undefined && resourceFieldRef !== undefined) {
      causes.push(invalid(at, 'resource', 'fieldRef and resourceFieldRef can not be specified simultaneously'));
    }
    if (fieldRef !== undefined) causes.push(...validateFieldRef(fieldRef, `${at}.fieldRef`, 'volume'));
    if (resourceFieldRef !== undefined) {
      if ((resourceFieldRef.containerName ?? '') === '') causes.push(required(`${at}.resourceFieldRef.containerName`));
      causes.push(...validateResourceRef(resourceFieldRef, `${at}.resourceFieldRef`));
    }
    return causes;
  });
}

function validateProjected(projected: corev1.ProjectedVolumeSource, path: string): ErrorCause[] {
  return [
    ...validateFileMode(`${path}.defaultMode`, projected.defaultMode),
    ...(projected.sources ?? []).flatMap((source, i) => validateProjection(source, `${path}.sources[${i}]`)),
  ];
}

function validateProjection(source: corev1.VolumeProjection, path: string): ErrorCause[] {
  const { configMap, secret, downwardAPI, serviceAccountToken } = source;
  const given = Object.entries(source).filter(([key, value]) => key !== '_unknownFields' && value !== undefined);
  const causes = given
    .slice(1)
    .map(([name]) => forbidden(`${path}.${name}`, 'may not specify more than 1 volume type'));
  if (given.length === 0) causes.push(required(path, 'must specify a volume type'));
  if (configMap !== undefined) {
    causes.push(
      ...validateObjectName(configMap.name, `${path}.configMap.name`),
      ...validateFiles(configMap, `${path}.configMap`),
    );
  }
  if (secret !== undefined) {
    causes.push(...validateObjectName(secret.name, `${path}.secret.name`), ...validateFiles(secret, `${path}.secret`));
  }
  if (downwardAPI !== undefined) causes.push(...validateDownward(downwardAPI.items ?? [], `${path}.downwardAPI.items`));
  const seconds = serviceAccountToken?.expirationSeconds;
  if (seconds !== undefined && seconds < MIN_TOKEN_SECONDS) {
    const why = 'may not specify a duration less than 10 minutes';
    causes.push(invalid(`${path}.serviceAccountToken.expirationSeconds`, seconds, why));
  }
  return causes;
}
