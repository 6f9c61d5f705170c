/** Lease: a claim that its holder renews: a node's heartbeat, a leader's term. */
import type { ErrorCause } from '../../lib/errors.ts';
import { type coordinationv1, KINDS } from '../../proto/index.ts';
import { ageColumn, nameColumn } from './columns.ts';
import type { ResourceDefinition } from './definition.ts';
import { invalid, notNegative } from './validation/field-errors.ts';

function validate({ spec }: coordinationv1.Lease): ErrorCause[] {
  const seconds = spec?.leaseDurationSeconds;
  return [
    ...(seconds !== undefined && seconds <= 0
      ? [invalid('spec.leaseDurationSeconds', seconds, 'must be greater than 0')]
      : []),
    ...notNegative('spec.leaseTransitions', spec?.leaseTransitions),
  ];
}

/** The definition of Lease. */
export const lease: ResourceDefinition<coordinationv1.Lease> = {
  type: KINDS.Lease,
  validate,
  columns: [nameColumn, { name: 'HOLDER', cell: (o) => o.spec?.holderIdentity ?? '' }, ageColumn],
};
