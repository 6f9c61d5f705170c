/** Calls to the agents of other nodes, as this node. */
import { isIP } from 'node:net';
import { ChannelCredentials, Client } from '@grpc/grpc-js';
import type { corev1 } from '../../proto/index.ts';
import { peersv1 } from '../../proto/index.ts';
import type { PeerAgents, PodRef } from '../pods/withdrawals.ts';

/** This node's certificate, PEM; read anew for each connection, since it is renewed. */
export type ReadCredentials = () => { readonly ca: string; readonly cert: string; readonly key: string };

/** One connection for each node, made when first needed and kept. */
export class GrpcPeerAgents implements PeerAgents {
  readonly #read: ReadCredentials;
  readonly #clients = new Map<string, Client>();

  constructor(read: ReadCredentials) {
    this.#read = read;
  }

  awaitWithdrawn(
    node: corev1.Node,
    pod: PodRef,
    { waitMs, signal }: { readonly waitMs: number; readonly signal: AbortSignal },
  ): Promise<boolean> {
    const client = this.#clientFor(node);
    if (client === undefined || signal.aborted) return Promise.resolve(false);
    const { path, requestSerialize, responseDeserialize } = peersv1.PeersService.awaitWithdrawn;
    return new Promise((resolve) => {
      const call = client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        { ...pod, waitMs },
        { deadline: Date.now() + waitMs + 500 },
        (err, reply) => {
          signal.removeEventListener('abort', cancel);
          resolve(err === null && reply?.withdrawn === true);
        },
      );
      const cancel = (): void => call.cancel();
      signal.addEventListener('abort', cancel, { once: true });
    });
  }

  /** Closes all connections. */
  close(): void {
    for (const client of this.#clients.values()) client.close();
    this.#clients.clear();
  }

  #clientFor(node: corev1.Node): Client | undefined {
    const name = node.metadata?.name ?? '';
    const ip = node.status?.addresses?.find(({ type }) => type === 'InternalIP')?.address;
    const port = node.status?.daemonEndpoints?.kubeletEndpoint?.Port ?? 0;
    if (ip === undefined || port === 0) return undefined;
    const address = isIP(ip) === 6 ? `[${ip}]:${port}` : `${ip}:${port}`;
    const { ca, cert, key } = this.#read();
    const id = `${name} ${address} ${cert}`;
    let client = this.#clients.get(id);
    if (client === undefined) {
      this.#dropOthers(`${name} `);
      const credentials = ChannelCredentials.createSsl(Buffer.from(ca), Buffer.from(key), Buffer.from(cert));
      client = new Client(address, credentials, {
        'grpc.ssl_target_name_override': name,
        'grpc.default_authority': name,
        'grpc.initial_reconnect_backoff_ms': 100,
        'grpc.max_reconnect_backoff_ms': 2_000,
      });
      this.#clients.set(id, client);
    }
    return client;
  }

  /** The node has another address now, or we another certificate. */
  #dropOthers(prefix: string): void {
    for (const [id, client] of this.#clients) {
      if (!id.startsWith(prefix)) continue;
      client.close();
      this.#clients.delete(id);
    }
  }
}
