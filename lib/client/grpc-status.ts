/** Errors of calls made with grpc-js as {@link ApiError}s, with words for what happened to the connection. */
import { type Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { ApiError } from '../errors.ts';
import { STATUS_TRAILER, statusError } from './status-error.ts';

/** The error a call failed with. `peer` is whom it was made to, for messages: `127.0.0.1:7443`. */
export function statusToApiError(err: ServiceError, peer: string): ApiError {
  const { code } = err;
  const details = trailerOf(err.metadata);
  if (details !== undefined) return statusError({ code, message: err.details, details, cause: err });
  if (code === status.UNAVAILABLE)
    return new ApiError('ServiceUnavailable', connectionMessage(err.details, peer), { cause: err });
  const message = /larger than max/i.test(err.details)
    ? `Request entity too large: ${err.details}`
    : `${err.details} (from ${peer})`;
  return statusError({ code, message, details, cause: err });
}

function trailerOf(metadata: Metadata | undefined): Buffer | undefined {
  const [bytes] = metadata?.get(STATUS_TRAILER) ?? [];
  return Buffer.isBuffer(bytes) ? bytes : undefined;
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
