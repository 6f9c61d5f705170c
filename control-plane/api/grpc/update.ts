import { type apiv1, autoscalingv1 } from '../../../proto/index.ts';
import { checkAccess } from '../authorization/check-access.ts';
import { decodePayload } from '../request/decode.ts';
import { resolveTarget } from '../request/target.ts';
import type { ApiServices } from '../services.ts';
import { checkFieldManager } from '../write/managed-fields/field-manager.ts';
import { SCALE_MESSAGE, scaleOf, updateScale } from '../write/scale.ts';
import { updateObject } from '../write/update.ts';
import type { WriteRequest } from '../write/write-request.ts';
import type { UnaryVerb } from './call.ts';
import { decodeObject } from './create.ts';
import { outputOf, writeReply } from './reply.ts';
import { scaleReply } from './scale-reply.ts';

/** Resources.Update, also of the subresources `status` and `scale`. */
export function updateVerb(services: ApiServices): UnaryVerb<apiv1.WriteRequest> {
  return async (request, { caller }) => {
    const target = resolveTarget(request.target, services.registry);
    await checkAccess(services, caller, { verb: 'update', target });
    const fieldManager = checkFieldManager('UpdateOptions', request.fieldManager);
    const write: WriteRequest = { target, caller, dryRun: request.dryRun === true, fieldManager };
    const output = outputOf(request.output);
    if (target.subresource === 'scale') {
      const wanted = decodePayload(request, SCALE_MESSAGE, (bytes) => autoscalingv1.Scale.decode(bytes), false);
      const outcome = await updateScale(services, write, wanted);
      return scaleReply(scaleOf(target, outcome.object), output);
    }
    const outcome = await updateObject(services, write, decodeObject(target, request, caller));
    return writeReply(target, outcome, output);
  };
}
