import { ApiError } from '../../lib/errors.ts';
import type { CachedEvent } from './cached-entry.ts';
import type { ResourceShard } from './resource-shard.ts';
import type { ResourceVersion } from './store.ts';

/** How a watch of the cache behaves. */
export interface CacheWatchOptions {
  /** After this long without a bookmark, one is sent: a batch without events whose version may be resumed from. */
  readonly bookmarkIntervalMs?: number;
  /** Most events in one batch: 256. */
  readonly maxBatchEvents?: number;
}

/** Some events in order, or none: then a bookmark. Everything under the prefix at or below `version` was delivered. */
export interface CacheWatchBatch<T> {
  readonly events: readonly CachedEvent<T>[];
  readonly version: ResourceVersion;
}

/** Where a watch begins, and how far the cache has come. */
export interface WatchPosition {
  readonly prefix: string;
  readonly from: ResourceVersion;
  readonly version: () => ResourceVersion;
}

/** Reads one shard's window from a version on; see `WatchCache.watch`. */
export async function* watchShard<T>(
  shard: ResourceShard<T>,
  position: WatchPosition,
  signal: AbortSignal,
  options: CacheWatchOptions,
): AsyncGenerator<CacheWatchBatch<T>> {
  const { prefix, from } = position;
  const { bookmarkIntervalMs, maxBatchEvents = 256 } = options;
  const { window } = shard;
  let wake = (): void => undefined;
  let bookmarkDue = false;
  const stopListening = shard.listen(() => wake());
  const onAbort = (): void => wake();
  signal.addEventListener('abort', onAbort, { once: true });
  const timer =
    bookmarkIntervalMs === undefined
      ? undefined
      : setInterval(() => {
          bookmarkDue = true;
          wake();
        }, bookmarkIntervalMs).unref();
  try {
    let seq = window.seqAfter(from);
    while (!signal.aborted) {
      if (shard.retired !== undefined) throw shard.retired;
      if (seq === undefined || seq < window.firstSeq) throw expired(prefix);
      const events: CachedEvent<T>[] = [];
      for (; seq < window.endSeq && events.length < maxBatchEvents; seq++) {
        const event = window.at(seq);
        // A watch may begin above what this cache has seen (its client last spoke to another server).
        if (event?.entry.key.startsWith(prefix) && event.version > from) events.push(event);
      }
      const last = events.at(-1);
      if (last !== undefined) {
        yield { events, version: last.version };
      } else if (bookmarkDue && position.version() > from) {
        bookmarkDue = false;
        yield { events, version: position.version() };
      } else {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    }
  } finally {
    clearInterval(timer);
    stopListening();
    signal.removeEventListener('abort', onAbort);
  }
}

function expired(prefix: string): ApiError {
  return new ApiError(
    'Expired',
    `Cannot watch ${prefix}: events after the given version are no longer kept; list again`,
  );
}
