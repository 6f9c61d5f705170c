/** Any error as a gRPC status, with its reason where there is one. */
import { Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { STATUS_TRAILER } from '../../lib/client/status-error.ts';
import { ApiError, errorMessage, type StatusReason } from '../../lib/errors.ts';
import { apiv1 } from '../../proto/index.ts';
import { isImageError } from '../images/image-store.ts';
import { RuntimeError } from '../runtime/runtime.ts';

const CODES: Readonly<Partial<Record<StatusReason, status>>> = {
  NotFound: status.NOT_FOUND,
  BadRequest: status.INVALID_ARGUMENT,
  Conflict: status.ABORTED,
  Forbidden: status.PERMISSION_DENIED,
  ServiceUnavailable: status.UNAVAILABLE,
};
/** More does not arrive at some clients. */
const MAX_MESSAGE_CHARS = 3000;

/** The error to end a call with. */
export function serviceError(err: unknown): Error & Pick<ServiceError, 'code' | 'details' | 'metadata'> {
  const message = errorMessage(err).slice(0, MAX_MESSAGE_CHARS);
  const reason = reasonOf(err);
  const metadata = new Metadata();
  metadata.set(STATUS_TRAILER, Buffer.from(apiv1.StatusDetails.encode({ reason, message }).finish()));
  return Object.assign(new Error(message), { code: CODES[reason] ?? status.INTERNAL, details: message, metadata });
}

function reasonOf(err: unknown): StatusReason {
  if (err instanceof ApiError) return err.reason;
  if (err instanceof RuntimeError && err.code === 'NotFound') return 'NotFound';
  if (isImageError(err, 'NotFound')) return 'NotFound';
  if (isImageError(err, 'InUse')) return 'Conflict';
  if (isImageError(err, 'InvalidName', 'InvalidImage', 'Unsupported', 'WrongPlatform')) return 'BadRequest';
  return 'InternalError';
}
