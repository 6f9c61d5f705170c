/**
 * A connection to the API's servers: a list of endpoints, mutual TLS, deadlines, cancellation, and errors as
 * {@link ApiError}s. Knows methods, not kinds.
 */
import { setMaxListeners } from 'node:events';
import {
  ChannelCredentials,
  Client,
  type ClientReadableStream,
  type MethodDefinition,
  type ServiceError,
} from '@grpc/grpc-js';
import { ApiError } from '../errors.ts';
import { SERVER_NAME } from '../pki-names.ts';
import { statusToApiError } from './grpc-status.ts';

/** Where the servers are and how to prove who we are. Certificates and key are PEM. */
export interface ConnectionOptions {
  /** `host:port` of every server; the first that answers is used, the next when it goes away. */
  readonly endpoints: readonly string[];
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  /** For calls with one reply that name no deadline of their own: 30,000. */
  readonly callTimeoutMs?: number;
  /** How long a connection may take to come up before the next endpoint is tried: 5,000. */
  readonly connectTimeoutMs?: number;
  /**
   * While calls are open: how long a connection may be silent before the other side is asked for a sign of life (20,000), and how long
   * that may take (8,000). Then the connection is given up, and every call on it fails.
   */
  readonly keepalive?: { readonly afterMs: number; readonly timeoutMs: number };
}

/** Options of one call. */
export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  readonly timeoutMs?: number;
}

const KEEPALIVE = { afterMs: 20_000, timeoutMs: 8_000 };

/** Calls over one or several servers. Connects on first use; {@link close} ends it. */
export class GrpcConnection {
  readonly #options: ConnectionOptions;
  #credentials: ChannelCredentials;
  readonly #clients = new Map<string, Client>();
  /** Calls under way on each client. */
  readonly #calls = new Map<Client, number>();
  /** Clients with credentials that have been replaced; closed when their last call ends. */
  readonly #retired = new Set<Client>();
  #current = 0;
  #closed = false;

  constructor(options: ConnectionOptions) {
    if (options.endpoints.length === 0) throw new Error('a connection needs at least one endpoint');
    this.#options = options;
    this.#credentials = credentialsOf(options);
  }

