import { isIP } from 'node:net';
import { ChannelCredentials, Client } from '@grpc/grpc-js';
import { ApiError } from '../../../lib/errors.ts';
import type { KeyPairPem } from '../../../lib/pki.ts';
import { type corev1, KINDS } from '../../../proto/index.ts';
import { objectKey } from '../keys.ts';
import type { ApiServices } from '../services.ts';

/** How the server proves itself to agents. */
export interface AgentCredentials {
  readonly ca: string;
  readonly client: KeyPairPem;
}

/** Connections to agents, one for each address, made when first needed and kept. */
export class AgentCalls {
  readonly #credentials: ChannelCredentials;
  readonly #clients = new Map<string, Client>();

  constructor({ ca, client }: AgentCredentials) {
    this.#credentials = ChannelCredentials.createSsl(
      Buffer.from(ca),
      Buffer.from(client.key),
      Buffer.from(client.cert),
    );
  }

  /** The connection to the agent of `node`. Throws `ServiceUnavailable` when it has not said where it listens. */
  clientFor(services: ApiServices, node: string): Client {
    const entry = services.cache.get(objectKey(KINDS.Node, undefined, node));
    const address = entry?.object === undefined ? undefined : agentAddress(entry.object);
    if (address === undefined) {
      throw new ApiError(
        'ServiceUnavailable',
        `Cannot reach the agent of node "${node}": the node has not reported its address`,
      );
    }
    // The certificate names the node, not only its addresses, which may change.
    const key = `${node} ${address}`;
    let client = this.#clients.get(key);
    if (client === undefined) {
      client = new Client(address, this.#credentials, {
        'grpc.ssl_target_name_override': node,
        'grpc.default_authority': node,
        'grpc.max_receive_message_length': -1,
        // Only while somebody waits for a log or a command: who sits before it is not to wait for long.
        'grpc.keepalive_time_ms': 5_000,
        'grpc.keepalive_timeout_ms': 5_000,
        'grpc.initial_reconnect_backoff_ms': 100,
        'grpc.max_reconnect_backoff_ms': 2_000,
      });
      this.#clients.set(key, client);
    }
    return client;
  }

  /** Closes all connections. */
  close(): void {
    for (const client of this.#clients.values()) client.close();
    this.#clients.clear();
  }
}

/** Where a node's agent listens, by the node's status; undefined when it does not say. */
export function agentAddress(node: corev1.Node): string | undefined {
  const port = node.status?.daemonEndpoints?.kubeletEndpoint?.Port;
  const address = node.status?.addresses?.find(({ type }) => type === 'InternalIP')?.address;
  if (port === undefined || port === 0 || address === undefined) return undefined;
  return isIP(address) === 6 ? `[${address}]:${port}` : `${address}:${port}`;
}
