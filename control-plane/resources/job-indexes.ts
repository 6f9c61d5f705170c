/** Sets of a Job's indexes as text: `0,2-4` is 0, 2, 3 and 4. */

const RANGE = /^(\d+)(?:-(\d+))?$/;

/**
 * How many indexes `text` names, all of which must be below `completions` and in ascending order. A text is what is wrong
 * with it.
 */
export function countIndexes(text: string, completions: number): number | string {
  let count = 0;
  let last = -1;
  for (const part of text.split(',')) {
    const [, from = '', to = from] = RANGE.exec(part) ?? [];
    if (from === '') return `${JSON.stringify(part)} is neither an index nor a range of them`;
    const [first, end] = [Number(from), Number(to)];
    if (end >= completions) return `the index ${end} is out of range, which ends before ${completions}`;
    if (first <= last) return `${part} comes after ${last}, but the indexes must ascend`;
    if (to !== from && end < first) return `the range ${part} ends before it starts`;
    count += end - first + 1;
    last = end;
  }
  return count;
}
