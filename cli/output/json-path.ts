/**
 * kubectl's dialect of JSONPath: templates of text and `{…}`, where braces hold a path, quoted text, or `range … end`.
 * `$` is the whole object, `@` and a leading `.` the current one. What a path does not find is left out, as `kubectl get`
 * does it; only a list position beyond the end is an error.
 */
import { evaluatePath } from '../../lib/json-path.ts';
import { parseTemplate, type TemplateNode } from '../../lib/json-path-parser.ts';
import { encodeJson, type JsonValue } from '../manifest/json-value.ts';

export { compilePath } from '../../lib/json-path.ts';

/** A compiled template: gives the text for an object. Compile once, use for many. Throws {@link JsonPathError}. */
export function compileTemplate(template: string): (root: JsonValue) => string {
  const nodes = parseTemplate(template);
  return (root) => render(nodes, root, root);
}

/** A value as a template prints it: text bare, lists and maps as JSON, null as nothing. */
export function valueText(value: JsonValue): string {
  if (value === null) return '';
  if (typeof value === 'object') return encodeJson(value);
  return String(value);
}

function render(nodes: readonly TemplateNode[], current: JsonValue, root: JsonValue): string {
  return nodes
    .map((node) => {
      if (node.type === 'text') return node.text;
      const values = evaluatePath(node.path, current, root);
      if (node.type === 'range') return values.map((value) => render(node.body, value, root)).join('');
      return values.map((value) => valueText(value)).join(' ');
    })
    .join('');
}
