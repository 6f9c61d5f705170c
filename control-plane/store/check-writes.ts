import { ApiError } from '../../lib/errors.ts';
import { MAX_COMMIT_OBJECTS, type StoreWrite } from './store.ts';

/** Throws `ApiError('InternalError')` unless `writes` can be one transaction: not too many, and each key once. */
export function checkWrites(writes: readonly StoreWrite[]): void {
  if (writes.length > MAX_COMMIT_OBJECTS) {
    throw new ApiError(
      'InternalError',
      `Cannot commit ${writes.length} objects: a transaction holds at most ${MAX_COMMIT_OBJECTS}`,
    );
  }
  const keys = new Set<string>();
  for (const { key } of writes) {
    if (keys.has(key)) {
      throw new ApiError('InternalError', `Cannot commit ${key}: one transaction writes it twice`);
    }
    keys.add(key);
  }
}
