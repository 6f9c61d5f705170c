import type {
  handleServerStreamingCall,
  handleUnaryCall,
  ServerUnaryCall,
  ServerWritableStream,
  StatusObject,
} from '@grpc/grpc-js';
import type { Logger } from 'pino';
import { ApiError, errorMessage } from '../../../lib/errors.ts';
import { UnknownKindError } from '../../resources/registry.ts';
import { AccessRefused } from '../authorization/check-access.ts';
import type { Caller } from '../request/caller.ts';
import { callerOf, certificateEnd } from './authenticate.ts';
import { toServiceError } from './status.ts';
import { giveUp, StalledReader, written } from './write-reply.ts';

/** What a verb knows of the call it serves. */
export interface CallContext {
  readonly caller: Caller;
  /** Aborts when the client goes away, its deadline passes, or the server stops. */
  readonly signal: AbortSignal;
}

/** A verb with one reply, already encoded. */
export type UnaryVerb<Request> = (request: Request, context: CallContext) => Promise<Uint8Array>;

/** A verb with a stream of replies, already encoded. */
export type StreamingVerb<Request> = (request: Request, context: CallContext) => AsyncIterable<Uint8Array>;

/** What the edge needs around every verb. */
export interface CallEnvironment {
  readonly log: Logger;
  /** Aborts when the server stops: ends streams, lets single calls finish. */
  readonly stopping: AbortSignal;
  /** Learns of kinds defined on another server. */
  readonly refreshKinds?: () => Promise<void>;
}

/** A request whose bytes are no message of its type. grpc-js would answer that with `INTERNAL`, as if it were our fault. */
class Undecodable {
  readonly cause: unknown;

  constructor(cause: unknown) {
    this.cause = cause;
  }
}

/** Decodes requests; those that cannot be decoded are refused by the verb's own wrapper. */
export function tolerant<Request>(decode: (bytes: Buffer) => Request): (bytes: Buffer) => Request {
  return (bytes) => {
    try {
      return decode(bytes);
    } catch (err) {
      return new Undecodable(err) as Request;
    }
  };
}

function decoded<Request>(request: Request): Request {
  if (!(request instanceof Undecodable)) return request;
  const { cause } = request;
  throw new ApiError('BadRequest', `the request cannot be decoded: ${errorMessage(cause)}`, { cause });
}

/** Serves a verb with one reply: who calls, cancellation, errors. */
export function unary<Request>(env: CallEnvironment, verb: UnaryVerb<Request>): handleUnaryCall<Request, Uint8Array> {
  return (call, callback) => {
    const context = new UnaryContext(call);
    const run = async (): Promise<Uint8Array> => verb(decoded(call.request), context);
    run()
      .catch((err: unknown) => withNewKinds(env, err).then(run))
      .then(
        (reply) => {
          context.settle();
          callback(null, reply);
        },
        (err: unknown) => {
          context.settle();
          reportInternal(env, call, err);
          callback(toServiceError(err) as StatusObject);
        },
      );
  };
}

/** Learns of kinds that came up elsewhere, so that a call about one of them can be tried again; throws any other error. */
async function withNewKinds({ refreshKinds }: CallEnvironment, err: unknown): Promise<void> {
  if (!(err instanceof UnknownKindError) || refreshKinds === undefined) throw err;
  await refreshKinds();
}

type AnyUnaryCall = ServerUnaryCall<unknown, unknown>;

/** The context of a call with one reply. Its parts are made when asked for: most calls are over before anybody aborts. */
class UnaryContext implements CallContext {
  readonly #call: AnyUnaryCall;
  #cancel: AbortController | undefined;
  #settled = false;

  constructor(call: AnyUnaryCall) {
    this.#call = call;
  }

