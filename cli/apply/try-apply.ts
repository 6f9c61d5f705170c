import type { ApiClient, ApplyFlags, ResourceTarget, WriteResult } from '../api/api-client.ts';
import { encodeJson } from '../manifest/json-value.ts';
import type { Manifest } from '../manifest/manifest.ts';
import { isUnknownKind, type ObjectSet } from './object-set.ts';

/**
 * Applies an object of a set as a server-side dry run: what the set will make counts as being there, its kinds too. Gives
 * undefined when the object's kind is defined by the set, but by a definition that the server does not accept.
 */
export async function tryApply(
  api: ApiClient,
  { target, manifest, set }: { readonly target: ResourceTarget; readonly manifest: Manifest; readonly set: ObjectSet },
  flags: ApplyFlags,
): Promise<WriteResult | undefined> {
  const json = encodeJson(manifest.value);
  const attempt: ApplyFlags = { ...flags, dryRun: true, assumed: set.assumed };
  const assumedDefinitions = set.definitionsOf(manifest).map((definition) => encodeJson(definition.value));
  try {
    return await api.apply(target, json, attempt);
  } catch (err) {
    if (!isUnknownKind(err) || assumedDefinitions.length === 0) throw err;
  }
  try {
    return await api.apply(target, json, { ...attempt, assumedDefinitions });
  } catch (err) {
    if (!isUnknownKind(err)) throw err;
    return undefined;
  }
}
