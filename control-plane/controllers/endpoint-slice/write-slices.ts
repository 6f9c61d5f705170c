import type { ResourceClient } from '../../../lib/client/resource-client.ts';
import { objectKey } from '../../../lib/informer.ts';
import { type discoveryv1, KINDS } from '../../../proto/index.ts';
import type { OwnWrites } from '../own-writes.ts';
import { ignoreNotFound, isNamespaceTerminating } from '../writes.ts';
import type { SlicePlan } from './plan-slices.ts';

/** What {@link writeSlices} needs besides the plan. */
export interface SliceWriter {
  readonly client: ResourceClient;
  readonly ownWrites: OwnWrites<discoveryv1.EndpointSlice>;
  /** What the writes are for, as in the ledger. */
  readonly key: string;
  readonly signal: AbortSignal;
}

/**
 * Does what the plan says: what endpoints lose first, and what others changed meanwhile is a conflict. Tries all of it and
 * throws the first failure.
 */
export async function writeSlices(plan: SlicePlan, { client, ownWrites, key, signal }: SliceWriter): Promise<void> {
  const wrote = (slice: discoveryv1.EndpointSlice | undefined): void => {
    if (slice !== undefined) ownWrites.wrote(key, slice);
  };
  const results = await Promise.allSettled([
    ...plan.update.map(async (slice) =>
      wrote(await ignoreNotFound(client.update(KINDS.EndpointSlice, slice, { signal }))),
    ),
    ...plan.create.map(async (slice) => wrote(await client.create(KINDS.EndpointSlice, slice, { signal }))),
    ...plan.remove.map(async (slice) => {
      const { namespace, name = '', uid = '' } = slice.metadata ?? {};
      await ignoreNotFound(client.delete(KINDS.EndpointSlice, { namespace, name }, { uid, signal }));
      ownWrites.deleted(key, objectKey(slice), uid);
    }),
  ]);
  for (const result of results) {
    if (result.status === 'rejected' && !isNamespaceTerminating(result.reason)) throw result.reason;
  }
}
