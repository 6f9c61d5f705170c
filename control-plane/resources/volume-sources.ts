/**
 * What is wrong with the sources that volumes of pods and persistent volumes have in common: disks, shares and storage
 * systems. Fields that are merely missing are refused by the schema.
 */
import type { ErrorCause } from '../../lib/errors.ts';
import { dnsLabel, dnsSubdomain } from '../../lib/name-rules.ts';
import type { corev1 } from '../../proto/index.ts';
import { validateFibreChannel, validateIscsi } from './block-devices.ts';
import { byRule, inRange, invalid, notSupported, required, tooLong } from './validation/field-errors.ts';

const MAX_PARTITION = 255;
const MAX_DRIVER_NAME = 63;
const MAX_QUOBYTE_TEXT = 64;
const MANAGED_DISK = '/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}';
const BLOB_DISK = 'https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd';

type Sources = corev1.Volume | corev1.PersistentVolumeSpec;

/** Everything wrong with whichever of these sources are given; `path` is where the volume stands. */
export function validateSharedSources(sources: Sources, path: string): ErrorCause[] {
  const { azureDisk, fc, flexVolume, flocker, hostPath, iscsi, nfs, quobyte, storageos } = sources;
  return [
    ...inRange(`${path}.gcePersistentDisk.partition`, sources.gcePersistentDisk?.partition, [0, MAX_PARTITION]),
    ...inRange(`${path}.awsElasticBlockStore.partition`, sources.awsElasticBlockStore?.partition, [0, MAX_PARTITION]),
    ...(hostPath === undefined ? [] : noBacksteps(hostPath.path, `${path}.hostPath.path`)),
    ...(nfs?.path !== undefined && !nfs.path.startsWith('/')
      ? [invalid(`${path}.nfs.path`, nfs.path, 'must be an absolute path')]
      : []),
    ...(iscsi === undefined ? [] : validateIscsi(iscsi, `${path}.iscsi`)),
    ...(fc === undefined ? [] : validateFibreChannel(fc, `${path}.fc`)),
    ...(flocker === undefined ? [] : validateFlocker(flocker, `${path}.flocker`)),
    ...(quobyte === undefined ? [] : validateQuobyte(quobyte, `${path}.quobyte`)),
    ...(flexVolume === undefined ? [] : validateFlexOptions(flexVolume.options, `${path}.flexVolume.options`)),
    ...(azureDisk === undefined ? [] : validateAzureDisk(azureDisk, `${path}.azureDisk`)),
    ...(sources.scaleIO !== undefined && (sources.scaleIO.volumeName ?? '') === ''
      ? [required(`${path}.scaleIO.volumeName`)]
      : []),
    ...(storageos === undefined ? [] : validateStorageOs(storageos, `${path}.storageos`)),
  ];
}

/** What is wrong with a path that must stay below its start. */
export function noBacksteps(text: string | undefined, field: string): ErrorCause[] {
  return text?.split('/').includes('..') === true ? [invalid(field, text, "must not contain '..'")] : [];
}

/** What is wrong with the name of a CSI driver, if it is given. */
export function validateDriverName(name: string | undefined, field: string): ErrorCause[] {
  if (name === undefined || name === '') return [];
  if (name.length > MAX_DRIVER_NAME) return [tooLong(field, MAX_DRIVER_NAME)];
  return dnsSubdomain(name.toLowerCase()).map((problem) => invalid(field, name, problem));
}

function validateFlocker(
  { datasetName = '', datasetUUID = '' }: corev1.FlockerVolumeSource,
  path: string,
): ErrorCause[] {
  if (datasetName === '' && datasetUUID === '')
    return [required(path, 'one of datasetName and datasetUUID is required')];
  if (datasetName !== '' && datasetUUID !== '')
    return [invalid(path, 'resource', 'datasetName and datasetUUID can not be specified simultaneously')];
  return datasetName.includes('/') ? [invalid(`${path}.datasetName`, datasetName, "must not contain '/'")] : [];
}

function validateQuobyte(
  { registry = '', tenant = '', volume }: corev1.QuobyteVolumeSource,
  path: string,
): ErrorCause[] {
  const causes = noBacksteps(volume, `${path}.volume`);
  if (tenant.length > MAX_QUOBYTE_TEXT) causes.push(tooLong(`${path}.tenant`, MAX_QUOBYTE_TEXT));
  const pairs = registry === '' ? [] : registry.split(',');
  if (pairs.some((pair) => !/^(?:\[[^\]]+\]|[^:]+):\d+$/.test(pair))) {
    const why = 'must be a host:port pair or multiple pairs separated by commas';
    causes.push(invalid(`${path}.registry`, registry, why));
  }
  return causes;
}

/** Keys below these domains belong to whoever mounts the volume. */
function validateFlexOptions(options: Readonly<Record<string, string>> | undefined, path: string): ErrorCause[] {
  return Object.keys(options ?? {}).flatMap((key) => {
    const prefix = key.includes('/') ? (key.split('/')[0] ?? '').toLowerCase() : '';
    const isReserved = ['kubernetes.io', 'k8s.io'].some((domain) => prefix === domain || prefix.endsWith(`.${domain}`));
    const why = "'kubernetes.io' and 'k8s.io' namespaces are reserved";
    return isReserved ? [invalid(`${path}[${key}]`, key, why)] : [];
  });
}

function validateAzureDisk({ kind, diskURI = '' }: corev1.AzureDiskVolumeSource, path: string): ErrorCause[] {
  if (diskURI === '') return [];
  if (kind === 'Managed') {
    return diskURI.startsWith('/subscriptions/') ? [] : [notSupported(`${path}.diskURI`, diskURI, [MANAGED_DISK])];
  }
  return diskURI.startsWith('https://') ? [] : [notSupported(`${path}.diskURI`, diskURI, [BLOB_DISK])];
}

function validateStorageOs(
  { volumeName = '', volumeNamespace = '' }: corev1.StorageOSVolumeSource | corev1.StorageOSPersistentVolumeSource,
  path: string,
): ErrorCause[] {
  return [
    ...(volumeName === '' ? [required(`${path}.volumeName`)] : byRule(`${path}.volumeName`, volumeName, dnsLabel)),
    ...(volumeNamespace === '' ? [] : byRule(`${path}.volumeNamespace`, volumeNamespace, dnsLabel)),
  ];
}
