import { ApiError } from '../../../lib/errors.ts';

/*
 * What stands before each object's bytes in etcd:
 *
 *   byte 0      format: 1 = plain (2 is kept for encrypted)
 *   bytes 1-2   index of the write in its transaction, big endian
 *   byte 3      length n of the type's name
 *   n bytes     storage apiVersion and kind ("apps/v1/Deployment"), empty as long as a key says enough
 *   the rest    the object's bytes, untouched
 */
const FORMAT_PLAIN = 1;
const HEADER_BYTES = 4;

/** A stored value taken out of its envelope. `value` is a view, not a copy. */
export interface Opened {
  readonly index: number;
  readonly value: Uint8Array;
}

/** Puts `value`, written as number `index` of its transaction, into an envelope. One copy of the bytes. */
export function seal(value: Uint8Array, index: number): Buffer {
  const sealed = Buffer.allocUnsafe(HEADER_BYTES + value.byteLength);
  sealed[0] = FORMAT_PLAIN;
  sealed.writeUInt16BE(index, 1);
  sealed[3] = 0;
  sealed.set(value, HEADER_BYTES);
  return sealed;
}

/** Opens the envelope stored under `key`. Throws `ApiError('InternalError')` naming the key when it is not one of ours. */
export function open(key: string, stored: Buffer): Opened {
  if (stored.byteLength > 0 && stored[0] !== FORMAT_PLAIN) {
    throw new ApiError('InternalError', `Cannot read ${key}: its stored value has the unknown format ${stored[0]}`);
  }
  const typeBytes = stored[3];
  if (typeBytes === undefined || stored.byteLength < HEADER_BYTES + typeBytes) {
    throw new ApiError(
      'InternalError',
      `Cannot read ${key}: its stored value is too short (${stored.byteLength} bytes)`,
    );
  }
  return { index: stored.readUInt16BE(1), value: ownBytes(stored.subarray(HEADER_BYTES + typeBytes)) };
}

/** `view`, or a copy where keeping the view alive would keep a far larger network buffer alive with it. */
function ownBytes(view: Uint8Array): Uint8Array {
  return view.byteLength * 2 < view.buffer.byteLength ? Uint8Array.prototype.slice.call(view) : view;
}
