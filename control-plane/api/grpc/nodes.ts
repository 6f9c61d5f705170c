import { ApiError } from '../../../lib/errors.ts';
import { joinv1 } from '../../../proto/index.ts';
import { nodeOfCaller } from '../authorization/authorize.ts';
import { checkClusterAccess } from '../authorization/check-access.ts';
import type { NodeSigner } from '../join/node-certificates.ts';
import type { ApiServices } from '../services.ts';
import type { UnaryVerb } from './call.ts';

/** What the Nodes service answers with. */
export interface NodesParts {
  readonly settings: () => joinv1.NodeSettingsReply;
  readonly signer: NodeSigner;
}

/** Nodes.Settings */
export function settingsVerb(services: ApiServices, { settings }: NodesParts): UnaryVerb<joinv1.NodeSettingsRequest> {
  return async (_request, { caller }) => {
    checkClusterAccess(services, caller, 'get');
    return joinv1.NodeSettingsReply.encode(settings()).finish();
  };
}

/** Nodes.RenewCertificate: for the node whose certificate the call is made with, and no other. */
export function renewVerb({ signer }: NodesParts): UnaryVerb<joinv1.RenewCertificateRequest> {
  return async (request, { caller }) => {
    const node = nodeOfCaller(caller);
    if (node === undefined) {
      throw new ApiError('Forbidden', `User "${caller.user}" cannot renew the certificate of a node: it is none`);
    }
    const certificate = await signer.sign(node, request.certificateRequest ?? '');
    return joinv1.RenewCertificateReply.encode({ certificate, ca: signer.ca }).finish();
  };
}
