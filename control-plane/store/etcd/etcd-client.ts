import type { Duplex } from 'node:stream';
import {
  Etcd3,
  type IOptions,
  type IRangeRequest,
  type IRangeResponse,
  type IStatusResponse,
  type ITxnRequest,
  type ITxnResponse,
  type IWatchRequest,
  type IWatchResponse,
} from 'etcd3';
import { ApiError } from '../../../lib/errors.ts';
import { abortable } from './abortable.ts';
import { type FailedCall, toApiError } from './etcd-errors.ts';

/** Certificates for mutual TLS, as PEM. */
export interface EtcdTls {
  readonly ca: string | Buffer;
  readonly cert: string | Buffer;
  readonly key: string | Buffer;
}

/** Where etcd is and how to talk to it. */
export interface EtcdConnection {
  /** URLs such as `https://127.0.0.1:7379`; all http or all https. */
  readonly endpoints: readonly string[];
  readonly tls?: EtcdTls;
  /** The name etcd's certificate must have, when the endpoints are addresses. */
  readonly serverName?: string;
  /** How long a single call may take; 10,000 when left out. */
  readonly callTimeoutMs?: number;
}

/** A watch stream of etcd: write requests, iterate responses (at the reader's pace), cancel. */
export interface EtcdWatchStream extends AsyncIterable<IWatchResponse> {
  write(request: IWatchRequest): void;
  cancel(): void;
}

type Policy = NonNullable<NonNullable<IOptions['faultHandling']>['global']>;

/**
 * etcd3's own retries and circuit breakers are switched off: it would repeat a transaction whose outcome is unknown, and
 * then report our own first attempt as a conflict.
 */
const noPolicy = {
  execute: async (fn: (context: object) => unknown) => fn({}),
  onSuccess: () => ({ dispose: () => undefined }),
  onFailure: () => ({ dispose: () => undefined }),
} as unknown as Policy;

type DuplexCall = Duplex & { cancel(): void };

/** etcd3 with the one call it does not offer: a watch that ends when its member has no leader. */
class RawEtcd extends Etcd3 {
  async openWatch(): Promise<DuplexCall> {
    return this.pool.withConnection('Watch', ({ client, metadata }) => {
      const requireLeader = metadata.clone();
      requireLeader.set('hasleader', 'true');
      const stream = (client as unknown as { watch(metadata: object): DuplexCall }).watch(requireLeader);
      // Whoever iterates gets the error; this is for a stream that fails before anyone does.
      stream.on('error', () => undefined);
      return stream;
    });
  }
}

/**
 * The raw etcd calls we use, with our limits and errors: every failure is an `ApiError`, every call has a deadline, and
 * nothing is retried. The only file that makes an etcd3 client. Connects on first use.
 */
export class EtcdClient {
  readonly #etcd: RawEtcd;
  readonly #callTimeoutMs: number;
  /** The endpoints, for messages. */
  readonly endpoints: readonly string[];

