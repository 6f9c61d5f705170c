import { ApiError } from '../../../lib/errors.ts';
import type { KubeObject } from '../../../proto/index.ts';
import type { ResourceVersion } from '../../store/store.ts';
import type { CachedEntry, CachedEvent } from '../../store/watch-cache.ts';
import { badRequest } from '../api-errors.ts';
import { whileServed } from '../custom/while-served.ts';
import { collectionPrefix } from '../keys.ts';
import type { Target } from '../request/target.ts';
import type { ApiServices } from '../services.ts';
import { parseVersion } from '../stored-object.ts';
import { waitForVersion } from './list.ts';
import { compileSelection, type Selection } from './selection.ts';

/** How to watch. */
export interface WatchOptions {
  readonly labelSelector: string;
  readonly fieldSelector: string;
  readonly resourceVersion: string;
  readonly sendInitialEvents: boolean;
  readonly bookmarks: boolean;
  /** Most events in one batch. */
  readonly maxBatchEvents?: number;
  /** With `bookmarks`, the longest time without one while nothing else comes: a minute. */
  readonly bookmarkIntervalMs?: number;
}

/** One change as a watcher with this selector sees it. `source` is the same object for every watcher of the change. */
export interface WatchedEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly entry: CachedEntry<KubeObject>;
  readonly version: ResourceVersion;
  /** The cache's event; undefined for the initial state. */
  readonly source: CachedEvent<KubeObject> | undefined;
}

/** Events in order, or a bookmark: no events, and everything up to `version` has been seen. */
export interface WatchBatch {
  readonly events: readonly WatchedEvent[];
  readonly version: ResourceVersion;
  readonly bookmark: boolean;
  readonly initialEventsEnd: boolean;
  /** No selector left anything out: watchers of the same events with the same number of them have the same events. */
  readonly unfiltered: boolean;
}

/** A bookmark at least this often while nothing else comes. */
const BOOKMARK_INTERVAL_MS = 60_000;
const INITIAL_BATCH = 256;

/**
 * Every change of a collection, in order, as the selectors see it: what enters the selection is ADDED, what leaves it
 * DELETED. Throws `Expired` when the version is no longer remembered. Ends when `signal` aborts.
 */
export async function* watchObjects(
  services: ApiServices,
  target: Target,
  options: WatchOptions,
  signal: AbortSignal,
): AsyncGenerator<WatchBatch> {
  const { definition } = target;
  const selection = compileSelection(target, { ...options, name: target.name });
  const prefix = collectionPrefix(definition.type, target.namespace);
  const asked = parseVersion(options.resourceVersion);
  if (Number.isNaN(asked)) throw badRequest(`resourceVersion: Invalid value: "${options.resourceVersion}"`);
  let from = asked ?? 0;
  if (from === 0 || options.sendInitialEvents) {
    if (asked === undefined) await services.cache.catchUp(signal);
    else if (from > 0) await waitForVersion(services, from, signal);
    const list = services.cache.list(prefix);
    yield* initialEvents(list.entries, list.version, selection);
    if (options.sendInitialEvents) {
      yield { events: [], version: list.version, bookmark: true, initialEventsEnd: true, unfiltered: false };
    }
    from = list.version;
  } else {
    // A version from the future (of a store since restored from a backup, say) would wait in silence and miss everything.
    await waitForVersion(services, from, signal);
  }
  const cacheOptions = {
    ...(options.bookmarks ? { bookmarkIntervalMs: options.bookmarkIntervalMs ?? BOOKMARK_INTERVAL_MS } : {}),
    ...(options.maxBatchEvents === undefined ? {} : { maxBatchEvents: options.maxBatchEvents }),
  };
  const served = whileServed(services, target, signal);
  try {
    for await (const batch of services.cache.watch(prefix, from, served.signal, cacheOptions)) {
      if (batch.events.length === 0) {
        yield { events: [], version: batch.version, bookmark: true, initialEventsEnd: false, unfiltered: false };
        continue;
      }
      const events = batch.events.flatMap((event) => seenThrough(selection, event) ?? []);
      const unfiltered = selection.everything;
      if (events.length > 0)
        yield { events, version: batch.version, bookmark: false, initialEventsEnd: false, unfiltered };
    }
    served.throwIfGone();
  } finally {
    served.release();
  }
}

function* initialEvents(
  entries: readonly CachedEntry<KubeObject>[],
  version: ResourceVersion,
  selection: Selection,
): Generator<WatchBatch> {
  const chosen = selection.everything
    ? entries
    : entries.filter(({ object }) => object !== undefined && selection.matches(object));
  for (let at = 0; at < chosen.length; at += INITIAL_BATCH) {
    const events = chosen
      .slice(at, at + INITIAL_BATCH)
      .map((entry): WatchedEvent => ({ type: 'ADDED', entry, version: entry.version, source: undefined }));
    yield { events, version, bookmark: false, initialEventsEnd: false, unfiltered: false };
  }
}

/** The change as seen through a selector; undefined when it concerns nothing selected before or after. */
function seenThrough(selection: Selection, event: CachedEvent<KubeObject>): WatchedEvent | undefined {
  const { entry, previous, version } = event;
  const before = previous !== undefined && isSelected(selection, previous);
  const after = event.type === 'put' && isSelected(selection, entry);
  if (!before && !after) return undefined;
  if (!after) {
    // What left the selection is sent as it was when last selected, at the version of the change.
    return {
      type: 'DELETED',
      entry: event.type === 'put' && previous !== undefined ? previous : entry,
      version,
      source: event,
    };
  }
  return { type: before ? 'MODIFIED' : 'ADDED', entry, version, source: event };
}

function isSelected(selection: Selection, entry: CachedEntry<KubeObject>): boolean {
  if (selection.everything) return true;
  return entry.object !== undefined && selection.matches(entry.object);
}

/** The error for a watch whose version is forgotten. */
export function tooOld(version: string, cause: unknown): ApiError {
  return new ApiError('Expired', `too old resource version: ${version}`, { cause });
}
