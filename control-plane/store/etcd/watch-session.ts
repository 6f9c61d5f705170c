import { ApiError } from '../../../lib/errors.ts';
import { firstRevisionAfter, type ResourceVersion, revisionOf, type StoreWatchBatch } from '../store.ts';
import type { EtcdClient } from './etcd-client.ts';
import { toApiError } from './etcd-errors.ts';
import { EventReader, type OnUndecodable } from './event-reader.ts';
import type { KeySpace } from './key-space.ts';

/** What one etcd watch needs. */
export interface WatchSessionOptions {
  readonly client: EtcdClient;
  readonly keys: KeySpace;
  readonly previous: boolean;
  readonly onUndecodable: OnUndecodable;
  /** Throws `Expired` unless the revision is still kept. */
  readonly assertKept: (revision: number, signal: AbortSignal) => Promise<void>;
}

/**
 * One etcd watch over everything of ours, from just after `from` until the stream ends. It never reconnects: it throws
 * `ServiceUnavailable` when the connection is lost, and `Expired` when history after `from` is not whole any more.
 */
export async function* watchSession(
  options: WatchSessionOptions,
  from: ResourceVersion,
  signal: AbortSignal,
): AsyncGenerator<StoreWatchBatch> {
  const start = firstRevisionAfter(from);
  const stream = await options.client.openWatch();
  const cancel = (): void => stream.cancel();
  signal.addEventListener('abort', cancel, { once: true });
  try {
    if (signal.aborted) return;
    stream.write({
      create_request: {
        ...options.keys.everything(),
        start_revision: start,
        prev_kv: options.previous,
        progress_notify: true,
        fragment: true,
      },
    });
    const reader = new EventReader(options.keys, options);
    let proven = false;
    for await (const response of stream) {
      if (response.canceled) throw cancelled(response.compact_revision, response.cancel_reason, from);
      if (response.created) {
        if (Number(response.header.revision) < revisionOf(from)) {
          await options.assertKept(revisionOf(from), signal);
        }
        continue;
      }
      // etcd accepts a start at the compaction's own revision, and then leaves out the deletions made at it. Only when
      // the revision before the start is still readable after the first events came is nothing missing from them.
      if (!proven && start > 1) {
        await options.assertKept(start - 1, signal);
        proven = true;
      }
      const batch = reader.read(response);
      const events = batch.events.filter((event) => event.version > from);
      yield { events, version: Math.max(batch.version, from) };
    }
    throw new ApiError('ServiceUnavailable', 'Cannot watch etcd: it ended the stream');
  } catch (err) {
    if (signal.aborted) return;
    throw toApiError(err, { doing: 'watch etcd', writes: false });
  } finally {
    signal.removeEventListener('abort', cancel);
    stream.cancel();
  }
}

function cancelled(compactRevision: string, reason: string, from: ResourceVersion): ApiError {
  return Number(compactRevision) > 0
    ? new ApiError('Expired', `Cannot watch from version ${from}: it is no longer kept; list again`)
    : new ApiError('ServiceUnavailable', `Cannot watch etcd: it cancelled the watch: ${reason || 'no reason given'}`);
}
