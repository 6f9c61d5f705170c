import { constants, type ServerHttp2Stream } from 'node:http2';
import type { ServerWritableStream } from '@grpc/grpc-js';
import { ApiError } from '../../../lib/errors.ts';

/** How long one reply may wait for its reader. A connection that is gone altogether is noticed by its pings. */
const STALLED_MS = 10_000;
/** How long a stalled stream has to take its end before it is reset. */
const RESET_AFTER_MS = 1_000;

type Stream = ServerWritableStream<unknown, Uint8Array>;

/** What a reader that does not keep up is told: it may come back with the last version it has seen. */
export class StalledReader extends ApiError {
  constructor() {
    super(
      'ServiceUnavailable',
      `Cannot go on: the reader took nothing for ${STALLED_MS / 1000} s; watch again from the last version seen`,
    );
  }
}

/**
 * Writes one reply and waits until it has left for the client, or nobody wants it any more. One reply at a time keeps what a
 * slow client costs at one reply: grpc-js alone would queue sixteen before it says to wait. Throws {@link StalledReader}.
 */
export function written(call: Stream, reply: Uint8Array, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (): void => {
      clearTimeout(timer);
      call.off('close', done);
      signal.removeEventListener('abort', done);
    };
    const done = (): void => {
      settle();
      resolve();
    };
    const timer = setTimeout(() => {
      settle();
      reject(new StalledReader());
    }, STALLED_MS);
    call.on('close', done);
    signal.addEventListener('abort', done, { once: true });
    call.write(reply, done);
  });
}

/**
 * Resets a stream whose reader takes not even its end, so that what waits for it is let go. grpc-js has no call for that; what
 * reaches the stream here is checked, and without it the last reply waits as long as the connection lives.
 */
export function giveUp(call: Stream): void {
  const { stream } = (call as unknown as { call?: { stream?: ServerHttp2Stream } }).call ?? {};
  if (typeof stream?.close !== 'function') return;
  setTimeout(() => {
    if (!stream.closed) stream.close(constants.NGHTTP2_REFUSED_STREAM);
  }, RESET_AFTER_MS).unref();
}
