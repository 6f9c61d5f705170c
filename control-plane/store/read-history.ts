import { ApiError } from '../../lib/errors.ts';
import type { ResourceVersion, Store, StoreEvent } from './store.ts';

/** Which part of the store's history is wanted, and how much of it may be read. */
export interface HistoryRange {
  /** Events after this version, */
  readonly from: ResourceVersion;
  /** up to and including this one. */
  readonly to: ResourceVersion;
  readonly maxEvents: number;
  readonly maxBytes: number;
  /** How long may pass without news before the store is asked for a sync. */
  readonly syncAfterMs: number;
}

/**
 * The events of a range of the past, with previous values, in order. Throws `Expired` when the store no longer keeps them or
 * when they are more than may be read; otherwise as the store's watch does. Rejects with the signal's reason when it aborts.
 */
export async function readHistory(store: Store, range: HistoryRange, signal: AbortSignal): Promise<StoreEvent[]> {
  const { from, to, maxEvents, maxBytes, syncAfterMs } = range;
  const events: StoreEvent[] = [];
  let bytes = 0;
  const enough = new AbortController();
  // On a store shared with others the last change may be none of ours: then no batch would ever come.
  const nudge = setInterval(() => void store.sync(signal).catch(() => undefined), syncAfterMs);
  try {
    for await (const batch of store.watch('', from, AbortSignal.any([signal, enough.signal]))) {
      for (const event of batch.events) {
        if (event.version > to) break;
        events.push(event);
        bytes += (event.value?.byteLength ?? 0) + (event.previous?.byteLength ?? 0);
      }
      if (events.length > maxEvents || bytes > maxBytes) {
        throw new ApiError(
          'Expired',
          `Cannot read history from version ${from}: too much has happened since; list again`,
        );
      }
      if (batch.version >= to) return events;
    }
  } finally {
    clearInterval(nudge);
    enough.abort();
  }
  signal.throwIfAborted();
  throw new ApiError('ServiceUnavailable', `Cannot read history from version ${from}: the store ended the watch`);
}
