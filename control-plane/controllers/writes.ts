/** Ways of writing that several controllers share. */
import type { ResourceClient } from '../../lib/client/resource-client.ts';
import { ApiError, hasReason } from '../../lib/errors.ts';
import type { KubeObject, ResourceType } from '../../proto/index.ts';

/** How a batch went. */
export interface BatchResult {
  readonly succeeded: number;
  readonly failures: readonly unknown[];
}

/** Requests in the first batch. */
const FIRST_BATCH = 8;
/** A batch grows by this factor after each that worked whole. */
const GROWTH = 4;

/**
 * Runs `write` `count` times in batches of 8, 32, 128, … at a time, and stops after the first batch with a failure: what
 * cannot work (no quota, a bad template) costs a few requests, not hundreds, and what works costs few rounds.
 */
export async function slowStart(count: number, write: (index: number) => Promise<void>): Promise<BatchResult> {
  let succeeded = 0;
  for (let start = 0, size = FIRST_BATCH; start < count; start += size, size *= GROWTH) {
    const indexes = Array.from({ length: Math.min(size, count - start) }, (_, i) => start + i);
    const results = await Promise.allSettled(indexes.map((index) => write(index)));
    const failures = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : []));
    succeeded += results.length - failures.length;
    if (failures.length > 0) return { succeeded, failures };
  }
  return { succeeded, failures: [] };
}

/** Whether a write that failed so may nevertheless have happened. */
export function mayHaveHappened(err: unknown): boolean {
  return !(err instanceof ApiError) || hasReason(err, 'ServiceUnavailable', 'Timeout', 'InternalError');
}

/** Whether the namespace is being deleted, so that nothing can be created in it and nothing should be. */
export function isNamespaceTerminating(err: unknown): boolean {
  return err instanceof ApiError && err.causes.some((cause) => cause.reason === 'NamespaceTerminating');
}

/** Waits for `request`; undefined when the object is gone, which is what the caller wanted or cannot help. */
export async function ignoreNotFound<T>(request: Promise<T>): Promise<T | undefined> {
  try {
    return await request;
  } catch (err) {
    if (hasReason(err, 'NotFound')) return undefined;
    throw err;
  }
}

/** Deletions asked for at the same time. */
const PARALLEL = 32;

/**
 * Asks for the deletion of all `items` of a kind but those that are going already. Tries each of them; gives the failures, of which
 * that an object is gone is none.
 */
export async function deleteAll(
  client: ResourceClient,
  type: ResourceType,
  { items, signal }: { readonly items: readonly KubeObject[]; readonly signal: AbortSignal },
): Promise<readonly unknown[]> {
  const failures: unknown[] = [];
  const left = items.filter((object) => object.metadata?.deletionTimestamp === undefined).values();
  const deleteNext = async (): Promise<void> => {
    for (const object of left) {
      const { name = '', namespace, uid = '' } = object.metadata ?? {};
      const options = { uid, propagationPolicy: 'Background' as const, signal };
      await ignoreNotFound(client.delete(type, { namespace, name }, options)).catch((err: unknown) =>
        failures.push(err),
      );
    }
  };
  await Promise.all(Array.from({ length: Math.min(PARALLEL, items.length) }, deleteNext));
  return failures;
}
