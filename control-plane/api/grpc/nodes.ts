import { ApiError } from '../../../lib/errors.ts';
import { NODE_USER_PREFIX, NODES_GROUP } from '../../../lib/pki-names.ts';
import { joinv1 } from '../../../proto/index.ts';
import type { NodeSigner } from '../join/node-certificates.ts';
import type { Caller } from '../request/caller.ts';
import type { CallContext, UnaryVerb } from './call.ts';
import { checkClusterAccess } from './call.ts';

/** What the Nodes service answers with. */
export interface NodesParts {
  readonly settings: () => joinv1.NodeSettingsReply;
  readonly signer: NodeSigner;
}

/** Nodes.Settings */
export function settingsVerb({ settings }: NodesParts): UnaryVerb<joinv1.NodeSettingsRequest> {
  return async (_request, { caller }) => {
    checkClusterAccess(caller, 'get');
    return joinv1.NodeSettingsReply.encode(settings()).finish();
  };
}

/** Nodes.RenewCertificate: for the node whose certificate the call is made with, and no other. */
export function renewVerb({ signer }: NodesParts): UnaryVerb<joinv1.RenewCertificateRequest> {
  return async (request, { caller }: CallContext) => {
    const node = nodeOf(caller);
    if (node === undefined) {
      throw new ApiError('Forbidden', `User "${caller.user}" cannot renew the certificate of a node: it is none`);
    }
    const certificate = await signer.sign(node, request.certificateRequest ?? '');
    return joinv1.RenewCertificateReply.encode({ certificate, ca: signer.ca }).finish();
  };
}

function nodeOf({ user, groups }: Caller): string | undefined {
  const isNode = groups.includes(NODES_GROUP) && user.startsWith(NODE_USER_PREFIX);
  return isNode ? user.slice(NODE_USER_PREFIX.length) : undefined;
}
