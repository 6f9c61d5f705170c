/** RuntimeClass: a way to run containers that pods can ask for by name. */
import type { ErrorCause } from '../../lib/errors.ts';
import { dnsLabel } from '../../lib/name-rules.ts';
import { joinPath, KINDS, type nodev1 } from '../../proto/index.ts';
import { ageColumn, nameColumn } from './columns.ts';
import type { ResourceDefinition } from './definition.ts';
import { validateResources } from './pod-spec/resources.ts';
import { validateTolerations } from './pod-spec/tolerations.ts';
import { byRule } from './validation/field-errors.ts';
import { immutable } from './validation/immutable.ts';
import { validateLabels } from './validation/labels.ts';

/** An absent handler is refused by the schema. */
function validate({ handler = '', overhead, scheduling }: nodev1.RuntimeClass): ErrorCause[] {
  const resources = validateResources({ limits: overhead?.podFixed }, 'overhead').map((cause) => ({
    ...cause,
    field: cause.field.replace(/^overhead\.limits/, 'overhead.podFixed'),
  }));
  return [
    ...(handler === '' ? [] : byRule('handler', handler, dnsLabel)),
    ...resources,
    ...validateLabels(scheduling?.nodeSelector, joinPath('scheduling', 'nodeSelector')),
    ...validateTolerations(scheduling?.tolerations ?? [], 'scheduling.tolerations'),
  ];
}

/** The definition of RuntimeClass. */
export const runtimeClass: ResourceDefinition<nodev1.RuntimeClass> = {
  type: KINDS.RuntimeClass,
  validate,
  validateUpdate: (object, old) => immutable('handler', object.handler, old.handler),
  columns: [nameColumn, { name: 'HANDLER', cell: (o) => o.handler ?? '' }, ageColumn],
};
