/** PriorityClass: a name for a priority that pods may have. */
import type { ErrorCause } from '../../lib/errors.ts';
import { KINDS, type schedulingv1 } from '../../proto/index.ts';
import { ageColumn, nameColumn } from './columns.ts';
import type { ResourceDefinition } from './definition.ts';
import { forbidden } from './validation/field-errors.ts';
import { immutable } from './validation/immutable.ts';

/** Names with this prefix belong to the system. */
const SYSTEM_PREFIX = 'system-';
/** The highest priority of classes that people make. */
const HIGHEST_USER_PRIORITY = 1_000_000_000;

/** The classes every cluster has. */
export const SYSTEM_PRIORITY_CLASSES: readonly schedulingv1.PriorityClass[] = [
  {
    metadata: { name: 'system-cluster-critical' },
    value: 2_000_000_000,
    description: 'For pods the cluster cannot do without, which may run on another node if they must.',
    preemptionPolicy: 'PreemptLowerPriority',
  },
  {
    metadata: { name: 'system-node-critical' },
    value: 2_000_001_000,
    description: 'For pods their node cannot do without.',
    preemptionPolicy: 'PreemptLowerPriority',
  },
];

function validate(object: schedulingv1.PriorityClass): ErrorCause[] {
  const name = object.metadata?.name ?? '';
  const value = object.value ?? 0;
  if (name.startsWith(SYSTEM_PREFIX)) {
    const known = SYSTEM_PRIORITY_CLASSES.find((own) => own.metadata?.name === name);
    if (known === undefined) {
      return [
        forbidden(
          'metadata.name',
          `priority class names with '${SYSTEM_PREFIX}' prefix are reserved for system use only`,
        ),
      ];
    }
    return [
      ...(value === known.value ? [] : [forbidden('value', `the value of ${name} must be ${known.value}`)]),
      ...(object.globalDefault === true ? [forbidden('globalDefault', `${name} cannot be the global default`)] : []),
    ];
  }
  return value > HIGHEST_USER_PRIORITY
    ? [forbidden('value', `maximum allowed value of a user defined priority is ${HIGHEST_USER_PRIORITY}`)]
    : [];
}

/** The definition of PriorityClass. */
export const priorityClass: ResourceDefinition<schedulingv1.PriorityClass> = {
  type: KINDS.PriorityClass,
  setDefaults: (object) => {
    object.preemptionPolicy ??= 'PreemptLowerPriority';
  },
  validate,
  validateUpdate: (object, old) => [
    ...immutable('value', object.value ?? 0, old.value ?? 0),
    ...immutable('preemptionPolicy', object.preemptionPolicy, old.preemptionPolicy),
  ],
  columns: [
    nameColumn,
    { name: 'VALUE', cell: (o) => String(o.value ?? 0) },
    { name: 'GLOBAL-DEFAULT', cell: (o) => String(o.globalDefault ?? false) },
    ageColumn,
    { name: 'PREEMPTIONPOLICY', cell: (o) => o.preemptionPolicy ?? '' },
  ],
};
