/** Secret: like a ConfigMap, for what must not be shown. Its type says which keys it must have. */
import { type corev1, KINDS } from '../../proto/index.ts';
import { ageColumn, nameColumn } from './columns.ts';
import type { ResourceDefinition } from './definition.ts';
import { validateSecretType } from './secret-types.ts';
import { sortedKeys } from './sorted-keys.ts';
import { validateDataKeys, validateDataSize } from './validation/data.ts';
import { immutable, validateSealed } from './validation/immutable.ts';

/** `stringData` is for writing only: it is merged over `data` and never stored. */
function setDefaults(secret: corev1.Secret): void {
  secret.type ??= 'Opaque';
  if (secret.stringData === undefined) return;
  const written = Object.entries(secret.stringData).map(([key, text]) => [key, Buffer.from(text, 'utf8')] as const);
  const data = sortedKeys({ ...secret.data, ...Object.fromEntries(written) });
  if (Object.keys(data).length > 0) secret.data = data;
  delete secret.stringData;
}

/** The definition of Secret. */
export const secret: ResourceDefinition<corev1.Secret> = {
  type: KINDS.Secret,
  setDefaults,
  validate: (object) => [
    ...validateDataKeys('data', object.data),
    ...validateDataSize('data', object.data),
    ...validateSecretType(object),
  ],
  validateUpdate: (object, old) => [
    ...immutable('type', object.type, old.type),
    ...validateSealed(object, old, ['data']),
  ],
  columns: [
    nameColumn,
    { name: 'TYPE', cell: (o) => o.type ?? '' },
    { name: 'DATA', cell: (o) => String(Object.keys(o.data ?? {}).length) },
    ageColumn,
  ],
  selectableFields: { type: (o) => o.type ?? '' },
};
