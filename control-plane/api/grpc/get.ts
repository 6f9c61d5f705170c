import type { apiv1 } from '../../../proto/index.ts';
import { badRequest } from '../api-errors.ts';
import { checkAccess } from '../authorization/check-access.ts';
import { getObject } from '../read/get.ts';
import { resolveTarget } from '../request/target.ts';
import { servedEncoding } from '../request/versions.ts';
import type { ApiServices } from '../services.ts';
import { scaleOf } from '../write/scale.ts';
import type { UnaryVerb } from './call.ts';
import { objectReply, outputOf } from './reply.ts';
import { scaleReply } from './scale-reply.ts';

/** Subresources that are read as the object itself. */
const WHOLE: ReadonlySet<string> = new Set(['', 'status', 'approval', 'ephemeralcontainers']);

/** Resources.Get */
export function getVerb(services: ApiServices): UnaryVerb<apiv1.GetRequest> {
  return async (request, { caller, signal }) => {
    const target = resolveTarget(request.target, services.registry);
    await checkAccess(services, caller, { verb: 'get', target, signal });
    const { subresource } = target;
    const entry = await getObject(services, target, signal);
    if (entry.object === undefined) throw new Error(`the stored object ${entry.key} cannot be decoded`);
    if (subresource === 'scale') return scaleReply(scaleOf(target, entry.object), outputOf(request.output));
    if (!WHOLE.has(subresource)) throw badRequest(`the subresource "${subresource}" cannot be read`);
    return objectReply(
      {
        definition: target.served,
        ...servedEncoding(target, { object: entry.object, bytes: entry.value }),
        version: entry.version,
        rowObject: request.rowObject,
      },
      outputOf(request.output),
    );
  };
}
