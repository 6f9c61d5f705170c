/** VolumeAttachment: asks a driver to attach a volume to a node. */
import type { ErrorCause } from '../../lib/errors.ts';
import { dnsSubdomain } from '../../lib/name-rules.ts';
import { KINDS, type storagev1 } from '../../proto/index.ts';
import { ageColumn, nameColumn } from './columns.ts';
import type { ResourceDefinition } from './definition.ts';
import { validateVolumeSpec } from './persistent-volume-rules.ts';
import { defaultVolumeSource } from './pod-spec/volume-defaults.ts';
import { startWithoutStatus } from './start-without-status.ts';
import { byRule, forbidden, required, tooLong } from './validation/field-errors.ts';
import { immutableMessage } from './validation/immutable.ts';
import { validateDriverName } from './volume-sources.ts';

const SPEC = 'skiff.storage.v1.VolumeAttachmentSpec';
const MAX_ERROR_CHARACTERS = 1024;
const MAX_METADATA_BYTES = 256 * 1024;

function validate({ spec = {} }: storagev1.VolumeAttachment): ErrorCause[] {
  const { attacher, nodeName = '', source } = spec;
  return [
    ...validateDriverName(attacher, 'spec.attacher'),
    ...(nodeName === '' ? [] : byRule('spec.nodeName', nodeName, dnsSubdomain)),
    ...(source === undefined ? [] : validateSource(source, 'spec.source')),
  ];
}

function validateSource(source: storagev1.VolumeAttachmentSource, path: string): ErrorCause[] {
  const { inlineVolumeSpec, persistentVolumeName } = source;
  if (inlineVolumeSpec !== undefined && persistentVolumeName !== undefined)
    return [forbidden(path, 'must specify exactly one of inlineVolumeSpec and persistentVolumeName')];
  if (inlineVolumeSpec !== undefined) return validateVolumeSpec(inlineVolumeSpec, `${path}.inlineVolumeSpec`, true);
  if (persistentVolumeName === undefined) return [required(path)];
  return persistentVolumeName === ''
    ? [required(`${path}.persistentVolumeName`)]
    : byRule(`${path}.persistentVolumeName`, persistentVolumeName, dnsSubdomain);
}

function validateStatusUpdate({ status = {} }: storagev1.VolumeAttachment): ErrorCause[] {
  const errors = (['attachError', 'detachError'] as const).filter(
    (name) => (status[name]?.message ?? '').length > MAX_ERROR_CHARACTERS,
  );
  const bytes = Object.entries(status.attachmentMetadata ?? {}).reduce(
    (sum, [key, value]) => sum + Buffer.byteLength(key) + Buffer.byteLength(value),
    0,
  );
  return [
    ...errors.map((name) => tooLong(`status.${name}.message`, MAX_ERROR_CHARACTERS)),
    ...(bytes > MAX_METADATA_BYTES ? [tooLong('status.attachmentMetadata', MAX_METADATA_BYTES)] : []),
  ];
}

/** The definition of VolumeAttachment. */
export const volumeAttachment: ResourceDefinition<storagev1.VolumeAttachment> = {
  type: KINDS.VolumeAttachment,
  subresources: { status: true },
  metadataWithStatus: [],
  setDefaults: (object) => {
    const inline = object.spec?.source?.inlineVolumeSpec;
    if (inline !== undefined) defaultVolumeSource(inline);
  },
  prepareForCreate: startWithoutStatus,
  validate,
  validateUpdate: (object, old) => immutableMessage('spec', SPEC, { value: object.spec, old: old.spec }),
  validateStatusUpdate,
  columns: [
    nameColumn,
    { name: 'ATTACHER', cell: (o) => o.spec?.attacher ?? '' },
    { name: 'PV', cell: (o) => o.spec?.source?.persistentVolumeName ?? '' },
    { name: 'NODE', cell: (o) => o.spec?.nodeName ?? '' },
    { name: 'ATTACHED', cell: (o) => String(o.status?.attached ?? false) },
    ageColumn,
  ],
};
