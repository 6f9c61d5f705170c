/** The status that ends a gRPC call as an {@link ApiError}, whichever library made the call. Knows no kinds: the command line uses it. */
import { apiv1 } from '../../proto/api.ts';
import { ApiError, type StatusReason } from '../errors.ts';

/** Key of the trailer with the encoded apiv1.StatusDetails. */
export const STATUS_TRAILER = 'skiff-status-bin';

/** How a call ended, from its trailers. */
export interface CallStatus {
  /** gRPC's number; not 0. */
  readonly code: number;
  readonly message: string;
  /** The bytes of {@link STATUS_TRAILER}, when it came. */
  readonly details: Uint8Array | undefined;
  readonly cause?: unknown;
}

/** What a bare gRPC code means when no details came with it. */
const REASON_OF_CODE: Readonly<Record<number, StatusReason>> = {
  1: 'Timeout',
  3: 'BadRequest',
  4: 'Timeout',
  5: 'NotFound',
  6: 'AlreadyExists',
  7: 'Forbidden',
  // Our servers say which with their details; without them it was the library, about a message's size.
  8: 'RequestEntityTooLarge',
  10: 'Conflict',
  11: 'Expired',
  12: 'MethodNotAllowed',
  14: 'ServiceUnavailable',
  16: 'Unauthorized',
};

/** As a record, so that the compiler misses none. */
const REASONS: Readonly<Record<StatusReason, true>> = {
  NotFound: true,
  AlreadyExists: true,
  Conflict: true,
  Invalid: true,
  BadRequest: true,
  Unauthorized: true,
  Forbidden: true,
  Expired: true,
  TooManyRequests: true,
  RequestEntityTooLarge: true,
  MethodNotAllowed: true,
  Timeout: true,
  ServiceUnavailable: true,
  InternalError: true,
};

/** The error of a call that ended so. A reason this version does not know is taken from the code. */
export function statusError({ code, message, details, cause }: CallStatus): ApiError {
  const options = cause === undefined ? {} : { cause };
  const byCode = REASON_OF_CODE[code] ?? 'InternalError';
  if (details === undefined) return new ApiError(byCode, message, options);
  const status = apiv1.StatusDetails.decode(details);
  const { reason = '', retryAfterMs = 0, omitted = 0, continueToken = '' } = status;
  const causes = (status.causes ?? []).map((each) => ({
    field: each.field ?? '',
    reason: each.reason ?? '',
    message: each.message ?? '',
  }));
  if (omitted > 0) causes.push({ field: '', reason: 'Omitted', message: `and ${omitted} more problems` });
  return new ApiError(isReason(reason) ? reason : byCode, status.message ?? message, {
    ...options,
    causes,
    ...(retryAfterMs > 0 ? { retryAfterMs } : {}),
    ...(continueToken === '' ? {} : { continueToken }),
  });
}

function isReason(text: string): text is StatusReason {
  return Object.hasOwn(REASONS, text);
}
