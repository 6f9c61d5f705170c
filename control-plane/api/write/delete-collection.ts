import { hasReason } from '../../../lib/errors.ts';
import type { KubeObject } from '../../../proto/index.ts';
import { listObjects } from '../read/list.ts';
import type { ApiServices } from '../services.ts';
import { type DeletionOptions, deleteObject } from './delete.ts';
import type { WriteRequest } from './write-request.ts';

/** Deletions under way at once; the store commits them in groups. */
const PARALLEL = 64;
/** Objects deleted in one call: the reply names each of them. */
const MAX_OBJECTS = 10_000;

/** What a collection's deletion selects. */
export interface CollectionSelectors {
  readonly labelSelector: string;
  readonly fieldSelector: string;
  /** Most objects in this call; 0 for no limit of the caller's. */
  readonly limit: number;
  /** From the call before; empty for the first. */
  readonly continueText: string;
}

/** What a call deleted or marked, and how to go on: empty when nothing selected is left. */
export interface DeletedCollection {
  readonly deleted: readonly KubeObject[];
  readonly continueText: string;
}

/**
 * Deletes everything selected that is there when the (first) call begins. What cannot be deleted ends the call with its error
 * once the deletions under way have settled; preconditions hold for every object.
 */
export async function deleteCollection(
  services: ApiServices,
  request: WriteRequest,
  { selectors, deletion }: { readonly selectors: CollectionSelectors; readonly deletion: DeletionOptions },
): Promise<DeletedCollection> {
  const limit = selectors.limit === 0 ? MAX_OBJECTS : Math.min(selectors.limit, MAX_OBJECTS);
  const { entries, continueText } = await listObjects(services, request.target, {
    ...selectors,
    limit,
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
    const failed = (await Promise.allSettled(group)).find((result) => result.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }
  return { deleted, continueText };
}
