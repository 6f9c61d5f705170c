import { encodeJson, isJsonObject, type JsonObject } from '../manifest/json-value.ts';
import { sortKeys } from '../output/sort-keys.ts';

/** Under which name an object keeps the configuration it was last applied from. */
export const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';

/** The object with itself as the configuration last applied, so that a later `apply` knows what it may remove. */
export function withLastApplied(object: JsonObject): JsonObject {
  const metadata = isJsonObject(object.metadata) ? object.metadata : {};
  const { [LAST_APPLIED]: _, ...annotations } = isJsonObject(metadata.annotations) ? metadata.annotations : {};
  const configuration = `${encodeJson(sortKeys({ ...object, metadata: { ...metadata, annotations } }))}\n`;
  return { ...object, metadata: { ...metadata, annotations: { ...annotations, [LAST_APPLIED]: configuration } } };
}
