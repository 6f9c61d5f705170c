/** A copy of `map` with its keys in order, so that equal maps have equal bytes. */
export function sortedKeys<V>(map: Readonly<Record<string, V>>): Record<string, V> {
  return Object.fromEntries(
    Object.keys(map)
      .sort()
      .map((key) => [key, map[key] as V]),
  );
}
