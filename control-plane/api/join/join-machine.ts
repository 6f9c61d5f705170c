import type { joinv1 } from '../../../proto/index.ts';
import type { ApiServices } from '../services.ts';
import { checkToken } from './bootstrap-token.ts';
import { checkClock } from './clock-check.ts';
import { refuseLivingName } from './living-node.ts';
import { checkNodeName, type NodeSigner } from './node-certificates.ts';

/** What joining needs of the server. */
export interface JoinParts {
  readonly services: ApiServices;
  readonly signer: NodeSigner;
  /** `host:port` of the API of every server known. */
  readonly servers: () => string[];
}

/** A machine that may be a node, and what let it in. */
export interface Joined {
  readonly reply: joinv1.JoinReply;
  /** The public part of the token. */
  readonly tokenId: string;
}

/**
 * Makes a machine with a good token a node: signs its key. Nothing is stored; the Node is made by its agent. Throws
 * `Unauthorized` (the token), `BadRequest` (name, clock, request), `Conflict` (a living node has the name).
 */
export async function joinMachine(parts: JoinParts, request: joinv1.JoinRequest, signal: AbortSignal): Promise<Joined> {
  const { services, signer } = parts;
  const { token = '', nodeName = '', certificateRequest = '', machineId = '', clockMs = 0 } = request;
  // A token made a moment ago on another server counts.
  await services.cache.catchUp(signal);
  const tokenId = checkToken(services, token);
  checkClock(clockMs, services.now());
  checkNodeName(nodeName);
  await refuseLivingName(services, { nodeName, machineId }, signal);
  const certificate = await signer.sign(nodeName, certificateRequest);
  return { reply: { ca: signer.ca, certificate, servers: parts.servers() }, tokenId };
}
