import type { Json, KubeObject } from '../../../proto/index.ts';
import { jsonPatch } from '../../merge/json-patch.ts';
import { mergePatch } from '../../merge/merge-patch.ts';
import { strategicMergePatch } from '../../merge/strategic-merge.ts';
import { badRequest, modifiedConflict, notFound } from '../api-errors.ts';
import { requireName, type Target } from '../request/target.ts';
import { decodeServed, servedJson } from '../request/versions.ts';
import type { ApiServices } from '../services.ts';
import { parseVersion } from '../stored-object.ts';
import { type Current, guardedWrite } from './guarded-write.ts';
import { warningsAfter } from './prepare.ts';
import { decideReplacement } from './update.ts';
import type { WriteOutcome, WriteRequest } from './write-request.ts';

/** Objects of custom kinds have no merge keys to go by. */
const NO_STRATEGIC_PATCH =
  'the body of the request was in an unknown format - accepted media types include: application/json-patch+json, ' +
  'application/merge-patch+json, application/apply-patch+yaml (strategic merge patches are for built-in kinds only)';

/** A patch in one of Kubernetes' forms. */
export interface PatchBody {
  readonly type: 'json' | 'merge' | 'strategic';
  readonly patch: Json;
}

/**
 * Changes part of the object; computed again from the latest version when somebody else was faster, unless the patch
 * itself names a resourceVersion. Throws `BadRequest` for a patch that cannot be read or gives what is no object of the kind.
 */
export async function patchObject(
  services: ApiServices,
  request: WriteRequest,
  body: PatchBody,
): Promise<WriteOutcome> {
  const name = requireName(request.target);
  const { definition } = request.target;
  if (body.type !== 'json' && !isObject(body.patch)) throw badRequest('the patch is not a JSON object');
  if (body.type === 'strategic' && definition.custom !== undefined) throw badRequest(NO_STRATEGIC_PATCH);
  const outcome = await guardedWrite(services, request, name, (current) => {
    if (current === undefined) throw notFound(definition.type, name);
    const next = patched(request.target, current, body);
    const ifVersion = parseVersion(next.metadata?.resourceVersion);
    if (ifVersion !== undefined && ifVersion !== current.version) throw modifiedConflict(definition.type, name);
    return decideReplacement(services, request, { name, current, next });
  });
  return { ...outcome, warnings: warningsAfter(request, outcome.object) };
}

function patched(target: Target, current: Current, { type, patch }: PatchBody): KubeObject {
  const { messageName } = target.served.type;
  const live = servedJson(target, current.object);
  // A JSON patch may test or replace the version, so it must be there.
  const metadata = { ...(live.metadata as object), resourceVersion: String(current.version) };
  const patchable: Json = { ...live, metadata };
  const result =
    type === 'json'
      ? jsonPatch(patchable, patch)
      : type === 'merge'
        ? mergePatch(patchable, patch)
        : strategicMergePatch(messageName, patchable, patch);
  return decodeServed(target, result);
}

function isObject(json: Json): boolean {
  return typeof json === 'object' && json !== null && !Array.isArray(json);
}
