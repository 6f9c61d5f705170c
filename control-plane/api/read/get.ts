import { notFound } from '../api-errors.ts';
import { objectKey } from '../keys.ts';
import { requireName, type Target } from '../request/target.ts';
import type { ApiServices } from '../services.ts';
import type { ReadEntry } from './list.ts';

/** The target at the latest version: everything acknowledged before the call is seen. Throws `NotFound`. */
export async function getObject(services: ApiServices, target: Target, signal?: AbortSignal): Promise<ReadEntry> {
  const name = requireName(target);
  await services.cache.catchUp(signal);
  const entry = services.cache.get(objectKey(target.definition.type, target.namespace, name));
  if (entry === undefined) throw notFound(target.definition.type, name);
  return entry;
}
