import { ApiError } from '../../lib/errors.ts';
import type { Manifest } from './manifest.ts';
import { ManifestError, type ManifestProblem } from './manifest-error.ts';

/**
 * A refusal of the server told at the places of the file it is about, one problem per cause; other errors as they are. A field
 * that is missing is told at the nearest part that is there.
 */
export function locateCauses(manifest: Manifest, err: unknown): unknown {
  if (!(err instanceof ApiError) || (err.reason !== 'Invalid' && err.reason !== 'BadRequest')) return err;
  if (err.causes.length === 0) {
    const path = /^no matches for kind/.test(err.message) ? 'kind' : '';
    return new ManifestError([manifest.problemAt(path, err.message)], { cause: err });
  }
  const problems = err.causes.map(({ field, reason, message }): ManifestProblem => {
    const isUnknown = reason === 'FieldValueUnknown';
    const text = field === '' || message.includes(field) ? message : `${field}: ${message}`;
    return manifest.problemAt(field, text, isUnknown ? 'key' : 'value');
  });
  return new ManifestError(problems, { cause: err });
}
