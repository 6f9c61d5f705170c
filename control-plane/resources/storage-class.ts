/** StorageClass: who makes volumes for claims, and how. */
import type { ErrorCause } from '../../lib/errors.ts';
import { qualifiedName } from '../../lib/name-rules.ts';
import { type corev1, KINDS, type storagev1 } from '../../proto/index.ts';
import { ageColumn } from './columns.ts';
import type { ResourceDefinition } from './definition.ts';
import { duplicate, forbidden, invalid, shown, tooLong, tooMany } from './validation/field-errors.ts';
import { immutable } from './validation/immutable.ts';
import { isSameMap } from './validation/maps.ts';

const MAX_PARAMETERS = 512;
const MAX_PARAMETERS_BYTES = 256 * 1024;
/** Marks the class that claims without one get; the second name is the older one. */
const IS_DEFAULT = [
  'storageclass.kubernetes.io/is-default-class',
  'storageclass.beta.kubernetes.io/is-default-class',
] as const;

/** Whether claims that name no class get this one. */
function isDefaultClass(object: storagev1.StorageClass): boolean {
  return IS_DEFAULT.some((name) => object.metadata?.annotations?.[name] === 'true');
}

function validate(object: storagev1.StorageClass): ErrorCause[] {
  const { allowedTopologies = [], parameters = {}, provisioner = '' } = object;
  return [
    ...(provisioner === ''
      ? []
      : qualifiedName(provisioner.toLowerCase()).map((problem) => invalid('provisioner', provisioner, problem))),
    ...validateParameters(parameters),
    ...validateTopologies(allowedTopologies, 'allowedTopologies'),
  ];
}

function validateParameters(parameters: Readonly<Record<string, string>>): ErrorCause[] {
  const entries = Object.entries(parameters);
  if (entries.length > MAX_PARAMETERS) return [tooMany('parameters', entries.length, MAX_PARAMETERS)];
  const bytes = entries.reduce((sum, [key, value]) => sum + Buffer.byteLength(key) + Buffer.byteLength(value), 0);
  return [
    ...(Object.hasOwn(parameters, '') ? [invalid('parameters', '', 'field can not be empty')] : []),
    ...(bytes > MAX_PARAMETERS_BYTES ? [tooLong('parameters', MAX_PARAMETERS_BYTES)] : []),
  ];
}

function validateTopologies(terms: readonly corev1.TopologySelectorTerm[], path: string): ErrorCause[] {
  const seen = new Set<string>();
  return terms.flatMap(({ matchLabelExpressions = [] }, i) => {
    const at = `${path}[${i}]`;
    const text = JSON.stringify(matchLabelExpressions);
    const causes = seen.has(text) ? [duplicate(`${at}.matchLabelExpressions`, '')] : [];
    seen.add(text);
    return [...causes, ...validateTerm(matchLabelExpressions, `${at}.matchLabelExpressions`)];
  });
}

function validateTerm(expressions: readonly corev1.TopologySelectorLabelRequirement[], path: string): ErrorCause[] {
  const keys = new Set<string>();
  return expressions.flatMap(({ key = '', values = [] }, i) => {
    const causes = key === '' ? [] : qualifiedName(key).map((problem) => invalid(`${path}[${i}].key`, key, problem));
    if (keys.has(key)) causes.push(duplicate(`${path}[${i}].key`, key));
    keys.add(key);
    const first = new Map(values.map((value, at) => [value, at] as const).reverse());
    const twice = values.flatMap((value, j) =>
      first.get(value) === j ? [] : [duplicate(`${path}[${i}].values[${j}]`, value)],
    );
    return [...causes, ...twice];
  });
}

/** Volumes that exist were made as the class said: that stays. */
function validateUpdate(object: storagev1.StorageClass, old: storagev1.StorageClass): ErrorCause[] {
  const causes: ErrorCause[] = [];
  if (!isSameMap(object.parameters, old.parameters))
    causes.push(fixed('parameters', object.parameters, old.parameters));
  for (const name of ['provisioner', 'reclaimPolicy'] as const) {
    if (object[name] !== old[name]) causes.push(fixed(name, object[name], old[name]));
  }
  return [...causes, ...immutable('volumeBindingMode', object.volumeBindingMode, old.volumeBindingMode)];
}

function fixed(field: string, value: unknown, old: unknown): ErrorCause {
  const change = `it was ${shown(old ?? null)} and would be ${shown(value ?? null)}`;
  return forbidden(field, `updates to ${field} are forbidden; ${change}`);
}

/** The definition of StorageClass. */
export const storageClass: ResourceDefinition<storagev1.StorageClass> = {
  type: KINDS.StorageClass,
  setDefaults: (object) => {
    object.reclaimPolicy ??= 'Delete';
    object.volumeBindingMode ??= 'Immediate';
  },
  validate,
  validateUpdate,
  columns: [
    { name: 'NAME', cell: (o) => `${o.metadata?.name ?? ''}${isDefaultClass(o) ? ' (default)' : ''}` },
    { name: 'PROVISIONER', cell: (o) => o.provisioner ?? '' },
    { name: 'RECLAIMPOLICY', cell: (o) => o.reclaimPolicy ?? '' },
    { name: 'VOLUMEBINDINGMODE', cell: (o) => o.volumeBindingMode ?? '' },
    { name: 'ALLOWVOLUMEEXPANSION', cell: (o) => String(o.allowVolumeExpansion ?? false) },
    ageColumn,
  ],
};
