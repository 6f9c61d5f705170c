/** ConfigMap: configuration as text and bytes, for environments and volumes of pods. */
import { type corev1, KINDS } from '../../proto/index.ts';
import { ageColumn, nameColumn } from './columns.ts';
import type { ResourceDefinition } from './definition.ts';

/** The definition of ConfigMap. */
export const configMap: ResourceDefinition<corev1.ConfigMap> = {
  type: KINDS.ConfigMap,
  columns: [
    nameColumn,
    {
      name: 'DATA',
      cell: (o) => String(Object.keys(o.data ?? {}).length + Object.keys(o.binaryData ?? {}).length),
    },
    ageColumn,
  ],
};
