import type { JsonObject } from '../manifest/json-value.ts';
import { nameHash } from './name-hash.ts';

/** A Secret of these bytes. With `appendHash`, the name ends with a hash of the content. */
export function secretOf(
  name: string,
  { type, data, appendHash }: { type: string; data: ReadonlyMap<string, Buffer>; appendHash: boolean },
): JsonObject {
  const encoded = Object.fromEntries([...data].map(([key, bytes]) => [key, bytes.toString('base64')]));
  const suffix = appendHash ? `-${nameHash({ kind: 'Secret', name, type, data: encoded })}` : '';
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: name + suffix },
    ...(data.size === 0 ? {} : { data: encoded }),
    // Empty means Opaque, which the server fills in.
    ...(type === '' ? {} : { type }),
  };
}
