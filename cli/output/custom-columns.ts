import type { JsonValue } from '../manifest/json-value.ts';
import { compilePath, valueText } from './json-path.ts';
import { JsonPathError } from './json-path-parser.ts';

/** What a cell shows when its path finds nothing. */
const NOTHING = '<none>';

/** A table made from `-o custom-columns=NAME:.metadata.name,…`. */
export interface CustomColumns {
  readonly headers: readonly string[];
  /** The cells of one object. Throws {@link JsonPathError}. */
  cells(object: JsonValue): string[];
}

/** Compiles a custom-columns specification. Throws {@link JsonPathError} naming the column at fault. */
export function compileCustomColumns(specification: string): CustomColumns {
  if (specification.trim() === '') throw new JsonPathError('custom-columns needs a list such as NAME:.metadata.name');
  const columns = splitColumns(specification).map((column) => {
    const colon = column.indexOf(':');
    if (colon <= 0 || colon === column.length - 1) {
      throw new JsonPathError(`"${column}" is no custom column; write <header>:<path>, such as NAME:.metadata.name`);
    }
    return { header: column.slice(0, colon), values: compilePath(column.slice(colon + 1)) };
  });
  return {
    headers: columns.map((column) => column.header),
    cells: (object) =>
      columns.map(({ values }) => {
        const found = values(object);
        return found.length === 0
          ? NOTHING
          : found.map((value) => (value === null ? NOTHING : valueText(value))).join(',');
      }),
  };
}

/** Columns out of a `custom-columns-file`: a line of headers and a line of paths. */
export function customColumnsFromFile(text: string): string {
  const [headers = '', paths = ''] = text.split('\n').map((line) => line.trim());
  const names = headers.split(/\s+/);
  const expressions = paths.split(/\s+/);
  if (headers === '' || names.length !== expressions.length) {
    throw new JsonPathError('a custom-columns file has a line of headers and a line of as many paths');
  }
  return names.map((name, index) => `${name}:${expressions[index]}`).join(',');
}

/** Splits at commas that stand outside brackets and quotes. */
function splitColumns(specification: string): string[] {
  const columns: string[] = [];
  let depth = 0;
  let quote = '';
  let from = 0;
  for (let at = 0; at < specification.length; at++) {
    const character = specification.charAt(at);
    if (quote !== '') {
      if (character === quote) quote = '';
    } else if (character === '"' || character === "'") quote = character;
    else if ('[({'.includes(character)) depth++;
    else if ('])}'.includes(character)) depth--;
    else if (character === ',' && depth === 0) {
      columns.push(specification.slice(from, at));
      from = at + 1;
    }
  }
  columns.push(specification.slice(from));
  return columns;
}
