/** One document's stretch of a file: offsets into the text, end exclusive. */
export interface DocumentSpan {
  readonly start: number;
  readonly end: number;
}

/**
 * Cuts a YAML stream at its document markers. A line that starts with `---` or `...` followed by a blank or the line's end
 * is a marker wherever it stands, even inside a quoted or block scalar, so lines are all that needs looking at. What
 * follows `---` on its line belongs to the document. Documents of nothing but blanks, comments and directives are left out.
 */
export function splitDocuments(text: string): DocumentSpan[] {
  const spans: DocumentSpan[] = [];
  let start = 0;
  const close = (end: number): void => {
    if (hasContent(text, start, end)) spans.push({ start, end });
  };
  const marker = /^(?:---|\.\.\.)(?=[ \t\r\n]|$)/gm;
  for (let match = marker.exec(text); match !== null; match = marker.exec(text)) {
    close(match.index);
    start = match.index + 3;
  }
  close(text.length);
  return spans;
}

function hasContent(text: string, start: number, end: number): boolean {
  return text
    .slice(start, end)
    .split('\n')
    .some((line) => !/^\s*(?:#.*)?$/.test(line) && !line.startsWith('%'));
}
