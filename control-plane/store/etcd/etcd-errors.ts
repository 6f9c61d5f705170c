import { EtcdLeaseInvalidError } from 'etcd3';
import { ApiError, errorMessage } from '../../../lib/errors.ts';

/** What was being done when a call failed. */
export interface FailedCall {
  /** For the message, as in "Cannot <doing>: …". */
  readonly doing: string;
  /** Whether the call, once sent, may have changed something although it failed. */
  readonly writes: boolean;
}

/** The gRPC status codes that mean something to us. */
const CANCELLED = 1;
const INVALID_ARGUMENT = 3;
const DEADLINE_EXCEEDED = 4;
const PERMISSION_DENIED = 7;
const RESOURCE_EXHAUSTED = 8;
const OUT_OF_RANGE = 11;
const INTERNAL = 13;
const UNAVAILABLE = 14;
const UNAUTHENTICATED = 16;

/** Failures after which the request certainly was not carried out: it never left, or etcd refused it at the door. */
const NEVER_SENT =
  /No connection established|Channel closed before call|Name resolution|etcdserver: no leader|etcdserver: not capable/;

/** True when the lease named in a transaction is gone, so that another has to be granted. */
export function isLeaseGone(err: unknown): boolean {
  return err instanceof EtcdLeaseInvalidError || (err instanceof ApiError && isLeaseGone(err.cause));
}

/** The status code, which etcd3 leaves only as the first word of the message. */
function codeOf(message: string): number {
  return Number(/^(?:\w+: )?(\d+) [A-Z_]+:/.exec(message)?.[1] ?? UNAVAILABLE);
}

/** An etcd failure in the port's vocabulary. This is where etcd's texts enter the process; nobody matches them later. */
export function toApiError(err: unknown, call: FailedCall): ApiError {
  if (err instanceof ApiError) return err;
  const message = errorMessage(err);
  const because = `Cannot ${call.doing}: ${message}`;
  const options = { cause: err };
  switch (codeOf(message)) {
    case OUT_OF_RANGE:
      return new ApiError('Expired', `Cannot ${call.doing}: that version is no longer kept; list again`, options);
    case INVALID_ARGUMENT:
      if (message.includes('request is too large')) {
        return new ApiError('RequestEntityTooLarge', `Cannot ${call.doing}: it is larger than etcd accepts`, options);
      }
      return new ApiError('InternalError', because, options);
    case RESOURCE_EXHAUSTED:
      if (message.includes('too many requests')) return new ApiError('TooManyRequests', because, options);
      if (message.includes('message larger than max')) {
        return new ApiError('RequestEntityTooLarge', `Cannot ${call.doing}: it is larger than etcd accepts`, options);
      }
      return new ApiError('ServiceUnavailable', because, options);
    case PERMISSION_DENIED:
    case UNAUTHENTICATED:
      return new ApiError('InternalError', `Cannot ${call.doing}: etcd refuses our credentials`, options);
    case CANCELLED:
    case DEADLINE_EXCEEDED:
    case INTERNAL:
    case UNAVAILABLE:
      return call.writes && !NEVER_SENT.test(message)
        ? new ApiError('Timeout', `${because} (the change may have been made)`, options)
        : new ApiError('ServiceUnavailable', because, options);
    default:
      return new ApiError('InternalError', because, options);
  }
}
