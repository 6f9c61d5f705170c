/** CSINode: the storage drivers that run on a node. */
import type { ErrorCause } from '../../lib/errors.ts';
import { qualifiedName } from '../../lib/name-rules.ts';
import { KINDS, type storagev1 } from '../../proto/index.ts';
import { ageColumn, nameColumn } from './columns.ts';
import type { ResourceDefinition } from './definition.ts';
import { byRule, invalid, notNegative, unique } from './validation/field-errors.ts';
import { immutableMessage } from './validation/immutable.ts';
import { validateDriverName } from './volume-sources.ts';

const MAX_NODE_ID = 256;
const DRIVER = 'skiff.storage.v1.CSINodeDriver';

function validate({ spec }: storagev1.CSINode): ErrorCause[] {
  const drivers = spec?.drivers ?? [];
  return [
    ...drivers.flatMap((driver, i) => validateDriver(driver, `spec.drivers[${i}]`)),
    ...unique(
      drivers.map(({ name }) => name),
      (i) => `spec.drivers[${i}].name`,
    ),
  ];
}

function validateDriver(driver: storagev1.CSINodeDriver, path: string): ErrorCause[] {
  const { allocatable, name, nodeID = '', topologyKeys = [] } = driver;
  return [
    ...validateDriverName(name, `${path}.name`),
    ...(nodeID.length > MAX_NODE_ID
      ? [invalid(`${path}.nodeID`, nodeID, `must be ${MAX_NODE_ID} characters or less`)]
      : []),
    ...notNegative(`${path}.allocatable.count`, allocatable?.count),
    ...topologyKeys.flatMap((key) => byRule(`${path}.topologyKeys`, key, qualifiedName)),
    ...unique(topologyKeys, () => `${path}.topologyKeys`),
  ];
}

/** A driver that stays, stays what it is, but for how much it can take. */
function validateUpdate({ spec }: storagev1.CSINode, { spec: old }: storagev1.CSINode): ErrorCause[] {
  return (spec?.drivers ?? []).flatMap((driver, i) => {
    const before = old?.drivers?.find(({ name }) => name === driver.name);
    if (before === undefined) return [];
    const value = { ...driver, allocatable: before.allocatable };
    return immutableMessage(`spec.drivers[${i}]`, DRIVER, { value, old: before });
  });
}

/** The definition of CSINode. */
export const csiNode: ResourceDefinition<storagev1.CSINode> = {
  type: KINDS.CSINode,
  validate,
  validateUpdate,
  columns: [nameColumn, { name: 'DRIVERS', cell: (o) => String(o.spec?.drivers?.length ?? 0) }, ageColumn],
};
