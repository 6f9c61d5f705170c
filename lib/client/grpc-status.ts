/** Errors of a gRPC call as {@link ApiError}s. Nothing here knows the kinds: the CLI's bundle stays small. */
import { type Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { apiv1 } from '../../proto/index.ts';
import { ApiError, type StatusReason } from '../errors.ts';

/** Key of the trailer with the encoded apiv1.StatusDetails. */
export const STATUS_TRAILER = 'skiff-status-bin';

const REASONS: Readonly<Partial<Record<status, StatusReason>>> = {
  [status.CANCELLED]: 'Timeout',
  [status.INVALID_ARGUMENT]: 'BadRequest',
  [status.DEADLINE_EXCEEDED]: 'Timeout',
  [status.NOT_FOUND]: 'NotFound',
  [status.ALREADY_EXISTS]: 'AlreadyExists',
  [status.PERMISSION_DENIED]: 'Forbidden',
  [status.RESOURCE_EXHAUSTED]: 'RequestEntityTooLarge',
  [status.ABORTED]: 'Conflict',
  [status.OUT_OF_RANGE]: 'Expired',
  [status.UNIMPLEMENTED]: 'MethodNotAllowed',
  [status.UNAVAILABLE]: 'ServiceUnavailable',
  [status.UNAUTHENTICATED]: 'Unauthorized',
};

/** The error a call failed with. `peer` is whom it was made to, for messages: `127.0.0.1:7443`. */
export function statusToApiError(err: ServiceError, peer: string): ApiError {
  const details = trailerOf(err.metadata);
  if (details !== undefined) {
    const causes = (details.causes ?? []).map(({ field = '', reason = '', message = '' }) => ({
      field,
      reason,
      message,
    }));
    const omitted = details.omitted ?? 0;
    if (omitted > 0) causes.push({ field: '', reason: 'Omitted', message: `and ${omitted} more` });
    return new ApiError((details.reason ?? 'InternalError') as StatusReason, details.message ?? err.details, {
      causes,
      ...(details.retryAfterMs === undefined ? {} : { retryAfterMs: details.retryAfterMs }),
      cause: err,
    });
  }
  if (err.code === status.UNAVAILABLE)
    return new ApiError('ServiceUnavailable', connectionMessage(err.details, peer), { cause: err });
  if (err.code === status.RESOURCE_EXHAUSTED && /larger than max/i.test(err.details)) {
    return new ApiError('RequestEntityTooLarge', `Request entity too large: ${err.details}`, { cause: err });
  }
  return new ApiError(REASONS[err.code] ?? 'InternalError', `${err.details} (from ${peer})`, { cause: err });
}

function trailerOf(metadata: Metadata | undefined): apiv1.StatusDetails | undefined {
  const [bytes] = metadata?.get(STATUS_TRAILER) ?? [];
  return Buffer.isBuffer(bytes) ? apiv1.StatusDetails.decode(bytes) : undefined;
}

/** grpc-js puts what the socket said into its details; this says what it means. */
function connectionMessage(said: string, peer: string): string {
  const details = /Last error: (?:Error: )?(.*?)\.? Resolution note:/s.exec(said)?.[1] ?? said;
  if (/ECONNREFUSED/.test(details)) {
    return `Cannot connect to ${peer}: connection refused - did you specify the right host or port, and is the server running?`;
  }
  if (/certificate (?:required|unknown)|unknown ca|bad certificate|decrypt error|SSL alert|tlsv1/i.test(details)) {
    return `Cannot connect to ${peer}: the server does not accept our certificate (it was not signed by that cluster's CA): ${details}`;
  }
  if (/self.signed|unable to (?:verify|get)|certificate signature failure/i.test(details)) {
    return `Cannot connect to ${peer}: the server's certificate was not signed by the CA of this configuration: ${details}`;
  }
  if (/altnames/i.test(details))
    return `Cannot connect to ${peer}: the server's certificate is for other names: ${details}`;
  if (/certificate has expired|not yet valid/i.test(details)) {
    return `Cannot connect to ${peer}: the server's certificate is not valid now (is the clock right?): ${details}`;
  }
  if (/ENOTFOUND|EAI_AGAIN|Name resolution/i.test(details))
    return `Cannot connect to ${peer}: the name cannot be resolved: ${details}`;
  return `Cannot reach ${peer}: ${details}`;
}
