import { apiv1 } from '../../../proto/index.ts';
import { badRequest } from '../api-errors.ts';
import { checkAccess } from '../authorization/check-access.ts';
import { resolveTarget } from '../request/target.ts';
import type { ApiServices } from '../services.ts';
import { deleteObject } from '../write/delete.ts';
import { deleteCollection } from '../write/delete-collection.ts';
import type { UnaryVerb } from './call.ts';
import { identityOf, outputOf, writeReply } from './reply.ts';

/** Resources.Delete */
export function deleteVerb(services: ApiServices): UnaryVerb<apiv1.DeleteRequest> {
  return async (request, { caller }) => {
    const target = resolveTarget(request.target, services.registry);
    await checkAccess(services, caller, { verb: 'delete', target });
    if (target.subresource !== '') throw badRequest(`the subresource "${target.subresource}" cannot be deleted`);
    const write = { target, caller, dryRun: request.dryRun === true };
    const outcome = await deleteObject(services, write, {
      propagationPolicy: request.propagationPolicy ?? '',
      gracePeriodSeconds: request.gracePeriodSeconds,
      uid: request.uid,
      resourceVersion: request.resourceVersion,
    });
    return writeReply(target, outcome, outputOf(request.output));
  };
}

/** Resources.DeleteCollection */
export function deleteCollectionVerb(services: ApiServices): UnaryVerb<apiv1.DeleteCollectionRequest> {
  return async (request, { caller, signal }) => {
    const target = resolveTarget(request.target, services.registry);
    await checkAccess(services, caller, { verb: 'deletecollection', target });
    if (target.subresource !== '') throw badRequest(`the subresource "${target.subresource}" cannot be deleted`);
    if (target.name !== '') throw badRequest('the deletion of a collection names no object');
    const { deleted, continueText } = await deleteCollection(
      services,
      { target, caller, dryRun: request.dryRun === true, signal },
      {
        selectors: {
          labelSelector: request.labelSelector ?? '',
          fieldSelector: request.fieldSelector ?? '',
          limit: request.limit ?? 0,
          continueText: request.continue ?? '',
        },
        deletion: {
          propagationPolicy: request.propagationPolicy ?? '',
          gracePeriodSeconds: request.gracePeriodSeconds,
          uid: request.uid,
          resourceVersion: request.resourceVersion,
        },
      },
    );
    const identities = deleted.map((object) => identityOf(target.served.type, object));
    return apiv1.DeleteCollectionReply.encode({ deleted: identities, continue: continueText }).finish();
  };
}
