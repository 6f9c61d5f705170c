/**
 * gRPC over Node's own HTTP/2. The command line starts anew for every verb, and a full gRPC library would cost it more time to
 * load than the whole request takes; what it needs of the protocol is one stream per call, framed messages and trailers.
 */
import type { ClientHttp2Session, ClientHttp2Stream, IncomingHttpHeaders } from 'node:http2';
import { connect as connectHttp2 } from 'node:http2';
import { connect as connectSocket } from 'node:net';
import { ConnectionError, connectionError } from '../errors/connection-error.ts';
import { frame, MessageReader } from './grpc-framing.ts';
import { trailerError } from './grpc-status.ts';

/** One method of a service, as the generated definitions describe it. */
export interface GrpcMethod<Request, Reply> {
  readonly path: string;
  readonly requestSerialize: (request: Request) => Buffer;
  readonly responseDeserialize: (bytes: Buffer) => Reply;
}

/** Certificates of a TLS connection, in PEM. */
export interface TlsFiles {
  readonly ca: string;
  /** Our own and its key; a machine that has yet to join has none. */
  readonly cert?: string;
  readonly key?: string;
  /** The name the server's certificate must carry, when that is not the host connected to. */
  readonly servername?: string;
}

/** Where to connect: servers in order of preference, or a unix socket. */
export type ConnectionTarget =
  | { readonly endpoints: readonly string[]; readonly tls: TlsFiles; readonly connectTimeoutMs: number }
  | { readonly socket: string };

/** A call whose requests are sent one by one. */
export interface DuplexCall<Request, Reply> {
  /** Sends a request; resolves when there is room for more. */
  send(request: Request): Promise<void>;
  /** No more requests come. */
  end(): void;
  /** The replies; ends with the call, throws what it ended with. */
  readonly replies: AsyncIterable<Reply>;
}

/** Replies may be several megabytes: room for them avoids waiting for window updates. */
const WINDOW_BYTES = 16 * 1024 * 1024;
/** For a unix socket, which answers at once or not at all. */
const CONNECT_TIMEOUT_MS = 5000;

/** A call under way, and what came of it so far. */
interface OpenCall {
  readonly stream: ClientHttp2Stream;
  /** HTTP status. */
  status: number;
  trailers: IncomingHttpHeaders | undefined;
}

/** A session that takes calls, and where it leads. */
interface OpenSession {
  readonly session: ClientHttp2Session;
  readonly endpoint: string;
}

/**
 * A connection to one server, used for any number of calls. When it is lost, the calls under way fail and the next one connects
 * again. Every failure is an ApiError or a ConnectionError.
 */
export class GrpcConnection {
  readonly #target: ConnectionTarget;
  #session: ClientHttp2Session;
  #endpoint: string;
  #reopening: Promise<OpenSession> | undefined;

  private constructor(target: ConnectionTarget, { session, endpoint }: OpenSession) {
    this.#target = target;
    this.#session = session;
    this.#endpoint = endpoint;
  }

  /** Connects to the first endpoint that answers. Throws the last {@link ConnectionError} when none does. */
  static async open(target: ConnectionTarget, signal?: AbortSignal): Promise<GrpcConnection> {
    return new GrpcConnection(target, await openSession(target, signal));
  }

  /** `host:port` or socket this is connected to. */
  get endpoint(): string {
    return this.#endpoint;
  }

