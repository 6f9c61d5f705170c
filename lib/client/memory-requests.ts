/** How the API in memory reads selectors and patches. */
import rfc6902 from 'rfc6902';
import type { Json, JsonObject } from '../../proto/index.ts';
import { ApiError } from '../errors.ts';
import { matchesFields, matchesLabels, parseFieldSelector, parseLabelSelector } from '../selectors.ts';
import type { Matcher } from './memory-history.ts';
import { fieldValue } from './memory-rules.ts';
import type { Patch, SelectOptions } from './resource-client.ts';

/** The test of a list's or watch's selectors. Throws `BadRequest` for ones that cannot be read. */
export function matcher(options: SelectOptions): Matcher {
  const labels = parseLabelSelector(options.labelSelector ?? '');
  const fields = parseFieldSelector(options.fieldSelector ?? '');
  return (object) =>
    (options.namespace === undefined || object.metadata?.namespace === options.namespace) &&
    matchesLabels(labels, object.metadata?.labels) &&
    matchesFields(fields, (path) => fieldValue(object, path));
}

/** `json` after the patch. Throws `Invalid` when it cannot be applied. */
export function patched(json: JsonObject, patch: Patch): Json {
  if (patch.type === 'merge') return merged(json, patch.body);
  if (patch.type === 'json') {
    const target = structuredClone(json);
    const failure = rfc6902.applyPatch(target, patch.body as unknown as rfc6902.Operation[]).find((e) => e !== null);
    if (failure !== undefined) throw new ApiError('Invalid', `Cannot apply the JSON patch: ${failure.message}`);
    return target;
  }
  throw new ApiError('BadRequest', 'Cannot patch in memory: strategic merge patches are not simulated');
}

/** RFC 7396. */
function merged(target: Json | undefined, patch: Json): Json {
  if (patch === null || typeof patch !== 'object' || Array.isArray(patch)) return patch;
  const base = target !== null && typeof target === 'object' && !Array.isArray(target) ? target : {};
  const out: JsonObject = { ...base };
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete out[key];
    else out[key] = merged(out[key], value);
  }
  return out;
}
