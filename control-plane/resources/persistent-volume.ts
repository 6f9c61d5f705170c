/** PersistentVolume: a piece of storage that a claim can take. */
import type { ErrorCause } from '../../lib/errors.ts';
import { type corev1, KINDS } from '../../proto/index.ts';
import { accessModesCell } from './claim-spec.ts';
import { ageColumn, nameColumn } from './columns.ts';
import type { ResourceDefinition } from './definition.ts';
import { validateVolumeSpec, volumeSourcesOf } from './persistent-volume-rules.ts';
import { defaultVolumeSource } from './pod-spec/volume-defaults.ts';
import { changesInWords, fieldChanges } from './validation/changed-fields.ts';
import { forbidden } from './validation/field-errors.ts';
import { immutable, immutableMessage } from './validation/immutable.ts';

const UNSET = '<unset>';
const SPEC = 'skiff.core.v1.PersistentVolumeSpec';
/** Storage systems whose built-in support Kubernetes has removed or will. */
const OUTDATED: ReadonlySet<string> = new Set([
  'awsElasticBlockStore',
  'azureDisk',
  'azureFile',
  'cephfs',
  'cinder',
  'flexVolume',
  'flocker',
  'gcePersistentDisk',
  'glusterfs',
  'photonPersistentDisk',
  'portworxVolume',
  'quobyte',
  'rbd',
  'scaleIO',
  'storageos',
  'vsphereVolume',
]);

function setDefaults(volume: corev1.PersistentVolume): void {
  volume.status ??= {};
  volume.status.phase ??= 'Pending';
  const spec = volume.spec;
  if (spec === undefined) return;
  spec.persistentVolumeReclaimPolicy ??= 'Retain';
  spec.volumeMode ??= 'Filesystem';
  defaultVolumeSource(spec);
}

type Source = Pick<corev1.PersistentVolumeSpec, 'csi'>;

/** What the volume is may not change, but for a secret that is added so that it can grow. */
function validateUpdate(volume: corev1.PersistentVolume, old: corev1.PersistentVolume): ErrorCause[] {
  const [spec, before] = [volume.spec ?? {}, old.spec ?? {}];
  const [source, was] = [sourceOf(spec), sourceOf(before)];
  const added: Source =
    source.csi !== undefined && before.csi !== undefined && before.csi.controllerExpandSecretRef === undefined
      ? { ...source, csi: { ...source.csi, controllerExpandSecretRef: undefined } }
      : source;
  const changes = fieldChanges(SPEC, added, was);
  const why = 'spec.persistentvolumesource is immutable after creation';
  return [
    ...(changes.length === 0 ? [] : [forbidden('spec.persistentvolumesource', `${why}; ${changesInWords(changes)}`)]),
    ...immutable('spec.volumeMode', spec.volumeMode, before.volumeMode),
    // It may be said later from where the volume can be reached, but not differently.
    ...(before.nodeAffinity === undefined
      ? []
      : immutableMessage('spec.nodeAffinity', 'skiff.core.v1.VolumeNodeAffinity', {
          value: spec.nodeAffinity,
          old: before.nodeAffinity,
        })),
  ];
}

function sourceOf(spec: corev1.PersistentVolumeSpec): Source {
  const all = spec as Readonly<Record<string, unknown>>;
  return Object.fromEntries(volumeSourcesOf(spec).map((name) => [name, all[name]]));
}

function warnings({ spec = {} }: corev1.PersistentVolume): string[] {
  const outdated = volumeSourcesOf(spec).filter((name) => OUTDATED.has(name));
  return [
    ...outdated.map(
      (name) => `spec.${name}: Kubernetes no longer provides this type of volume itself; use a CSI driver`,
    ),
    ...(spec.persistentVolumeReclaimPolicy === 'Recycle'
      ? ['spec.persistentVolumeReclaimPolicy: Recycle is deprecated; let volumes be made and deleted with their claims']
      : []),
  ];
}

function claimCell({ spec }: corev1.PersistentVolume): string {
  return spec?.claimRef === undefined ? '' : `${spec.claimRef.namespace ?? ''}/${spec.claimRef.name ?? ''}`;
}

/** The definition of PersistentVolume. */
export const persistentVolume: ResourceDefinition<corev1.PersistentVolume> = {
  type: KINDS.PersistentVolume,
  subresources: { status: true },
  setDefaults,
  prepareForCreate: (volume, { now }) => {
    volume.status = { phase: 'Pending', lastPhaseTransitionTime: now };
  },
  validate: (volume) => validateVolumeSpec(volume.spec ?? {}, 'spec'),
  validateUpdate,
  warnings,
  columns: [
    nameColumn,
    { name: 'CAPACITY', cell: (o) => o.spec?.capacity?.storage ?? '0' },
    { name: 'ACCESS MODES', cell: (o) => accessModesCell(o.spec?.accessModes) },
    { name: 'RECLAIM POLICY', cell: (o) => o.spec?.persistentVolumeReclaimPolicy ?? '' },
    {
      name: 'STATUS',
      cell: (o) => (o.metadata?.deletionTimestamp === undefined ? (o.status?.phase ?? '') : 'Terminating'),
    },
    { name: 'CLAIM', cell: claimCell },
    { name: 'STORAGECLASS', cell: (o) => o.spec?.storageClassName ?? '' },
    { name: 'VOLUMEATTRIBUTESCLASS', cell: (o) => o.spec?.volumeAttributesClassName ?? UNSET },
    { name: 'REASON', cell: (o) => o.status?.reason ?? '' },
    ageColumn,
    { name: 'VOLUMEMODE', wide: true, cell: (o) => o.spec?.volumeMode ?? UNSET },
  ],
  selectableFields: { name: (o) => o.metadata?.name ?? '' },
};
