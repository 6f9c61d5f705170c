import { Server, ServerCredentials, type ServerUnaryCall, type StatusObject, type sendUnaryData } from '@grpc/grpc-js';
import type { Logger } from 'pino';
import { ApiError, errorMessage } from '../../../lib/errors.ts';
import type { KeyPairPem } from '../../../lib/pki.ts';
import { joinv1 } from '../../../proto/index.ts';
import { AttemptLimit } from '../join/attempt-limit.ts';
import { type JoinParts, joinMachine } from '../join/join-machine.ts';
import { closeServer, type ListenAddress, listenOn } from './listen.ts';
import { toServiceError } from './status.ts';

/** What a request to join may weigh, all told. */
const MAX_REQUEST_BYTES = 64 * 1024;
const MAX_STREAMS = 8;
const DRAIN_MS = 2_000;

type JoinCall = ServerUnaryCall<joinv1.JoinRequest, joinv1.JoinReply>;

/** Where machines without a certificate come in: a port of its own, with nothing but the Join service. See `join/README.md`. */
export class JoinServer {
  readonly #server: Server;
  readonly #stopping = new AbortController();
  readonly #parts: JoinParts;
  readonly #limit: AttemptLimit;
  readonly #log: Logger;

  /** Nothing listens before {@link listen}. */
  constructor(parts: JoinParts & { readonly log: Logger }) {
    this.#parts = parts;
    this.#log = parts.log;
    this.#limit = new AttemptLimit(parts.services.now);
    this.#server = new Server({
      'grpc.max_receive_message_length': MAX_REQUEST_BYTES,
      'grpc.max_concurrent_streams': MAX_STREAMS,
      'grpc.max_connection_age_ms': 60_000,
      'grpc.max_connection_age_grace_ms': 5_000,
      'grpc.enable_channelz': 0,
    });
    this.#server.addService(joinv1.JoinService, {
      join: (call: JoinCall, callback: sendUnaryData<joinv1.JoinReply>) => {
        this.#serve(call).then(
          (reply) => callback(null, reply),
          (err: unknown) => callback(toServiceError(err) as StatusObject),
        );
      },
    });
  }

  /** Starts to listen; gives the port. The CA goes along in the chain, so that a machine can compare it with its pin. */
  listen(address: ListenAddress, tls: { ca: string; certificate: KeyPairPem }): Promise<number> {
    const { cert, key } = tls.certificate;
    const pair = { cert_chain: Buffer.from(`${cert}${tls.ca}`), private_key: Buffer.from(key) };
    return listenOn(this.#server, address, ServerCredentials.createSsl(null, [pair], false));
  }

  /** Lets calls under way end, for a moment, and closes. */
  async close(): Promise<void> {
    this.#stopping.abort(new ApiError('ServiceUnavailable', 'the server is stopping'));
    await closeServer(this.#server, DRAIN_MS);
  }

  async #serve(call: JoinCall): Promise<joinv1.JoinReply> {
    const gone = new AbortController();
    call.on('cancelled', () => gone.abort(new ApiError('Timeout', 'the client cancelled the call')));
    const signal = AbortSignal.any([gone.signal, this.#stopping.signal]);
    // Never the request itself: it holds the token.
    const who = { peer: call.getPeer(), node: (call.request.nodeName ?? '').slice(0, 253) };
    const waitMs = this.#limit.take(addressOf(who.peer));
    try {
      if (waitMs > 0) throw tooMany(waitMs);
      const { reply, tokenId } = await joinMachine(this.#parts, call.request, signal);
      this.#log.info({ ...who, token: tokenId }, 'a machine joins');
      return reply;
    } catch (err) {
      if (err instanceof ApiError && err.reason !== 'InternalError') {
        this.#log.info({ ...who, because: errorMessage(err) }, 'a machine may not join');
      } else this.#log.error({ ...who, err }, 'request failed');
      throw err;
    }
  }
}

function tooMany(waitMs: number): ApiError {
  const seconds = Math.ceil(waitMs / 1000);
  return new ApiError(
    'TooManyRequests',
    `Cannot join: too many attempts from this address: try again in ${seconds} s`,
    { retryAfterMs: waitMs },
  );
}

/** The address in `1.2.3.4:5` or `[::1]:5`. */
function addressOf(peer: string): string {
  const address = peer.replace(/:\d+$/, '').replace(/^\[|\]$/g, '');
  return address.replace(/^::ffff:(?=\d+\.)/, '');
}
