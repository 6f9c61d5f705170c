/**
 * Order of resourceVersions. They are decimal numbers that grow with every write of the whole cluster, so two of any kind
 * can be compared; they may be longer than a JavaScript number holds.
 */

/** Negative when `a` is older than `b`, zero when equal, positive when newer. An empty version is older than any. */
export function compareVersions(a: string, b: string): number {
  if (a.length !== b.length) return a.length - b.length;
  return a < b ? -1 : a > b ? 1 : 0;
}

/** The newer of two. */
export function newerVersion(a: string, b: string): string {
  return compareVersions(a, b) >= 0 ? a : b;
}
