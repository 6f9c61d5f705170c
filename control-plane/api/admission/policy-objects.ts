import type { KubeObject, ResourceType } from '../../../proto/index.ts';
import { collectionPrefix } from '../keys.ts';
import type { ApiServices } from '../services.ts';

/** All objects of a kind that admission goes by, of one namespace or of the cluster, from memory. Shared: not to be changed. */
export function policyObjects<T extends KubeObject>(services: ApiServices, type: ResourceType<T>, namespace = ''): T[] {
  const { entries } = services.cache.list(collectionPrefix(type as unknown as ResourceType, namespace));
  return entries.flatMap(({ object }) => (object === undefined ? [] : [object as T]));
}
