/**
 * Keys that a JSON text names twice in one object. `JSON.parse` takes the last without a word, which would lose what somebody
 * wrote. Counting is one pass over the text; only when the counts differ is it read again for the places.
 */
import { type Json, joinPath } from '../../../proto/index.ts';

/** Paths of members that are there more than once; empty for nearly every text. `parsed` is what `JSON.parse` made of it. */
export function duplicateKeys(text: string, parsed: Json): string[] {
  return colonsIn(text) === membersOf(parsed) ? [] : [...findDuplicates(text)];
}

/** Colons outside strings: one for each member of each object, as often as it is written. */
function colonsIn(text: string): number {
  let colons = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) at = endOfString(text, at);
    else if (code === COLON) colons += 1;
  }
  return colons;
}

const QUOTE = 34;
const COLON = 58;
const BACKSLASH = 92;

/** Where the string that begins at `from` ends. The text is known to be JSON. */
function endOfString(text: string, from: number): number {
  let at = from + 1;
  while (at < text.length && text.charCodeAt(at) !== QUOTE) at += text.charCodeAt(at) === BACKSLASH ? 2 : 1;
  return at;
}

/** Without recursion: what people send may be nested deeper than the stack is. */
function membersOf(json: Json): number {
  const open: Json[] = [json];
  let members = 0;
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (typeof next !== 'object' || next === null) continue;
    const inside = Object.values(next);
    if (!Array.isArray(next)) members += inside.length;
    for (const value of inside) if (typeof value === 'object') open.push(value);
  }
  return members;
}

/** An object or a list that is being read. */
interface Level {
  readonly path: string;
  /** Of an object: the names so far. */
  readonly seen: Set<string> | undefined;
  /** Where the member or element being read is. */
  inside: string;
  index: number;
}

function findDuplicates(text: string): Set<string> {
  const found = new Set<string>();
  const levels: Level[] = [];
  let pending: string | undefined;
  for (let at = 0; at < text.length; at++) {
    const level = levels.at(-1);
    const char = text[at];
    if (char === '"') {
      const end = endOfString(text, at);
      pending = JSON.parse(text.slice(at, end + 1)) as string;
      at = end;
    } else if (char === ':' && level?.seen !== undefined && pending !== undefined) {
      level.inside = joinPath(level.path, pending);
      if (level.seen.has(pending)) found.add(level.inside);
      level.seen.add(pending);
    } else if (char === ',' && level !== undefined && level.seen === undefined) {
      level.index += 1;
      level.inside = `${level.path}[${level.index}]`;
    } else if (char === '{' || char === '[') {
      const path = level?.inside ?? '';
      levels.push({
        path,
        seen: char === '{' ? new Set() : undefined,
        inside: char === '[' ? `${path}[0]` : path,
        index: 0,
      });
    } else if (char === '}' || char === ']') levels.pop();
  }
  return found;
}
