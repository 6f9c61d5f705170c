/** CSIDriver: what the cluster needs to know about a storage driver. */
import type { ErrorCause } from '../../lib/errors.ts';
import { KINDS, type storagev1 } from '../../proto/index.ts';
import { ageColumn, nameColumn } from './columns.ts';
import type { ResourceDefinition } from './definition.ts';
import { invalid, unique } from './validation/field-errors.ts';
import { immutable } from './validation/immutable.ts';
import { validateDriverName } from './volume-sources.ts';

const UNSET = '<unset>';
const MIN_TOKEN_SECONDS = 600;
const MAX_TOKEN_SECONDS = 2 ** 32;
const MIN_UPDATE_SECONDS = 10;

function setDefaults(object: storagev1.CSIDriver): void {
  const spec = object.spec;
  if (spec === undefined) return;
  spec.attachRequired ??= true;
  spec.podInfoOnMount ??= false;
  spec.storageCapacity ??= false;
  spec.requiresRepublish ??= false;
  spec.seLinuxMount ??= false;
  spec.fsGroupPolicy ??= 'ReadWriteOnceWithFSType';
  if ((spec.volumeLifecycleModes ?? []).length === 0) spec.volumeLifecycleModes = ['Persistent'];
}

function validate({ metadata, spec = {} }: storagev1.CSIDriver): ErrorCause[] {
  const seconds = spec.nodeAllocatableUpdatePeriodSeconds;
  return [
    ...validateDriverName(metadata?.name, 'metadata.name'),
    ...validateTokens(spec.tokenRequests ?? [], 'spec.tokenRequests'),
    ...(seconds !== undefined && seconds < MIN_UPDATE_SECONDS
      ? [
          invalid(
            'spec.nodeAllocatableUpdatePeriodSeconds',
            seconds,
            `must be greater than or equal to ${MIN_UPDATE_SECONDS} seconds`,
          ),
        ]
      : []),
  ];
}

function validateTokens(requests: readonly storagev1.TokenRequest[], path: string): ErrorCause[] {
  const causes = requests.flatMap(({ expirationSeconds: seconds }, i) => {
    const at = `${path}[${i}].expirationSeconds`;
    if (seconds === undefined) return [];
    if (seconds < MIN_TOKEN_SECONDS) return [invalid(at, seconds, 'may not specify a duration less than 10 minutes')];
    return seconds > MAX_TOKEN_SECONDS
      ? [invalid(at, seconds, 'may not specify a duration larger than 2^32 seconds')]
      : [];
  });
  const audiences = requests.map(({ audience }) => audience);
  return [...causes, ...unique(audiences, (i) => `${path}[${i}].audience`)];
}

/** The definition of CSIDriver. */
export const csiDriver: ResourceDefinition<storagev1.CSIDriver> = {
  type: KINDS.CSIDriver,
  // Its name is the driver's, which may have upper-case letters: checked with the rest.
  nameRule: 'pathSegment',
  setDefaults,
  validate,
  validateUpdate: ({ spec }, { spec: old }) => [
    ...immutable('spec.attachRequired', spec?.attachRequired, old?.attachRequired),
    ...immutable('spec.volumeLifecycleModes', spec?.volumeLifecycleModes, old?.volumeLifecycleModes),
  ],
  columns: [
    nameColumn,
    { name: 'ATTACHREQUIRED', cell: (o) => String(o.spec?.attachRequired ?? true) },
    { name: 'PODINFOONMOUNT', cell: (o) => String(o.spec?.podInfoOnMount ?? false) },
    { name: 'STORAGECAPACITY', cell: (o) => String(o.spec?.storageCapacity ?? false) },
    {
      name: 'TOKENREQUESTS',
      cell: (o) => o.spec?.tokenRequests?.map(({ audience }) => audience ?? '').join(',') ?? UNSET,
    },
    { name: 'REQUIRESREPUBLISH', cell: (o) => String(o.spec?.requiresRepublish ?? false) },
    { name: 'MODES', cell: (o) => o.spec?.volumeLifecycleModes?.join(',') ?? UNSET },
    ageColumn,
  ],
};
