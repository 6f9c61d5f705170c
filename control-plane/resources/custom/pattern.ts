/**
 * Regular expressions of schemas, in RE2's form as Kubernetes has them: matched in time linear to the text, so that no
 * pattern can hang the server. JavaScript's own expressions are another language, and can.
 */
import { RE2JS } from 're2js';
import { errorMessage } from '../../../lib/errors.ts';

/** Patterns longer than this are refused: nobody could read them. */
const MAX_PATTERN = 10_000;
const MAX_COMPILED = 1_000;
const compiled = new Map<string, RE2JS>();

/** What is wrong with a pattern; undefined when it can be used. */
export function patternProblem(pattern: string): string | undefined {
  if (pattern.length > MAX_PATTERN) return `it has ${pattern.length} characters, at most ${MAX_PATTERN} are allowed`;
  try {
    compile(pattern);
    return undefined;
  } catch (err) {
    return errorMessage(err);
  }
}

/** Whether the pattern is found somewhere in `text`. Throws for a pattern that {@link patternProblem} complains of. */
export function matchesPattern(pattern: string, text: string): boolean {
  return compile(pattern).matcher(text).find();
}

/** What the pattern finds in `text`, from left to right, at most `limit` times. */
export function findPattern(pattern: string, text: string, limit: number): string[] {
  const matcher = compile(pattern).matcher(text);
  const found: string[] = [];
  while (found.length < limit && matcher.find()) found.push(matcher.group() ?? '');
  return found;
}

/** How much work one character of text is at worst: the number of the pattern's instructions. */
export function patternCost(pattern: string): number {
  return compile(pattern).programSize();
}

function compile(pattern: string): RE2JS {
  let found = compiled.get(pattern);
  if (found === undefined) {
    found = RE2JS.compile(pattern);
    if (compiled.size >= MAX_COMPILED) compiled.clear();
    compiled.set(pattern, found);
  }
  return found;
}
