import { ApiError } from '../../../lib/errors.ts';
import { INDEX_SPAN, type ResourceVersion } from '../../store/store.ts';
import { badRequest } from '../api-errors.ts';

/** Where the next page of a list begins, and of which version it is. */
export interface ContinueToken {
  /** 0 for whatever is the latest when the token is used: what a client gets in place of a token that expired. */
  readonly version: ResourceVersion;
  /** The key after which the page begins. */
  readonly after: string;
}

const FORMAT = 1;

/** The text clients send back to get the next page. */
export function encodeContinue(token: ContinueToken): string {
  return Buffer.from(JSON.stringify([FORMAT, token.version, token.after])).toString('base64url');
}

/** Reads a token; its key must lie under `prefix`, so that no token reaches beyond its collection. Throws `BadRequest`. */
export function decodeContinue(text: string, prefix: string): ContinueToken {
  let parts: unknown;
  try {
    parts = JSON.parse(Buffer.from(text, 'base64url').toString('utf8'));
  } catch {
    parts = undefined;
  }
  const [format, version, after] = Array.isArray(parts) ? (parts as unknown[]) : [];
  if (
    format !== FORMAT ||
    typeof version !== 'number' ||
    !Number.isSafeInteger(version) ||
    (version !== 0 && version < INDEX_SPAN) ||
    typeof after !== 'string'
  ) {
    throw badRequest('continue key is not valid: it is not one this server gave');
  }
  if (!after.startsWith(prefix)) throw badRequest('continue key is not valid: it belongs to another collection');
  return { version, after };
}

/** The version a token was made for is gone: how to go on, with a token for the rest of the list as it is by then. */
export function continueExpired(expired: ContinueToken, cause: unknown): ApiError {
  return new ApiError(
    'Expired',
    'The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, ' +
      'or go on with the continue token of this error: the rest of the list is then newer than the pages before.',
    { cause, continueToken: encodeContinue({ version: 0, after: expired.after }) },
  );
}
