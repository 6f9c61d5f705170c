/** The name under which a write owns fields. */

import { ApiError, type ErrorCause } from '../../../../lib/errors.ts';
import { invalid, required, tooLong } from '../../../resources/validation/field-errors.ts';
import type { WriteRequest } from '../write-request.ts';

/** Longest name of a manager, in bytes. */
const MAX_BYTES = 128;

/** The manager of client-side apply when the request names none. */
export const CLIENT_SIDE_APPLY = 'kubectl-client-side-apply';

/** The options whose field manager is checked, as Kubernetes names them. */
export type OptionsKind = 'CreateOptions' | 'UpdateOptions' | 'PatchOptions';

/** The name of a manager as a request gives it. Throws `Invalid` for one that cannot be kept. */
export function checkFieldManager(options: OptionsKind, fieldManager = ''): string {
  if (Buffer.byteLength(fieldManager) > MAX_BYTES) {
    refuse(options, tooLong('fieldManager', MAX_BYTES));
  }
  const place = fieldManager.search(/[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/u);
  if (place >= 0) {
    const why = `invalid character at position ${place}: should only contain printable characters`;
    refuse(options, invalid('fieldManager', fieldManager, why));
  }
  return fieldManager;
}

/** The manager of a server-side apply. Throws `Invalid` when the request names none, or one that cannot be kept. */
export function requireFieldManager(fieldManager: string): string {
  if (fieldManager === '') {
    refuse('PatchOptions', required('fieldManager', 'is required for apply patch'));
  }
  return checkFieldManager('PatchOptions', fieldManager);
}

function refuse(options: OptionsKind, cause: ErrorCause): never {
  const message = `${options}.meta.k8s.io "" is invalid: ${cause.field}: ${cause.message}`;
  throw new ApiError('Invalid', message, { causes: [cause] });
}

/** The manager of a write: the one it names, else the user who makes it, cut to what fits. */
export function managerOf({ fieldManager = '', caller }: WriteRequest): string {
  if (fieldManager !== '') return fieldManager;
  const { user } = caller;
  if (Buffer.byteLength(user) <= MAX_BYTES) return user;
  return Buffer.from(user)
    .subarray(0, MAX_BYTES)
    .toString('utf8')
    .replace(/\uFFFD+$/u, '');
}
