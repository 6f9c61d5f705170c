/** ConfigMap: configuration as text and bytes, for environments and volumes of pods. */
import type { ErrorCause } from '../../lib/errors.ts';
import { type corev1, joinPath, KINDS } from '../../proto/index.ts';
import { ageColumn, nameColumn } from './columns.ts';
import type { ResourceDefinition } from './definition.ts';
import { validateDataKeys, validateDataSize } from './validation/data.ts';
import { invalid } from './validation/field-errors.ts';
import { validateSealed } from './validation/immutable.ts';

function validate(object: corev1.ConfigMap): ErrorCause[] {
  const twice = Object.keys(object.data ?? {}).filter((key) => Object.hasOwn(object.binaryData ?? {}, key));
  return [
    ...validateDataKeys('data', object.data),
    ...validateDataKeys('binaryData', object.binaryData),
    ...twice.map((key) => invalid(joinPath('data', key), key, 'duplicate of key present in binaryData')),
    ...validateDataSize('', object.data, object.binaryData),
  ];
}

/** The definition of ConfigMap. */
export const configMap: ResourceDefinition<corev1.ConfigMap> = {
  type: KINDS.ConfigMap,
  validate,
  validateUpdate: (object, old) => validateSealed(object, old, ['data', 'binaryData']),
  columns: [
    nameColumn,
    {
      name: 'DATA',
      cell: (o) => String(Object.keys(o.data ?? {}).length + Object.keys(o.binaryData ?? {}).length),
    },
    ageColumn,
  ],
};
