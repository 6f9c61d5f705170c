import { hasReason } from '../../../lib/errors.ts';
import type { KubeObject } from '../../../proto/index.ts';
import { listObjects } from '../read/list.ts';
import type { ApiServices } from '../services.ts';
import { type DeletionOptions, deleteObject } from './delete.ts';
import type { WriteRequest } from './write-request.ts';

/** Deletions under way at once; the store commits them in groups. */
const PARALLEL = 64;

/** What a collection's deletion selects. */
export interface CollectionSelectors {
  readonly labelSelector: string;
  readonly fieldSelector: string;
}

/** Deletes everything selected that is there when the call begins. Gives the objects deleted or marked. */
export async function deleteCollection(
  services: ApiServices,
  request: WriteRequest,
  { selectors, deletion }: { readonly selectors: CollectionSelectors; readonly deletion: DeletionOptions },
): Promise<KubeObject[]> {
  const { entries } = await listObjects(services, request.target, {
    ...selectors,
    limit: 0,
    continueText: '',
    resourceVersion: '',
    exact: false,
    maxBytes: Number.POSITIVE_INFINITY,
    signal: request.signal,
  });
  const deleted: KubeObject[] = [];
  for (let at = 0; at < entries.length; at += PARALLEL) {
    const group = entries.slice(at, at + PARALLEL).map(async ({ object }) => {
      if (object === undefined) return;
      const { namespace = '', name = '' } = object.metadata ?? {};
      try {
        const target = { ...request.target, namespace, name };
        deleted.push((await deleteObject(services, { ...request, target }, deletion)).object);
      } catch (err) {
        // Gone between the list and now: what was wanted.
        if (!hasReason(err, 'NotFound')) throw err;
      }
    });
    await Promise.all(group);
  }
  return deleted;
}
