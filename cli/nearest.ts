import { distance } from 'fastest-levenshtein';

/** The name a person most likely meant by `typed`; undefined when none is near. */
export function nearest(typed: string, names: readonly string[]): string | undefined {
  const limit = typed.length < 3 ? 1 : Math.max(2, Math.floor(typed.length / 3));
  const ranked = names
    .map((name) => ({ name, far: distance(typed.toLowerCase(), name.toLowerCase()) }))
    .filter(({ far }) => far <= limit)
    .sort((a, b) => a.far - b.far);
  return ranked[0]?.name ?? (typed.length >= 3 ? names.find((name) => name.startsWith(typed)) : undefined);
}
