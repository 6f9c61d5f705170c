/** What is wrong with the spec of a persistent volume, of its own or inside an attachment. */
import type { ErrorCause } from '../../lib/errors.ts';
import { dnsLabel } from '../../lib/name-rules.ts';
import { type corev1, joinPath, messageSchema } from '../../proto/index.ts';
import { validateAccessModes, validateClassNames, validatePositive } from './claim-spec.ts';
import { validateNodeTerms } from './pod-spec/scheduling.ts';
import { byRule, forbidden, invalid, notSupported, required } from './validation/field-errors.ts';
import { noBacksteps, validateDriverName, validateSharedSources } from './volume-sources.ts';

const SPEC = 'skiff.core.v1.PersistentVolumeSpec';
const NOT_SOURCES: ReadonlySet<string> = new Set(['claimRef', 'nodeAffinity']);
const CSI_SECRETS = [
  'controllerExpandSecretRef',
  'controllerPublishSecretRef',
  'nodeExpandSecretRef',
  'nodePublishSecretRef',
  'nodeStageSecretRef',
] as const;

/** Everything wrong with the spec at `path`. One inside an attachment has no life of its own, and fewer fields. */
export function validateVolumeSpec(spec: corev1.PersistentVolumeSpec, path: string, isInline = false): ErrorCause[] {
  const { accessModes = [], capacity = {}, nodeAffinity } = spec;
  return [
    ...(accessModes.length === 0 ? [required(`${path}.accessModes`)] : validateAccessModes(accessModes, path)),
    ...(isInline ? refuseInline(spec, path) : validateCapacity(capacity, `${path}.capacity`)),
    ...(nodeAffinity === undefined ? [] : validateAffinity(nodeAffinity, `${path}.nodeAffinity`)),
    ...validateClassNames(spec, path),
    ...validateAttributesClass(spec, path),
    ...validateSources(spec, path),
    ...validateReclaim(spec, path),
  ];
}

/** The names of the sources that are given, in the order of the fields. */
export function volumeSourcesOf(spec: corev1.PersistentVolumeSpec): string[] {
  return messageSchema(SPEC)
    .fields.filter((field) => field.isMessage && field.cardinality === 'single' && !NOT_SOURCES.has(field.name))
    .map((field) => field.name)
    .filter((name) => (spec as Readonly<Record<string, unknown>>)[name] !== undefined);
}

function validateSources(spec: corev1.PersistentVolumeSpec, path: string): ErrorCause[] {
  const [first, ...more] = volumeSourcesOf(spec);
  if (first === undefined) return [required(path, 'must specify a volume type')];
  const { azureFile, cephfs, cinder, csi, glusterfs, local } = spec;
  const causes = [
    ...more.map((name) => forbidden(`${path}.${name}`, 'may not specify more than 1 volume type')),
    ...validateSharedSources(spec, path),
  ];
  if (local !== undefined) {
    causes.push(...noBacksteps(local.path, `${path}.local.path`));
    if (spec.nodeAffinity === undefined)
      causes.push(required(`${path}.nodeAffinity`, 'Local volume requires node affinity'));
  }
  if (azureFile?.secretNamespace === '')
    causes.push(invalid(`${path}.azureFile.secretNamespace`, '', 'must not be empty'));
  if (glusterfs?.endpointsNamespace !== undefined)
    causes.push(...byRule(`${path}.glusterfs.endpointsNamespace`, glusterfs.endpointsNamespace, dnsLabel));
  if (csi !== undefined) {
    causes.push(...validateDriverName(csi.driver, `${path}.csi.driver`));
    for (const name of CSI_SECRETS) causes.push(...validateSecret(csi[name], `${path}.csi.${name}`, true));
  }
  causes.push(
    ...validateSecret(cinder?.secretRef, `${path}.cinder.secretRef`, true),
    ...validateSecret(cephfs?.secretRef, `${path}.cephfs.secretRef`, false),
    ...validateSecret(spec.iscsi?.secretRef, `${path}.iscsi.secretRef`, false),
    ...validateSecret(spec.scaleIO?.secretRef, `${path}.scaleIO.secretRef`, false),
  );
  return causes;
}

function validateSecret(
  secret: corev1.SecretReference | undefined,
  path: string,
  needsNamespace: boolean,
): ErrorCause[] {
  if (secret === undefined) return [];
  return [
    ...((secret.name ?? '') === '' ? [required(`${path}.name`)] : []),
    ...(needsNamespace && (secret.namespace ?? '') === '' ? [required(`${path}.namespace`)] : []),
  ];
}

function validateCapacity(capacity: Readonly<Record<string, string>>, path: string): ErrorCause[] {
  const names = Object.keys(capacity);
  if (names.length === 0) return [required(path)];
  const odd = names.filter((name) => name !== 'storage');
  if (odd.length > 0) return odd.map((name) => notSupported(joinPath(path, name), name, ['storage']));
  return validatePositive(capacity.storage ?? '', `${path}[storage]`);
}

function validateAffinity({ required: needed }: corev1.VolumeNodeAffinity, path: string): ErrorCause[] {
  if (needed === undefined) return [required(`${path}.required`, 'must specify required node constraints')];
  return validateNodeTerms(needed.nodeSelectorTerms ?? [], `${path}.required.nodeSelectorTerms`);
}

function validateAttributesClass(spec: corev1.PersistentVolumeSpec, path: string): ErrorCause[] {
  const name = spec.volumeAttributesClassName;
  if (name === undefined) return [];
  if (name === '') return [required(`${path}.volumeAttributesClassName`, 'an empty string is disallowed')];
  const why = 'has to be specified when using volumeAttributesClassName';
  return spec.csi === undefined ? [required(`${path}.csi`, why)] : [];
}

function validateReclaim(
  { hostPath, persistentVolumeReclaimPolicy }: corev1.PersistentVolumeSpec,
  path: string,
): ErrorCause[] {
  const isRoot = hostPath?.path !== undefined && /^\/+$/.test(hostPath.path);
  if (!isRoot || persistentVolumeReclaimPolicy !== 'Recycle') return [];
  const why = "may not be 'recycle' for a hostPath mount of '/'";
  return [forbidden(`${path}.persistentVolumeReclaimPolicy`, why)];
}

function refuseInline(spec: corev1.PersistentVolumeSpec, path: string): ErrorCause[] {
  const names = ['claimRef', 'capacity', 'persistentVolumeReclaimPolicy', 'nodeAffinity', 'storageClassName'] as const;
  const given: string[] = names.filter((name) => spec[name] !== undefined && spec[name] !== '');
  if ((spec.volumeMode ?? 'Filesystem') !== 'Filesystem') given.push('volumeMode');
  const context = 'specified in the context of inline volumes';
  const causes = given.map((name) => forbidden(`${path}.${name}`, `may not be ${context}`));
  if (spec.csi === undefined) causes.push(required(`${path}.csi`, `has to be ${context}`));
  return causes;
}
