import { apiv1, type autoscalingv1, toJson } from '../../../proto/index.ts';
import { mergePatch } from '../../merge/merge-patch.ts';
import { badRequest } from '../api-errors.ts';
import { checkAccess } from '../authorization/check-access.ts';
import { getObject } from '../read/get.ts';
import { decodeJson, parseStrictly } from '../request/decode.ts';
import { resolveTarget } from '../request/target.ts';
import type { ApiServices } from '../services.ts';
import { checkFieldManager } from '../write/managed-fields/field-manager.ts';
import { type PatchBody, patchObject } from '../write/patch.ts';
import { SCALE_MESSAGE, scaleOf, updateScale } from '../write/scale.ts';
import type { WriteRequest } from '../write/write-request.ts';
import type { UnaryVerb } from './call.ts';
import { outputOf, writeReply } from './reply.ts';
import { scaleReply } from './scale-reply.ts';

const TYPES = new Map<apiv1.PatchType, PatchBody['type']>([
  [apiv1.PatchType.JSON, 'json'],
  [apiv1.PatchType.MERGE, 'merge'],
  [apiv1.PatchType.STRATEGIC, 'strategic'],
]);

/** Resources.Patch, also of the subresources `status` and `scale`. */
export function patchVerb(services: ApiServices): UnaryVerb<apiv1.PatchRequest> {
  return async (request, { caller, signal }) => {
    const target = resolveTarget(request.target, services.registry);
    await checkAccess(services, caller, { verb: 'patch', target, signal });
    const type = TYPES.get(request.type ?? apiv1.PatchType.UNSPECIFIED);
    if (type === undefined) throw badRequest('the request names no type of patch (JSON, MERGE or STRATEGIC)');
    const body = { type, patch: parseStrictly(request.patch ?? new Uint8Array(), 'patch') };
    const fieldManager = checkFieldManager('PatchOptions', request.fieldManager);
    const write: WriteRequest = { target, caller, dryRun: request.dryRun === true, fieldManager, signal };
    const output = outputOf(request.output);
    if (target.subresource === 'scale') {
      if (type === 'json') throw badRequest('the subresource "scale" takes merge patches only');
      const { object } = await getObject(services, target, signal);
      const current = toJson(SCALE_MESSAGE, scaleOf(target, object ?? {}));
      const wanted = decodeJson<autoscalingv1.Scale>(SCALE_MESSAGE, mergePatch(current, body.patch));
      return scaleReply(scaleOf(target, (await updateScale(services, write, wanted)).object), output);
    }
    return writeReply(target, await patchObject(services, write, body), output);
  };
}
