/** Equality of parts of API objects by meaning. */

type Loose = Readonly<Record<string, unknown>>;

/** Equality that reads absent, undefined and empty lists as the same, as the API stores them. Zeros count. */
export function sameValue(a: unknown, b: unknown): boolean {
  return same(a, b, isAbsent);
}

/** The same for statuses, whose fields are not pointers: zeros, empty texts and false are the same as absent, too. */
export function sameStatus(a: unknown, b: unknown): boolean {
  return same(a, b, (value) => isAbsent(value) || value === 0 || value === '' || value === false);
}

function same(a: unknown, b: unknown, isNothing: (value: unknown) => boolean): boolean {
  if (Object.is(a, b)) return true;
  if (isNothing(a) && isNothing(b)) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  if (Array.isArray(a) && a.length !== (b as unknown[]).length) return false;
  const left = a as Loose;
  const right = b as Loose;
  for (const key of Object.keys(left)) if (!same(left[key], right[key], isNothing)) return false;
  for (const key of Object.keys(right)) if (!Object.hasOwn(left, key) && !isNothing(right[key])) return false;
  return true;
}

/** An empty map is not absent: `emptyDir: {}` means something. */
function isAbsent(value: unknown): boolean {
  if (value === undefined || value === null) return true;
  return Array.isArray(value) && value.length === 0;
}
