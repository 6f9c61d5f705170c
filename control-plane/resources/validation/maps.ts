/** Comparison of maps of texts. */

type TextMap = Readonly<Record<string, string>> | undefined;

/** Whether two maps hold the same, in whatever order; absent and empty are the same. */
export function isSameMap(a: TextMap, b: TextMap): boolean {
  const keys = Object.keys(a ?? {});
  return keys.length === Object.keys(b ?? {}).length && keys.every((key) => a?.[key] === b?.[key]);
}
