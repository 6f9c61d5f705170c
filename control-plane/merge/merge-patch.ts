/** JSON merge patch, RFC 7386. */
import type { Json, JsonObject } from '../../proto/index.ts';
import { asObject, isObject, member, setMember } from './json-value.ts';

/**
 * `target` with `patch` laid over it: objects merge, null removes, anything else replaces. Neither argument is changed; the
 * result may share parts with both.
 */
export function mergePatch(target: Json, patch: Json): Json {
  if (!isObject(patch)) return patch;
  const out: JsonObject = { ...asObject(target) };
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete out[key];
    else setMember(out, key, mergePatch(member(out, key) ?? null, value));
  }
  return out;
}
