import type { IncomingHttpHeaders } from 'node:http2';
import { STATUS_TRAILER, statusError } from '../../lib/client/status-error.ts';
import type { ApiError } from '../../lib/errors.ts';

const OK = 0;
const UNAVAILABLE = 14;

/** The error that the trailers of a call carry; undefined when it went well. */
export function trailerError(trailers: IncomingHttpHeaders): ApiError | undefined {
  const code = Number(trailers['grpc-status'] ?? UNAVAILABLE);
  if (code === OK) return undefined;
  const message = decodeMessage(header(trailers['grpc-message'])) || `the call ended with gRPC status ${code}`;
  const details = header(trailers[STATUS_TRAILER]);
  return statusError({ code, message, details: details === '' ? undefined : Buffer.from(details, 'base64') });
}

function header(value: string | string[] | undefined): string {
  return (Array.isArray(value) ? value[0] : value) ?? '';
}

/** gRPC percent-encodes messages; what is not proper encoding is taken as it is. */
function decodeMessage(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
