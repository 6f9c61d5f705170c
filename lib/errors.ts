/**
 * Errors are classes of behaviour: what a caller does next depends on the reason, never on the text. The reasons are
 * Kubernetes' status reasons, so that one vocabulary runs from the store to the words the CLI prints.
 */

/** Kubernetes' machine-readable status reasons, as far as Skiff gives them. */
export type StatusReason =
  | 'NotFound'
  | 'AlreadyExists'
  | 'Conflict'
  | 'Invalid'
  | 'BadRequest'
  | 'Unauthorized'
  | 'Forbidden'
  | 'Expired'
  | 'TooManyRequests'
  | 'RequestEntityTooLarge'
  | 'MethodNotAllowed'
  | 'Timeout'
  | 'ServiceUnavailable'
  | 'InternalError';

/** One problem in one field. `field` is a path such as `spec.containers[0].image`; empty when no single field is at fault. */
export interface ErrorCause {
  readonly field: string;
  /** Kubernetes' cause reasons: `FieldValueRequired`, `FieldValueInvalid`, `FieldValueUnknown`, … */
  readonly reason: string;
  readonly message: string;
}

/** What an {@link ApiError} carries besides its message. */
export interface ApiErrorOptions {
  readonly causes?: readonly ErrorCause[];
  /** Milliseconds after which a retry may succeed. */
  readonly retryAfterMs?: number;
  /** With `Expired` of a list's next page: the token that goes on all the same, at a newer version. */
  readonly continueToken?: string;
  readonly cause?: unknown;
}

/** Reason of the cause that says a version named in a request is newer than all a server has seen. */
export const VERSION_TOO_LARGE = 'ResourceVersionTooLarge';

/** Reasons after which the same request may succeed later without being changed. */
const RETRYABLE: ReadonlySet<StatusReason> = new Set(['TooManyRequests', 'Timeout', 'ServiceUnavailable']);

/** A refusal or failure of an API request. The message is a whole sentence fit for a person. */
export class ApiError extends Error {
  readonly reason: StatusReason;
  readonly causes: readonly ErrorCause[];
  readonly retryAfterMs: number | undefined;
  readonly continueToken: string | undefined;

  constructor(reason: StatusReason, message: string, options: ApiErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'ApiError';
    this.reason = reason;
    this.causes = options.causes ?? [];
    this.retryAfterMs = options.retryAfterMs;
    this.continueToken = options.continueToken;
  }

  /** Whether the same request may succeed later, unchanged. A `Conflict` may not: the caller must read again first. */
  get retryable(): boolean {
    return RETRYABLE.has(this.reason);
  }
}

/** True when `err` is an {@link ApiError} with one of `reasons`. */
export function hasReason(err: unknown, ...reasons: readonly StatusReason[]): boolean {
  return err instanceof ApiError && reasons.includes(err.reason);
}

/** The text of anything thrown, without its stack. */
export function errorMessage(err: unknown): string {
  return err instanceof Error ? err.message : String(err);
}
