/** ControllerRevision: a past state of a workload's template. */
import type { ErrorCause } from '../../lib/errors.ts';
import { type appsv1, KINDS, type KubeObject } from '../../proto/index.ts';
import { ageColumn, NONE, nameColumn } from './columns.ts';
import type { ResourceDefinition } from './definition.ts';
import { invalid, notNegative, required } from './validation/field-errors.ts';
import { immutable } from './validation/immutable.ts';

function validate({ data, revision }: appsv1.ControllerRevision): ErrorCause[] {
  const causes = notNegative('revision', revision);
  if (data === undefined) causes.push(required('data', 'data is mandatory'));
  else if (!data.trimStart().startsWith('{')) causes.push(invalid('data', parsed(data), 'must be an object'));
  return causes;
}

function parsed(data: string | undefined): unknown {
  return data === undefined ? undefined : JSON.parse(data);
}

/** Who manages the object: `statefulset.apps/web`. */
function controllerCell(object: KubeObject): string {
  const owner = object.metadata?.ownerReferences?.find((reference) => reference.controller === true);
  if (owner === undefined) return NONE;
  const [group = ''] = (owner.apiVersion ?? '').includes('/') ? (owner.apiVersion ?? '').split('/') : [];
  return `${(owner.kind ?? '').toLowerCase()}${group === '' ? '' : `.${group}`}/${owner.name ?? ''}`;
}

/** The definition of ControllerRevision. */
export const controllerRevision: ResourceDefinition<appsv1.ControllerRevision> = {
  type: KINDS.ControllerRevision,
  validate,
  validateUpdate: (object, old) => immutable('data', parsed(object.data), parsed(old.data)),
  columns: [
    nameColumn,
    { name: 'CONTROLLER', cell: controllerCell },
    { name: 'REVISION', cell: (o) => String(o.revision ?? 0) },
    ageColumn,
  ],
};
