/** PersistentVolumeClaim: asks for a volume. */
import type { ErrorCause } from '../../lib/errors.ts';
import { parseQuantity } from '../../lib/quantity.ts';
import { type corev1, KINDS } from '../../proto/index.ts';
import { accessModesCell, defaultClaimSpec, validateClaimSpec } from './claim-spec.ts';
import { ageColumn, nameColumn } from './columns.ts';
import type { ResourceDefinition } from './definition.ts';
import { changesInWords, fieldChanges } from './validation/changed-fields.ts';
import { forbidden, invalid } from './validation/field-errors.ts';
import { immutable } from './validation/immutable.ts';

const UNSET = '<unset>';
const NANO = 1_000_000_000n;
const CHANGEABLE =
  'spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims';

/** Fills in a claim, also one in a template. */
export function defaultClaim(claim: corev1.PersistentVolumeClaim): void {
  if (claim.spec !== undefined) defaultClaimSpec(claim.spec);
  claim.status ??= {};
  claim.status.phase ??= 'Pending';
}

function prepareForCreate(claim: corev1.PersistentVolumeClaim): void {
  claim.status = { phase: 'Pending' };
  const spec = claim.spec;
  if (spec === undefined) return;
  // The older spelling of the same wish: whichever is given, both are kept.
  const { dataSource, dataSourceRef } = spec;
  if (dataSource !== undefined && dataSourceRef === undefined) spec.dataSourceRef = { ...dataSource };
  if (dataSource === undefined && dataSourceRef !== undefined && dataSourceRef.namespace === undefined) {
    spec.dataSource = { kind: dataSourceRef.kind, name: dataSourceRef.name };
    if (dataSourceRef.apiGroup !== undefined) spec.dataSource.apiGroup = dataSourceRef.apiGroup;
  }
}

/** A claim stays what it was, so that nobody gets round a quota; only a bound one may ask for more. */
function validateUpdate(claim: corev1.PersistentVolumeClaim, old: corev1.PersistentVolumeClaim): ErrorCause[] {
  const [spec, before] = [claim.spec ?? {}, old.spec ?? {}];
  const isBound = claim.status?.phase === 'Bound';
  const allowed: corev1.PersistentVolumeClaimSpec = { ...spec, volumeMode: before.volumeMode };
  // Binding sets the name once; a class can still be given to a claim that waits for one.
  if ((before.volumeName ?? '') === '') allowed.volumeName = before.volumeName;
  if (before.storageClassName === undefined && (before.volumeName ?? '') === '')
    allowed.storageClassName = before.storageClassName;
  if (isBound) {
    allowed.resources = { ...spec.resources, requests: before.resources?.requests };
    allowed.volumeAttributesClassName = before.volumeAttributesClassName;
  }
  const changes = fieldChanges('skiff.core.v1.PersistentVolumeClaimSpec', allowed, before);
  return [
    ...(changes.length === 0 ? [] : [forbidden('spec', `${CHANGEABLE}; ${changesInWords(changes)}`)]),
    ...(isBound ? validateShrinking(claim, before.resources?.requests?.storage) : []),
    ...immutable('spec.volumeMode', spec.volumeMode, before.volumeMode),
  ];
}

/** A request may only go back to what was never granted. */
function validateShrinking(claim: corev1.PersistentVolumeClaim, before: string | undefined): ErrorCause[] {
  const wanted = nanoOf(claim.spec?.resources?.requests?.storage);
  if (wanted >= nanoOf(before) || wanted > nanoOf(claim.status?.capacity?.storage)) return [];
  return [forbidden('spec.resources.requests.storage', 'field can not be less than status.capacity')];
}

function validateStatusUpdate(claim: corev1.PersistentVolumeClaim): ErrorCause[] {
  return Object.entries(claim.status?.capacity ?? {}).flatMap(([name, text]) =>
    nanoOf(text) < 0n ? [invalid(`status.capacity[${name}]`, text, 'must be greater than or equal to 0')] : [],
  );
}

function nanoOf(text: string | undefined): bigint {
  return (text === undefined ? undefined : parseQuantity(text)?.nano) ?? 0n;
}

/** Warnings about the size a claim at `path` asks for. */
export function claimWarnings(spec: corev1.PersistentVolumeClaimSpec | undefined, path: string): string[] {
  const { requests, limits } = spec?.resources ?? {};
  const isWhole = (text: string | undefined) => nanoOf(text) % NANO === 0n;
  return (['requests', 'limits'] as const).flatMap((name) => {
    const text = (name === 'requests' ? requests : limits)?.storage;
    return isWhole(text)
      ? []
      : [`${path}.resources.${name}.storage: fractional byte value "${text}", must be an integer`];
  });
}

/** The definition of PersistentVolumeClaim. */
export const persistentVolumeClaim: ResourceDefinition<corev1.PersistentVolumeClaim> = {
  type: KINDS.PersistentVolumeClaim,
  countsGenerations: false,
  subresources: { status: true },
  setDefaults: defaultClaim,
  prepareForCreate,
  validate: (claim) => validateClaimSpec(claim.spec ?? {}, 'spec'),
  validateUpdate,
  validateStatusUpdate,
  warnings: (claim) => claimWarnings(claim.spec, 'spec'),
  columns: [
    nameColumn,
    {
      name: 'STATUS',
      cell: (o) => (o.metadata?.deletionTimestamp === undefined ? (o.status?.phase ?? '') : 'Terminating'),
    },
    { name: 'VOLUME', cell: (o) => o.spec?.volumeName ?? '' },
    { name: 'CAPACITY', cell: (o) => (isBoundTo(o) ? (o.status?.capacity?.storage ?? '0') : '') },
    { name: 'ACCESS MODES', cell: (o) => (isBoundTo(o) ? accessModesCell(o.status?.accessModes) : '') },
    { name: 'STORAGECLASS', cell: (o) => o.spec?.storageClassName ?? '' },
    { name: 'VOLUMEATTRIBUTESCLASS', cell: (o) => o.spec?.volumeAttributesClassName ?? UNSET },
    ageColumn,
    { name: 'VOLUMEMODE', wide: true, cell: (o) => o.spec?.volumeMode ?? UNSET },
  ],
  selectableFields: { name: (o) => o.metadata?.name ?? '' },
};

function isBoundTo(claim: corev1.PersistentVolumeClaim): boolean {
  return (claim.spec?.volumeName ?? '') !== '';
}
