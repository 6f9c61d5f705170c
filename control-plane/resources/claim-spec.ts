/** What is wrong with the spec of a claim, wherever it stands: in a claim, in a template of claims, in a pod's volume. */
import type { ErrorCause } from '../../lib/errors.ts';
import { dnsLabel, dnsSubdomain } from '../../lib/name-rules.ts';
import { parseQuantity } from '../../lib/quantity.ts';
import type { corev1 } from '../../proto/index.ts';
import { byRule, forbidden, invalid, required } from './validation/field-errors.ts';
import { validateLabelSelector } from './validation/labels.ts';

const ALONE = 'ReadWriteOncePod';
const SHORT_MODES = new Map([
  ['ReadWriteOnce', 'RWO'],
  ['ReadOnlyMany', 'ROX'],
  ['ReadWriteMany', 'RWX'],
  ['ReadWriteOncePod', 'RWOP'],
]);

/** Fills in the spec of a claim. */
export function defaultClaimSpec(spec: corev1.PersistentVolumeClaimSpec): void {
  spec.volumeMode ??= 'Filesystem';
}

/** Everything wrong with the claim's spec at `path`. */
export function validateClaimSpec(spec: corev1.PersistentVolumeClaimSpec, path: string): ErrorCause[] {
  const { accessModes = [], dataSource, dataSourceRef, selector } = spec;
  const causes = [
    ...(accessModes.length === 0
      ? [required(`${path}.accessModes`, 'at least 1 access mode is required')]
      : validateAccessModes(accessModes, path)),
    ...validateLabelSelector(selector, `${path}.selector`),
    ...validateSize(spec.resources?.requests, `${path}.resources`),
    ...validateClassNames(spec, path),
  ];
  if (dataSource !== undefined) causes.push(...validateSource(dataSource, `${path}.dataSource`));
  if (dataSourceRef !== undefined) {
    causes.push(...validateSource(dataSourceRef, `${path}.dataSourceRef`));
    if ((dataSourceRef.namespace ?? '') !== '')
      causes.push(...byRule(`${path}.dataSourceRef.namespace`, dataSourceRef.namespace ?? '', dnsLabel));
  }
  if (dataSource !== undefined && dataSourceRef !== undefined && !isSameSource(dataSource, dataSourceRef))
    causes.push(invalid(`${path}.dataSource`, dataSource, 'must match dataSourceRef'));
  return causes;
}

/** What is wrong with several access modes together. Modes nobody knows are refused by the schema. */
export function validateAccessModes(modes: readonly string[], path: string): ErrorCause[] {
  const isMixed = modes.includes(ALONE) && modes.some((mode) => mode !== ALONE);
  return isMixed ? [forbidden(`${path}.accessModes`, `may not use ${ALONE} with other access modes`)] : [];
}

/** Access modes as `get` shows them: `RWO,ROX`. */
export function accessModesCell(modes: readonly string[] | undefined): string {
  return [...SHORT_MODES]
    .filter(([mode]) => modes?.includes(mode) === true)
    .map(([, short]) => short)
    .join(',');
}

/** Whether `text` is more than nothing; what is no quantity is refused by the schema. */
export function validatePositive(text: string, field: string): ErrorCause[] {
  const quantity = parseQuantity(text);
  return quantity === undefined || quantity.nano > 0n ? [] : [invalid(field, text, 'must be greater than zero')];
}

/** What is wrong with the names of the classes a volume or claim belongs to. */
export function validateClassNames(
  { storageClassName, volumeAttributesClassName }: corev1.PersistentVolumeClaimSpec | corev1.PersistentVolumeSpec,
  path: string,
): ErrorCause[] {
  return [
    ...((storageClassName ?? '') === ''
      ? []
      : byRule(`${path}.storageClassName`, storageClassName ?? '', dnsSubdomain)),
    ...((volumeAttributesClassName ?? '') === ''
      ? []
      : byRule(`${path}.volumeAttributesClassName`, volumeAttributesClassName ?? '', dnsSubdomain)),
  ];
}

function validateSize(requests: Readonly<Record<string, string>> | undefined, path: string): ErrorCause[] {
  const storage = requests?.storage;
  return storage === undefined ? [required(`${path}[storage]`)] : validatePositive(storage, `${path}[storage]`);
}

function validateSource(
  { apiGroup = '', kind = '' }: corev1.TypedLocalObjectReference | corev1.TypedObjectReference,
  path: string,
): ErrorCause[] {
  if (apiGroup !== '') return byRule(`${path}.apiGroup`, apiGroup, dnsSubdomain);
  if (kind === '' || kind === 'PersistentVolumeClaim') return [];
  return [invalid(path, kind, "must be 'PersistentVolumeClaim' when referencing the default apiGroup")];
}

function isSameSource(a: corev1.TypedLocalObjectReference, b: corev1.TypedObjectReference): boolean {
  return (
    (a.apiGroup ?? '') === (b.apiGroup ?? '') && a.kind === b.kind && a.name === b.name && b.namespace === undefined
  );
}
