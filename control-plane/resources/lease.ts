/** Lease: a claim that its holder renews: a node's heartbeat, a leader's term. */
import { type coordinationv1, KINDS } from '../../proto/index.ts';
import { ageColumn, nameColumn } from './columns.ts';
import type { ResourceDefinition } from './definition.ts';

/** The definition of Lease. */
export const lease: ResourceDefinition<coordinationv1.Lease> = {
  type: KINDS.Lease,
  columns: [nameColumn, { name: 'HOLDER', cell: (o) => o.spec?.holderIdentity ?? '' }, ageColumn],
};