  /** Makes new connections with another certificate from now on. Calls under way end on the connection they have. */
  useCredentials(credentials: Pick<ConnectionOptions, 'ca' | 'cert' | 'key'>): void {
    this.#credentials = credentialsOf(credentials);
    for (const client of this.#clients.values()) this.#retire(client);
    this.#clients.clear();
  }

  /**
   * A call with one reply. Throws the server's `ApiError`; `ServiceUnavailable` naming the endpoint when no server can be
   * reached or the connection was lost (a write may have happened then); `Timeout` after the deadline.
   */
  async unary<Request, Reply>(
    method: MethodDefinition<Request, Reply>,
    request: Request,
    options: CallOptions = {},
  ): Promise<Reply> {
    const { client, endpoint } = await this.#connect(options.signal);
    const { signal } = options;
    signal?.throwIfAborted();
    const deadline = Date.now() + (options.timeoutMs ?? this.#options.callTimeoutMs ?? 30_000);
    this.#begin(client);
    return new Promise((resolve, reject) => {
      const call = client.makeUnaryRequest(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
        request,
        { deadline },
        (err, reply) => {
          this.#end(client);
          signal?.removeEventListener('abort', cancel);
          if (err === null && reply !== undefined) resolve(reply);
          else if (signal?.aborted) reject(signal.reason as Error);
          else reject(this.#toApiError(err, endpoint));
        },
      );
      const cancel = (): void => call.cancel();
      signal?.addEventListener('abort', cancel, { once: true });
    });
  }

  /** A call with a stream of replies, at the reader's pace. Ends quietly when `signal` aborts; errors as {@link unary}. */
  async *serverStream<Request, Reply>(
    method: MethodDefinition<Request, Reply>,
    request: Request,
    signal?: AbortSignal,
  ): AsyncGenerator<Reply> {
    let opened: { client: Client; endpoint: string };
    try {
      opened = await this.#connect(signal);
      if (signal?.aborted) return;
    } catch (err) {
      if (signal?.aborted) return;
      throw err;
    }
    this.#begin(opened.client);
    const call: ClientReadableStream<Reply> = opened.client.makeServerStreamRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      request,
    );
    // Without a listener of our own, an error that comes after the reader has left would end the process.
    call.on('error', () => undefined);
    const cancel = (): void => call.cancel();
    signal?.addEventListener('abort', cancel, { once: true });
    try {
      for await (const reply of call) yield reply as Reply;
    } catch (err) {
      if (signal?.aborted) return;
      throw this.#toApiError(err as ServiceError, opened.endpoint);
    } finally {
      signal?.removeEventListener('abort', cancel);
      call.cancel();
      this.#end(opened.client);
    }
  }

  /** The client of the server in use, connected, for calls that go both ways. */
  async client(signal?: AbortSignal): Promise<{ readonly client: Client; readonly endpoint: string }> {
    return this.#connect(signal);
  }

  /** Closes all connections; calls under way fail. */
  close(): void {
    this.#closed = true;
    for (const client of [...this.#clients.values(), ...this.#retired]) client.close();
    this.#clients.clear();
    this.#retired.clear();
  }

  #begin(client: Client): void {
    this.#calls.set(client, (this.#calls.get(client) ?? 0) + 1);
  }

  #end(client: Client): void {
    const left = (this.#calls.get(client) ?? 1) - 1;
    if (left > 0) this.#calls.set(client, left);
    else {
      this.#calls.delete(client);
      if (this.#retired.delete(client)) client.close();
    }
  }

  #retire(client: Client): void {
    if (this.#calls.has(client)) this.#retired.add(client);
    else client.close();
  }

  /** The first endpoint, from the one in use on, whose connection is up or comes up. */
  async #connect(signal?: AbortSignal): Promise<{ client: Client; endpoint: string }> {
    // One signal may end any number of calls.
    if (signal !== undefined) setMaxListeners(0, signal);
    const { endpoints } = this.#options;
    let failure: ApiError | undefined;
    for (let tried = 0; tried < endpoints.length; tried++) {
      if (this.#closed) throw new ApiError('ServiceUnavailable', 'Cannot call the server: the connection was closed');
      signal?.throwIfAborted();
      const index = (this.#current + tried) % endpoints.length;
      const endpoint = endpoints[index] ?? '';
      const client = this.#clientOf(endpoint);
      // A connection that goes down while a call is made is that call's error, not ours.
      if (client.getChannel().getConnectivityState(false) === READY) return { client, endpoint };
      try {
        await this.#probe(client, endpoint);
        this.#current = index;
        return { client, endpoint };
      } catch (err) {
        failure = err as ApiError;
      }
    }
    throw failure ?? new ApiError('ServiceUnavailable', 'Cannot connect: there are no endpoints');
  }

  /**
   * The next try begins anew. A connection that is being made to nowhere knocks less and less often, up to each half minute: it would be
   * noticed late that somebody answers again.
   */
  #forget(client: Client, endpoint: string): void {
    if (this.#clients.get(endpoint) !== client) return;
    this.#clients.delete(endpoint);
    this.#retire(client);
  }

  #clientOf(endpoint: string): Client {
    let client = this.#clients.get(endpoint);
    if (client === undefined) {
      const { afterMs, timeoutMs } = this.#options.keepalive ?? KEEPALIVE;
      client = new Client(endpoint, this.#credentials, {
        // A name that only servers' certificates carry: addresses may change, and no agent can pose as a server.
        'grpc.ssl_target_name_override': SERVER_NAME,
        'grpc.max_receive_message_length': -1,
        'grpc.max_send_message_length': -1,
        'grpc.enable_channelz': 0,
        'grpc.keepalive_time_ms': afterMs,
        'grpc.keepalive_timeout_ms': timeoutMs,
        'grpc.initial_reconnect_backoff_ms': 100,
        'grpc.min_reconnect_backoff_ms': 100,
        'grpc.max_reconnect_backoff_ms': 2_000,
        'grpc.use_local_subchannel_pool': 1,
      });
      this.#clients.set(endpoint, client);
    }
    return client;
  }

  /** Makes a call that no server knows: its refusal proves the connection, its failure says what is wrong with it. */
  #probe(client: Client, endpoint: string): Promise<void> {
    const deadline = Date.now() + (this.#options.connectTimeoutMs ?? 5_000);
    const nothing = (): Buffer => Buffer.alloc(0);
    return new Promise((resolve, reject) => {
      client.makeUnaryRequest(
        '/grpc.health.v1.Health/Check',
        nothing,
        (bytes) => bytes,
        undefined,
        { deadline },
        (err) => {
          if (err === null || (err.code !== UNAVAILABLE && err.code !== DEADLINE_EXCEEDED)) resolve();
          else if (err.code === DEADLINE_EXCEEDED) {
            this.#forget(client, endpoint);
            reject(
              new ApiError('ServiceUnavailable', `Cannot connect to ${endpoint}: no answer in time`, { cause: err }),
            );
          } else reject(statusToApiError(err, endpoint));
        },
      );
    });
  }

  #toApiError(err: ServiceError | null, endpoint: string): ApiError {
    if (err === null) return new ApiError('InternalError', `${endpoint} gave no reply`);
    return statusToApiError(err, endpoint);
  }
}

function credentialsOf({ ca, key, cert }: Pick<ConnectionOptions, 'ca' | 'cert' | 'key'>): ChannelCredentials {
  return ChannelCredentials.createSsl(Buffer.from(ca), Buffer.from(key), Buffer.from(cert));
}

/** grpc-js's connectivity state and status codes, as numbers: const enums do not survive isolated modules. */
const READY = 2;
const UNAVAILABLE = 14;
const DEADLINE_EXCEEDED = 4;