  /** One request, one reply. */
  async unary<Request, Reply>(
    method: GrpcMethod<Request, Reply>,
    request: Request,
    signal?: AbortSignal,
  ): Promise<Reply> {
    let reply: Reply | undefined;
    // To the end, though nothing but the trailers follows: leaving earlier resets a call that has done nothing wrong.
    for await (const each of this.serverStream(method, request, signal)) reply ??= each;
    if (reply !== undefined) return reply;
    throw new ConnectionError('lost', this.#endpoint, { detail: `${method.path} ended without a reply` });
  }

  /** One request, many replies. Leaving the loop cancels the call. */
  async *serverStream<Request, Reply>(
    method: GrpcMethod<Request, Reply>,
    request: Request,
    signal?: AbortSignal,
  ): AsyncGenerator<Reply> {
    if (this.#session.closed || this.#session.destroyed) await this.#reopen(signal);
    const call = this.#open(method.path, signal);
    call.stream.end(frame(method.requestSerialize(request)));
    yield* this.#replies(call, method, signal);
  }

  /** Many requests, many replies, at the same time. */
  duplex<Request, Reply>(method: GrpcMethod<Request, Reply>, signal?: AbortSignal): DuplexCall<Request, Reply> {
    const call = this.#open(method.path, signal);
    const { stream } = call;
    return {
      send: (request) =>
        new Promise((resolve) => {
          // A call that has ended tells so through its replies.
          if (stream.closed || stream.destroyed || stream.writableEnded) resolve();
          else if (stream.write(frame(method.requestSerialize(request)))) resolve();
          else {
            const proceed = (): void => {
              stream.off('drain', proceed).off('close', proceed);
              resolve();
            };
            stream.on('drain', proceed).on('close', proceed);
          }
        }),
      end: () => void stream.end(),
      replies: this.#replies(call, method, signal),
    };
  }

  /** Ends all calls and the connection at once. */
  close(): void {
    this.#session.destroy();
  }

  /** Connects again, once for all calls that want to. */
  async #reopen(signal: AbortSignal | undefined): Promise<void> {
    this.#reopening ??= openSession(this.#target, signal).finally(() => {
      this.#reopening = undefined;
    });
    const { session, endpoint } = await this.#reopening;
    this.#session = session;
    this.#endpoint = endpoint;
  }

  #open(path: string, signal: AbortSignal | undefined): OpenCall {
    signal?.throwIfAborted();
    let stream: ClientHttp2Stream;
    try {
      stream = this.#session.request(
        { ':method': 'POST', ':path': path, 'content-type': 'application/grpc', te: 'trailers' },
        { endStream: false, ...(signal === undefined ? {} : { signal }) },
      );
    } catch (err) {
      throw connectionError(this.#endpoint, err);
    }
    // Listened for from the start: a call may end before anybody reads its replies.
    const call: OpenCall = { stream, status: 200, trailers: undefined };
    stream.on('response', (headers) => {
      call.status = headers[':status'] ?? 0;
      // A call that fails at once has its trailers in its only headers.
      if (headers['grpc-status'] !== undefined) call.trailers = headers;
    });
    stream.on('trailers', (headers) => {
      call.trailers = headers;
    });
    // Whoever reads the replies is told; without a listener it would end the process.
    stream.on('error', () => {});
    return call;
  }

  async *#replies<Request, Reply>(
    call: OpenCall,
    method: GrpcMethod<Request, Reply>,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<Reply> {
    const { stream } = call;
    const reader = new MessageReader();
    try {
      for await (const piece of stream as AsyncIterable<Buffer>) {
        for (const message of reader.push(piece)) yield method.responseDeserialize(message);
      }
    } catch (err) {
      signal?.throwIfAborted();
      if (call.trailers === undefined) throw connectionError(this.#endpoint, err);
    } finally {
      // A call that has ended closes by itself. Ending it once more would send a reset that the server takes for an invalid frame, of
      // which a session takes a thousand.
      if (!stream.readableEnded) stream.destroy();
    }
    signal?.throwIfAborted();
    if (call.trailers !== undefined) {
      const failure = trailerError(call.trailers);
      if (failure !== undefined) throw failure;
      return;
    }
    if (call.status !== 200) {
      throw new ConnectionError('not-skiff', this.#endpoint, { detail: `HTTP status ${call.status}` });
    }
    throw new ConnectionError('lost', this.#endpoint, { detail: 'the connection ended in the middle of a call' });
  }
}

/** Connects to the first endpoint that answers. Throws the last {@link ConnectionError} when none does. */
async function openSession(target: ConnectionTarget, signal: AbortSignal | undefined): Promise<OpenSession> {
  if ('socket' in target) {
    const createConnection = (): ReturnType<typeof connectSocket> => connectSocket(target.socket);
    const session = connectHttp2('http://localhost', { createConnection });
    return { session: await ready(session, target.socket, CONNECT_TIMEOUT_MS, signal), endpoint: target.socket };
  }
  let last: unknown = new ConnectionError('refused', '', { detail: 'the config names no endpoint' });
  for (const endpoint of target.endpoints) {
    try {
      const session = connectHttp2(`https://${endpoint}`, {
        ...target.tls,
        settings: { initialWindowSize: WINDOW_BYTES, enablePush: false },
      });
      return { session: await ready(session, endpoint, target.connectTimeoutMs, signal), endpoint };
    } catch (err) {
      last = err;
      if (signal?.aborted === true) break;
    }
  }
  throw last;
}

/** Resolves when the session can take calls. TLS 1.3 tells of a refused client certificate only after that. */
function ready(
  session: ClientHttp2Session,
  endpoint: string,
  timeoutMs: number,
  signal: AbortSignal | undefined,
): Promise<ClientHttp2Session> {
  return new Promise((resolve, reject) => {
    const settle = (act: () => void): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      act();
    };
    const fail = (err: unknown): void => {
      settle(() => reject(err instanceof Error && err.name === 'AbortError' ? err : connectionError(endpoint, err)));
      session.destroy();
    };
    const onAbort = (): void => fail(signal?.reason);
    const timer = setTimeout(() => {
      fail(new ConnectionError('timeout', endpoint, { detail: `no connection within ${timeoutMs / 1000} s` }));
    }, timeoutMs);
    signal?.addEventListener('abort', onAbort, { once: true });
    // Errors after this also reach the streams they end, which tell of them.
    session.on('error', fail);
    // The server's settings come only after it has accepted our certificate.
    session.once('remoteSettings', () => settle(() => resolve(session)));
    let isSecure = false;
    session.once('connect', () => {
      isSecure = true;
    });
    session.once('close', () => {
      // Node's servers close the connection, without an alert, when the handshake is done and our certificate is not theirs.
      const problem = isSecure ? 'client-certificate' : 'lost';
      fail(new ConnectionError(problem, endpoint, { detail: 'it closed the connection before the first call' }));
    });
  });
}
