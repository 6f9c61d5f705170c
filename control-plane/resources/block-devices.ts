/** What is wrong with iSCSI and Fibre Channel disks. */
import type { ErrorCause } from '../../lib/errors.ts';
import type { corev1 } from '../../proto/index.ts';
import { inRange, invalid, required } from './validation/field-errors.ts';

const MAX_LUN = 255;
/** The three forms of an iSCSI name (RFC 3720). */
const IQN = /^iqn\.\d{4}-\d{2}\.([0-9A-Za-z-]+)(\.[0-9A-Za-z-]+)*(:[0-9A-Za-z-.:]+)?$/i;
const EUI = /^eui\.[0-9A-F]{16}$/i;
const NAA = /^naa\.[0-9A-F]{32}$/i;

/** Everything wrong with the iSCSI disk at `path`. */
export function validateIscsi(
  source: corev1.ISCSIVolumeSource | corev1.ISCSIPersistentVolumeSource,
  path: string,
): ErrorCause[] {
  const { chapAuthDiscovery, chapAuthSession, initiatorName, iqn = '', lun, secretRef } = source;
  const needsSecret = (chapAuthDiscovery === true || chapAuthSession === true) && secretRef === undefined;
  return [
    ...(iqn === '' ? [] : validateIscsiName(iqn, `${path}.iqn`)),
    ...inRange(`${path}.lun`, lun, [0, MAX_LUN]),
    ...(initiatorName === undefined ? [] : validateIscsiName(initiatorName, `${path}.initiatorName`)),
    ...(needsSecret ? [required(`${path}.secretRef`)] : []),
  ];
}

function validateIscsiName(name: string, field: string): ErrorCause[] {
  if (!/^(?:iqn|eui|naa)/.test(name))
    return [invalid(field, name, 'must be valid format starting with iqn, eui, or naa')];
  return [IQN, EUI, NAA].some((form) => form.test(name)) ? [] : [invalid(field, name, 'must be valid format')];
}

/** Everything wrong with the Fibre Channel disk at `path`: either targets with a unit, or identifiers of the disk. */
export function validateFibreChannel(
  { lun, targetWWNs = [], wwids = [] }: corev1.FCVolumeSource,
  path: string,
): ErrorCause[] {
  const at = `${path}.targetWWNs`;
  if (targetWWNs.length === 0 && wwids.length === 0)
    return [required(at, 'must specify either targetWWNs or wwids, but not both')];
  if (targetWWNs.length > 0 && wwids.length > 0)
    return [invalid(at, targetWWNs, 'targetWWNs and wwids can not be specified simultaneously')];
  if (targetWWNs.length > 0 && lun === undefined)
    return [required(`${path}.lun`, 'lun is required if targetWWNs is specified')];
  return inRange(`${path}.lun`, lun, [0, MAX_LUN]);
}
