/** Certificates for nodes: what the CA signs for whom. */
import { isIP } from 'node:net';
import { ApiError, errorMessage } from '../../../lib/errors.ts';
import { dnsSubdomain } from '../../../lib/name-rules.ts';
import { type ClusterPki, SERVER_NAME } from '../../../lib/pki.ts';
import { badRequest } from '../api-errors.ts';

/** Signs for nodes. */
export interface NodeSigner {
  /** The cluster's CA, PEM. */
  readonly ca: string;
  /** A certificate, PEM, for the key of a request and the name of a node. Throws `BadRequest`. */
  sign(nodeName: string, request: string): Promise<string>;
}

/** Signs with the cluster's CA, for `lifeMs` each. */
export function nodeSigner(pki: Pick<ClusterPki, 'ca' | 'signNodeRequest'>, lifeMs: number): NodeSigner {
  return {
    ca: pki.ca,
    sign: async (nodeName, request) => {
      try {
        return await pki.signNodeRequest(nodeName, request, lifeMs);
      } catch (err) {
        throw new ApiError(
          'BadRequest',
          `Cannot sign the certificate request of node "${nodeName}": ${errorMessage(err)}`,
          {
            cause: err,
          },
        );
      }
    },
  };
}

/** Throws `BadRequest` for what no node may be called. */
export function checkNodeName(nodeName: string): void {
  const [problem] = dnsSubdomain(nodeName);
  if (problem !== undefined) throw badRequest(`Cannot join: invalid node name "${nodeName}": ${problem}`);
  if (isIP(nodeName) !== 0) throw badRequest(`Cannot join: invalid node name "${nodeName}": it is an address`);
  if (nodeName === SERVER_NAME) {
    throw badRequest(`Cannot join: invalid node name "${nodeName}": only servers have that name`);
  }
}
