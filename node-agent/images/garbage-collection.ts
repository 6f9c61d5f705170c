/** Which images may go when the disk is full. */

import { statfs } from 'node:fs/promises';

/** What is known about the images of a node; times are milliseconds of one clock. */
export interface CollectionCandidates {
  readonly ids: readonly string[];
  /** Last use by id; an image without an entry was never used. */
  readonly lastUsedMs: ReadonlyMap<string, number>;
  readonly inUse: ReadonlySet<string>;
  readonly nowMs: number;
  /** Younger than this since their last use, images stay. */
  readonly minAgeMs: number;
}

/** The ids that may be removed, least recently used first. Pure. */
export function collectionOrder(candidates: CollectionCandidates): string[] {
  const usedMs = (id: string): number => candidates.lastUsedMs.get(id) ?? 0;
  return candidates.ids
    .filter((id) => !candidates.inUse.has(id) && usedMs(id) <= candidates.nowMs - candidates.minAgeMs)
    .sort((a, b) => usedMs(a) - usedMs(b));
}

/** How full the filesystem of a folder is, 0 to 100, counted as `df` counts: what is reserved for root is not there. */
export async function diskUsedPercent(directory: string): Promise<number> {
  const disk = await statfs(directory);
  const used = disk.blocks - disk.bfree;
  return used + disk.bavail === 0 ? 0 : (100 * used) / (used + disk.bavail);
}