  get caller(): Caller {
    return callerOf(this.#call);
  }

  get signal(): AbortSignal {
    if (this.#cancel === undefined) {
      const cancel = new AbortController();
      this.#cancel = cancel;
      // grpc-js says `cancelled` of every call when its stream closes, also of those that were answered.
      this.#call.on('cancelled', () => {
        if (!this.#settled) cancel.abort(new ApiError('Timeout', 'the client cancelled the call'));
      });
    }
    return this.#cancel.signal;
  }

  settle(): void {
    this.#settled = true;
  }
}

/** Serves a verb with many replies; waits for the client to take each before the next is made. */
export function streaming<Request>(
  env: CallEnvironment,
  verb: StreamingVerb<Request>,
): handleServerStreamingCall<Request, Uint8Array> {
  return (call) => {
    const cancel = new AbortController();
    const onCancelled = (): void => cancel.abort();
    call.on('cancelled', onCancelled);
    env.stopping.addEventListener('abort', onCancelled, { once: true });
    const run = async (): Promise<void> => {
      const context = { caller: callerOf(call), signal: cancel.signal };
      return pump(call, () => verb(decoded(call.request), context), cancel.signal);
    };
    let expired = false;
    const stopExpiry = atEnd(certificateEndOf(call), () => {
      expired = true;
      endWithError(
        call,
        new ApiError('ServiceUnavailable', 'the certificate of this connection has ended: call again'),
      );
      cancel.abort();
    });
    run()
      .catch((err: unknown) => withNewKinds(env, err).then(run))
      .then(
        () => {
          if (expired) return;
          if (env.stopping.aborted) endWithError(call, new ApiError('ServiceUnavailable', 'the server is stopping'));
          else call.end();
        },
        (err: unknown) => {
          if (cancel.signal.aborted && !env.stopping.aborted) return;
          reportInternal(env, call, err);
          endWithError(call, err);
          if (err instanceof StalledReader) {
            env.log.info({ path: call.getPath(), peer: call.getPeer() }, 'ended a stream whose reader takes nothing');
            giveUp(call);
          }
        },
      )
      .finally(() => {
        stopExpiry();
        env.stopping.removeEventListener('abort', onCancelled);
      });
  };
}

/** Longest time a timer can wait: longer streams are asked about when they are opened anew. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** Calls `act` at a time, unless the function returned is called first. */
function atEnd(endsAtMs: number, act: () => void): () => void {
  const leftMs = endsAtMs - Date.now();
  if (!(leftMs <= MAX_TIMER_MS)) return () => undefined;
  const timer = setTimeout(act, Math.max(0, leftMs));
  timer.unref();
  return () => clearTimeout(timer);
}

function certificateEndOf(call: Parameters<typeof callerOf>[0]): number {
  try {
    return certificateEnd(call);
  } catch {
    // Whoever has none is refused as a caller.
    return Number.POSITIVE_INFINITY;
  }
}

async function pump<Request>(
  call: ServerWritableStream<Request, Uint8Array>,
  replies: () => AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<void> {
  for await (const reply of replies()) {
    if (signal.aborted) return;
    await written(call, reply, signal);
  }
}

/** Ends a streaming call with an error. grpc-js sends the status of an emitted error; that of a destroyed call is lost. */
export function endWithError(call: { emit(event: 'error', err: Error): boolean }, err: unknown): void {
  const { code, details, metadata } = toServiceError(err);
  call.emit('error', Object.assign(new Error(details), { code, details, metadata }));
}

function reportInternal(
  env: CallEnvironment,
  call: Pick<ServerUnaryCall<unknown, unknown>, 'getPath'>,
  err: unknown,
): void {
  reportRefused(env, err);
  if (err instanceof ApiError && err.reason !== 'InternalError') return;
  env.log.error({ err, path: call.getPath() }, 'request failed');
}

/** Writes down what the rules refused. */
export function reportRefused({ log }: CallEnvironment, err: unknown): void {
  if (err instanceof AccessRefused) log.info(err.attempt, 'refused');
}