  constructor(connection: EtcdConnection) {
    this.endpoints = connection.endpoints;
    this.#callTimeoutMs = connection.callTimeoutMs ?? 10_000;
    const { tls, serverName } = connection;
    this.#etcd = new RawEtcd({
      hosts: [...connection.endpoints],
      ...(tls && {
        credentials: {
          rootCertificate: toBuffer(tls.ca),
          privateKey: toBuffer(tls.key),
          certChain: toBuffer(tls.cert),
        },
      }),
      grpcOptions: {
        // Without this a catch-up above 4 MiB delivers nothing, and says nothing.
        'grpc.max_receive_message_length': -1,
        'grpc.max_send_message_length': -1,
        'grpc.initial_reconnect_backoff_ms': 100,
        'grpc.min_reconnect_backoff_ms': 100,
        'grpc.max_reconnect_backoff_ms': 2_000,
        // Notices a peer that vanished without closing; etcd allows a ping every 5 s.
        'grpc.keepalive_time_ms': 15_000,
        'grpc.keepalive_timeout_ms': 5_000,
        ...(serverName !== undefined && { 'grpc.ssl_target_name_override': serverName }),
      },
      faultHandling: { global: noPolicy, host: () => noPolicy },
    });
  }

  /** Reads keys. */
  range(request: IRangeRequest, doing: string, signal?: AbortSignal): Promise<IRangeResponse> {
    return this.#call(() => this.#etcd.kv.range(request, this.#deadline()), { doing, writes: false }, signal);
  }

  /** Runs a transaction once. `Timeout` when it may have happened. */
  txn(request: ITxnRequest, doing: string, signal?: AbortSignal): Promise<ITxnResponse> {
    return this.#call(() => this.#etcd.kv.txn(request, this.#deadline()), { doing, writes: true }, signal);
  }

  /** Forgets history before `revision`. */
  async compact(revision: number): Promise<void> {
    const call = { doing: `compact etcd at revision ${revision}`, writes: false };
    await this.#call(() => this.#etcd.kv.compact({ revision, physical: true }, this.#deadline()), call);
  }

  /** What the member we reach says about itself. */
  status(signal?: AbortSignal): Promise<IStatusResponse> {
    const call = { doing: `reach etcd at ${this.endpoints.join(', ')}`, writes: false };
    return this.#call(() => this.#etcd.maintenance.status(this.#deadline()), call, signal);
  }

  /** Grants a lease of `ttlSeconds`; gives its id. */
  async grantLease(ttlSeconds: number, signal?: AbortSignal): Promise<string> {
    const call = { doing: 'grant an etcd lease', writes: false };
    const grant = await this.#call(
      () => this.#etcd.leaseClient.leaseGrant({ TTL: ttlSeconds }, this.#deadline()),
      call,
      signal,
    );
    return grant.ID;
  }

  /** Ends a lease, which deletes its keys. A lease already gone is no error. */
  async revokeLease(id: string): Promise<void> {
    const call = { doing: `revoke etcd lease ${id}`, writes: true };
    await this.#call(() => this.#etcd.leaseClient.leaseRevoke({ ID: id }, this.#deadline()), call).catch((err) => {
      if (!(err instanceof ApiError) || !String(err.message).includes('lease')) throw err;
    });
  }

  /** Renews a lease once. Gives the seconds it lives on: 0 when it is gone. */
  async keepLeaseAlive(id: string, timeoutMs: number, signal?: AbortSignal): Promise<number> {
    const renew = async (): Promise<number> => {
      const stream = (await this.#etcd.leaseClient.leaseKeepAlive({
        deadline: Date.now() + timeoutMs,
      })) as unknown as DuplexCall;
      try {
        stream.write({ ID: id });
        for await (const response of stream) return Number((response as { TTL: string }).TTL);
        throw new ApiError('ServiceUnavailable', `Cannot renew etcd lease ${id}: the stream ended`);
      } finally {
        stream.end();
        stream.cancel();
      }
    };
    return this.#call(renew, { doing: `renew etcd lease ${id}`, writes: false }, signal);
  }

  /**
   * Opens a watch stream. It never re-subscribes: an error ends it, and its reader decides where to start again. A member
   * that has lost its leader ends it too, rather than staying silent.
   */
  async openWatch(): Promise<EtcdWatchStream> {
    const stream = await this.#call(() => this.#etcd.openWatch(), { doing: 'open a watch on etcd', writes: false });
    return {
      [Symbol.asyncIterator]: () => stream[Symbol.asyncIterator]() as AsyncIterableIterator<IWatchResponse>,
      write: (request) => void stream.write(request),
      cancel: () => stream.cancel(),
    };
  }

  /** Closes the connections. */
  close(): void {
    this.#etcd.close();
  }

  #deadline(): { deadline: number } {
    return { deadline: Date.now() + this.#callTimeoutMs };
  }

  async #call<T>(run: () => Promise<T>, call: FailedCall, signal?: AbortSignal): Promise<T> {
    try {
      return await abortable(run(), signal);
    } catch (err) {
      if (signal?.aborted) throw signal.reason;
      throw toApiError(err, call);
    }
  }
}

function toBuffer(pem: string | Buffer): Buffer {
  return typeof pem === 'string' ? Buffer.from(pem) : pem;
}
