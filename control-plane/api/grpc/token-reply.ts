import { apiv1, authenticationv1, toJson } from '../../../proto/index.ts';
import { TOKEN_REQUEST_MESSAGE } from '../write/token.ts';

/** The reply to a request for a token. */
export function tokenReply(request: authenticationv1.TokenRequest, output: apiv1.Output): Uint8Array {
  const { name, namespace } = request.metadata ?? {};
  const reply: apiv1.ObjectReply = {
    action: apiv1.Action.CREATED,
    identity: {
      group: 'authentication.k8s.io',
      version: 'v1',
      kind: 'TokenRequest',
      plural: 'tokenrequests',
      singular: 'tokenrequest',
      namespaced: true,
      namespace,
      name,
    },
  };
  if (output === apiv1.Output.JSON) reply.json = Buffer.from(JSON.stringify(toJson(TOKEN_REQUEST_MESSAGE, request)));
  else if (output !== apiv1.Output.NONE) {
    const value = Buffer.from(authenticationv1.TokenRequest.encode(request).finish());
    reply.object = { typeUrl: `type.googleapis.com/${TOKEN_REQUEST_MESSAGE}`, value };
  }
  return apiv1.ObjectReply.encode(reply).finish();
}
