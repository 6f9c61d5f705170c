import {
  LAST_INDEX,
  MAX_COMMIT_OBJECTS,
  type ResourceVersion,
  revisionOf,
  type StoreEntry,
  type StoreEvent,
  versionOf,
} from './store.ts';

/** What is known at one version. */
export interface Snapshot {
  readonly entries: Iterable<StoreEntry>;
  readonly version: ResourceVersion;
}

/** Indexes of one revision that no write ever has; deletions found by listing get their versions there. */
const FREE_PER_REVISION = LAST_INDEX - MAX_COMMIT_OBJECTS;

/**
 * The events that lead from `before` to `after`, in order of version, when what happened between is no longer known. A
 * change has its true version. A deletion's is lost: it gets one of its own, not used by any write, below `after`'s and
 * above `before`'s, so that a watcher cut between two of them resumes exactly there. Undefined when `after` does not
 * follow from `before` (the store went back in time): then there is no order to keep.
 */
export function relistDifference(before: Snapshot, after: Snapshot): StoreEvent[] | undefined {
  const events: StoreEvent[] = [];
  const vanished = new Map<string, StoreEntry>();
  for (const entry of before.entries) vanished.set(entry.key, entry);
  for (const { key, value, version } of after.entries) {
    const previous = vanished.get(key);
    vanished.delete(key);
    if (previous?.version === version) continue;
    if (version <= before.version) return undefined;
    events.push({ type: 'put', key, value, previous: previous?.value, version });
  }
  if (after.version < before.version) return undefined;
  let n = 0;
  for (const { key, value } of vanished.values()) {
    const version = Math.max(freeVersion(after.version, n), before.version);
    events.push({ type: 'delete', key, value, previous: value, version });
    n += 1;
  }
  return events.sort((a, b) => a.version - b.version);
}

/** The `n`-th unused version counting down from the end of `version`'s revision, and on in the revisions before it. */
function freeVersion(version: ResourceVersion, n: number): ResourceVersion {
  const revision = revisionOf(version) - Math.floor(n / FREE_PER_REVISION);
  return versionOf(revision, LAST_INDEX - 1 - (n % FREE_PER_REVISION));
}
