/** ServiceAccount: an identity for the programs in pods, and the registry credentials they share. */
import { type corev1, KINDS } from '../../proto/index.ts';
import { ageColumn, nameColumn } from './columns.ts';
import type { ResourceDefinition } from './definition.ts';

/** The definition of ServiceAccount. */
export const serviceAccount: ResourceDefinition<corev1.ServiceAccount> = {
  type: KINDS.ServiceAccount,
  subresources: { token: true },
  columns: [nameColumn, { name: 'SECRETS', cell: (o) => String(o.secrets?.length ?? 0) }, ageColumn],
};
