import type { ApiError } from '../../lib/errors.ts';

/** The error with which a call is refused. Throws when it is not. */
export function refusal(call: Promise<unknown>): Promise<ApiError> {
  return call.then(
    () => {
      throw new Error('it was not refused');
    },
    (err: unknown) => err as ApiError,
  );
}
