import type { IncomingHttpHeaders } from 'node:http2';
import { ApiError, type StatusReason } from '../../lib/errors.ts';
import { apiv1 } from '../../proto/api.ts';

const OK = 0;
const UNAVAILABLE = 14;

/** What a bare gRPC code means when no details came with it. */
const REASONS: Readonly<Record<number, StatusReason>> = {
  3: 'BadRequest',
  4: 'Timeout',
  5: 'NotFound',
  6: 'AlreadyExists',
  7: 'Forbidden',
  8: 'TooManyRequests',
  10: 'Conflict',
  11: 'Expired',
  12: 'MethodNotAllowed',
  [UNAVAILABLE]: 'ServiceUnavailable',
  16: 'Unauthorized',
};

const KNOWN_REASONS: ReadonlySet<string> = new Set<StatusReason>([
  'NotFound',
  'AlreadyExists',
  'Conflict',
  'Invalid',
  'BadRequest',
  'Unauthorized',
  'Forbidden',
  'Expired',
  'TooManyRequests',
  'RequestEntityTooLarge',
  'MethodNotAllowed',
  'Timeout',
  'ServiceUnavailable',
  'InternalError',
]);

/** The error that the trailers of a call carry; undefined when it went well. */
export function trailerError(trailers: IncomingHttpHeaders): ApiError | undefined {
  const code = Number(trailers['grpc-status'] ?? UNAVAILABLE);
  if (code === OK) return undefined;
  const message = decodeMessage(header(trailers['grpc-message'])) || `the call ended with gRPC status ${code}`;
  const details = header(trailers['skiff-status-bin']);
  if (details === '') return new ApiError(REASONS[code] ?? 'InternalError', message);
  const status = apiv1.StatusDetails.decode(Buffer.from(details, 'base64'));
  const reason = KNOWN_REASONS.has(status.reason ?? '')
    ? (status.reason as StatusReason)
    : (REASONS[code] ?? 'InternalError');
  const causes = (status.causes ?? []).map((cause) => ({
    field: cause.field ?? '',
    reason: cause.reason ?? '',
    message: cause.message ?? '',
  }));
  const omitted = status.omitted ?? 0;
  if (omitted > 0) causes.push({ field: '', reason: '', message: `and ${omitted} more problems` });
  return new ApiError(reason, status.message ?? message, {
    causes,
    ...(status.retryAfterMs ? { retryAfterMs: status.retryAfterMs } : {}),
  });
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
