import { Lexer } from 'yaml';
import { type ManifestProblem, problemAt } from './manifest-error.ts';
import type { SourceText } from './source-text.ts';

/** The deepest nesting a manifest may have. Kubernetes' own kinds stay below 30. */
export const MAX_DEPTH = 100;

/**
 * Finds nesting deeper than {@link MAX_DEPTH} before anything recursive reads the text: the YAML library's composer
 * recurses, and some thousand `[` would overflow its stack beyond rescue. The lexer it is built on does not.
 *
 * Depth is brackets open plus block levels open; `-` and `?` start a level for what follows them on their line.
 */
export function findTooDeep(source: SourceText, start: number, end: number): ManifestProblem | undefined {
  const indents: number[] = [];
  let offset = start;
  let lineStart = start;
  let flow = 0;
  let levelMayStart = true;
  for (const token of new Lexer().lex(source.text.slice(start, end))) {
    const first = token[0];
    // The lexer announces scalars and ends with control characters that are not in the text.
    if (first === undefined || first === '\u0002' || first === '\u001f' || first === '\u0018') continue;
    if (token === '[' || token === '{') flow++;
    else if (token === ']' || token === '}') flow = Math.max(0, flow - 1);
    if (levelMayStart && flow === 0 && !/[\s#]/.test(first)) {
      const column = offset - lineStart;
      while ((indents.at(-1) ?? -1) >= column) indents.pop();
      indents.push(column);
      levelMayStart = token === '-' || token === '?';
    }
    if (flow + indents.length > MAX_DEPTH) {
      return problemAt(source, offset, `nested more than ${MAX_DEPTH} levels deep`);
    }
    offset += token.length;
    if (token.endsWith('\n')) {
      lineStart = offset;
      levelMayStart = true;
    }
  }
  return undefined;
}
