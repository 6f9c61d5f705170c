import { Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { STATUS_TRAILER } from '../../../lib/client/status-error.ts';
import { ApiError, errorMessage, type StatusReason } from '../../../lib/errors.ts';
import { apiv1 } from '../../../proto/index.ts';

/** Larger trailers never arrive at some clients. */
const MAX_DETAILS_BYTES = 8 * 1024;
const MAX_MESSAGE_CHARS = 3_000;
const MAX_CAUSE_CHARS = 1_000;

const CODES: Readonly<Record<StatusReason, status>> = {
  NotFound: status.NOT_FOUND,
  AlreadyExists: status.ALREADY_EXISTS,
  Conflict: status.ABORTED,
  Invalid: status.INVALID_ARGUMENT,
  BadRequest: status.INVALID_ARGUMENT,
  Unauthorized: status.UNAUTHENTICATED,
  Forbidden: status.PERMISSION_DENIED,
  Expired: status.OUT_OF_RANGE,
  TooManyRequests: status.RESOURCE_EXHAUSTED,
  RequestEntityTooLarge: status.RESOURCE_EXHAUSTED,
  MethodNotAllowed: status.UNIMPLEMENTED,
  Timeout: status.DEADLINE_EXCEEDED,
  ServiceUnavailable: status.UNAVAILABLE,
  InternalError: status.INTERNAL,
};

/** Any error as gRPC carries it: code, message, and the details in a trailer of at most 8 KiB. */
export function toServiceError(err: unknown): Pick<ServiceError, 'code' | 'details' | 'metadata'> {
  const error = err instanceof ApiError ? err : new ApiError('InternalError', `Internal error: ${errorMessage(err)}`);
  const details = encodeDetails(error);
  const metadata = new Metadata();
  metadata.set(STATUS_TRAILER, Buffer.from(details.bytes));
  return { code: CODES[error.reason], details: details.message, metadata };
}

function encodeDetails(error: ApiError): { readonly bytes: Uint8Array; readonly message: string } {
  const message = cut(error.message, MAX_MESSAGE_CHARS);
  const causes = error.causes.map((cause) => ({ ...cause, message: cut(cause.message, MAX_CAUSE_CHARS) }));
  for (let kept = causes.length; ; kept = Math.floor(kept / 2)) {
    const omitted = causes.length - kept;
    const bytes = apiv1.StatusDetails.encode({
      reason: error.reason,
      message,
      causes: causes.slice(0, kept),
      ...(error.retryAfterMs === undefined ? {} : { retryAfterMs: error.retryAfterMs }),
      ...(error.continueToken === undefined ? {} : { continueToken: error.continueToken }),
      omitted,
    }).finish();
    if (bytes.byteLength <= MAX_DETAILS_BYTES || kept === 0) return { bytes, message };
  }
}

/** Long lists of causes make long messages: the text says how much is missing, the causes carry the rest. */
function cut(text: string, maxChars: number): string {
  if (text.length <= maxChars) return text;
  return `${text.slice(0, maxChars)}… and ${text.length - maxChars} more characters`;
}
