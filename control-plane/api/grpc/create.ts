import { NODES_GROUP } from '../../../lib/pki-names.ts';
import { type apiv1, authenticationv1, corev1, type KubeObject, policyv1 } from '../../../proto/index.ts';
import { checkNodeToken } from '../admission/node-restriction.ts';
import { badRequest } from '../api-errors.ts';
import { checkAccess } from '../authorization/check-access.ts';
import type { Caller } from '../request/caller.ts';
import { decodePayload, hasPayload } from '../request/decode.ts';
import { requireName, resolveTarget, type Target } from '../request/target.ts';
import { toStored } from '../request/versions.ts';
import type { ApiServices } from '../services.ts';
import { bindPod } from '../write/bind.ts';
import { createObject } from '../write/create.ts';
import { evictPod } from '../write/evict.ts';
import { checkFieldManager } from '../write/managed-fields/field-manager.ts';
import { requestToken, TOKEN_REQUEST_MESSAGE } from '../write/token.ts';
import type { WriteOutcome, WriteRequest } from '../write/write-request.ts';
import type { UnaryVerb } from './call.ts';
import { outputOf, writeReply } from './reply.ts';
import { tokenReply } from './token-reply.ts';

/** Resources.Create, also of the subresources `binding`, `eviction` and `token`. */
export function createVerb(services: ApiServices): UnaryVerb<apiv1.WriteRequest> {
  return async (request, { caller }) => {
    const target = resolveTarget(request.target, services.registry);
    await checkAccess(services, caller, { verb: 'create', target });
    const fieldManager = checkFieldManager('CreateOptions', request.fieldManager);
    const write: WriteRequest = { target, caller, dryRun: request.dryRun === true, fieldManager };
    if (target.subresource === 'token') {
      const wanted = hasPayload(request)
        ? decodePayload(request, TOKEN_REQUEST_MESSAGE, (b) => authenticationv1.TokenRequest.decode(b), false)
        : {};
      checkNodeToken(services, caller, { target, wanted });
      return tokenReply(await requestToken(services, write, wanted), outputOf(request.output));
    }
    const outcome = await carryOut(services, write, request);
    return writeReply(target, outcome, outputOf(request.output));
  };
}

async function carryOut(
  services: ApiServices,
  write: WriteRequest,
  request: apiv1.WriteRequest,
): Promise<WriteOutcome> {
  const { target } = write;
  switch (target.subresource) {
    case '':
      return createObject(services, write, decodeObject(target, request, write.caller));
    case 'binding':
      return bind(services, write, request);
    case 'eviction':
      return evict(services, write, request);
    default:
      throw badRequest(`the subresource "${target.subresource}" cannot be created`);
  }
}

/** The object of a write, decoded strictly as the version the request speaks, in the stored version. */
export function decodeObject(target: Target, request: apiv1.WriteRequest, caller: Caller): KubeObject {
  if (!hasPayload(request)) throw badRequest('the request carries no object');
  const { messageName, message } = target.served.type;
  const decoded = decodePayload(request, messageName, (bytes) => message.decode(bytes), keepsUnknownFields(caller));
  return toStored(target, decoded);
}

/** Agents may be newer or older than the server; what they know and we do not must survive. People's mistakes must not. */
function keepsUnknownFields(caller: Caller): boolean {
  return caller.internal || caller.groups.includes(NODES_GROUP);
}

async function bind(services: ApiServices, write: WriteRequest, request: apiv1.WriteRequest): Promise<WriteOutcome> {
  const name = requireName(write.target);
  const binding = decodePayload(request, 'skiff.core.v1.Binding', (bytes) => corev1.Binding.decode(bytes), false);
  const node = binding.target?.name ?? '';
  if (node === '') throw badRequest('target.name: Required value: a binding names a node');
  const { namespace } = write.target;
  const uid = binding.metadata?.uid ?? '';
  const { caller, dryRun } = write;
  return bindPod(services, { namespace, name, uid, node }, { caller, dryRun });
}

async function evict(services: ApiServices, write: WriteRequest, request: apiv1.WriteRequest): Promise<WriteOutcome> {
  const eviction = hasPayload(request)
    ? decodePayload(request, 'skiff.policy.v1.Eviction', (bytes) => policyv1.Eviction.decode(bytes), false)
    : {};
  const name = requireName(write.target);
  const { metadata, deleteOptions } = eviction;
  if ((metadata?.name ?? '') !== '' && metadata?.name !== name) {
    throw badRequest('name in URL does not match name in Eviction object');
  }
  const dryRun = write.dryRun || (deleteOptions?.dryRun ?? []).includes('All');
  const deletion = {
    propagationPolicy: deleteOptions?.propagationPolicy ?? '',
    gracePeriodSeconds: deleteOptions?.gracePeriodSeconds,
    uid: deleteOptions?.preconditions?.uid,
    resourceVersion: deleteOptions?.preconditions?.resourceVersion,
  };
  return evictPod(services, { ...write, dryRun }, { name, deletion });
}
