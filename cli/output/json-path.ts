/**
 * kubectl's dialect of JSONPath: templates of text and `{…}`, where braces hold a path, quoted text, or `range … end`.
 * `$` is the whole object, `@` and a leading `.` the current one. What a path does not find is left out, as `kubectl get`
 * does it; only a list position beyond the end is an error.
 */
import { encodeJson, isJsonList, isJsonObject, type JsonValue } from '../manifest/json-value.ts';
import { JsonPathError, type PathStep, parsePath, parseTemplate, type TemplateNode } from './json-path-parser.ts';

/** A compiled template: gives the text for an object. Compile once, use for many. Throws {@link JsonPathError}. */
export function compileTemplate(template: string): (root: JsonValue) => string {
  const nodes = parseTemplate(template);
  return (root) => render(nodes, root, root);
}

/**
 * A compiled single path as `custom-columns` and `--sort-by` take it: `{.metadata.name}`, `.metadata.name` and
 * `metadata.name` mean the same. Gives every value found.
 */
export function compilePath(expression: string): (root: JsonValue) => readonly JsonValue[] {
  const inner = /^\{(.*)\}$/s.exec(expression.trim())?.[1] ?? expression.trim();
  const path = parsePath(/^[.$@[]/.test(inner) ? inner : `.${inner}`);
  return (root) => evaluate(path, root, root);
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
      const values = evaluate(node.path, current, root);
      if (node.type === 'range') return values.map((value) => render(node.body, value, root)).join('');
      return values.map((value) => valueText(value)).join(' ');
    })
    .join('');
}

function evaluate(path: readonly PathStep[], current: JsonValue, root: JsonValue): readonly JsonValue[] {
  let values: readonly JsonValue[] = [current];
  for (const step of path) {
    // Each member of a union goes over all values before the next one does: `[*]['a','b']` gives every a, then every b.
    const parts = step.type === 'union' ? step.steps : [step];
    const from = values;
    values = parts.flatMap((part) => from.flatMap((value) => take(part, value, root)));
  }
  return values;
}

function take(step: PathStep, value: JsonValue, root: JsonValue): readonly JsonValue[] {
  switch (step.type) {
    case 'root':
      return [root];
    case 'field': {
      if (!isJsonObject(value) || !Object.hasOwn(value, step.name)) return [];
      return [value[step.name] ?? null];
    }
    case 'wildcard':
      return children(value);
    case 'descend':
      return descendants(value);
    case 'index':
      return indexed(value, step.index);
    case 'slice':
      return isJsonList(value) ? sliced(value, step) : [];
    case 'filter':
      return children(value).filter((item) => matches(step, item, root));
    case 'union':
      return evaluate([step], value, root);
  }
}

function children(value: JsonValue): readonly JsonValue[] {
  if (isJsonList(value)) return value;
  if (!isJsonObject(value)) return [];
  return Object.keys(value)
    .sort()
    .map((key) => value[key] ?? null);
}

function descendants(value: JsonValue): readonly JsonValue[] {
  return [value, ...children(value).flatMap((child) => descendants(child))];
}

function indexed(value: JsonValue, index: number): readonly JsonValue[] {
  if (!isJsonList(value)) return [];
  const item = value.at(index);
  if (item !== undefined) return [item];
  throw new JsonPathError(`array index out of bounds: index ${index}, length ${value.length}`);
}

function sliced(list: readonly JsonValue[], { from, to, step }: PathStep & { type: 'slice' }): readonly JsonValue[] {
  return list.slice(from ?? 0, to ?? list.length).filter((_, at) => at % (step ?? 1) === 0);
}

function matches(filter: PathStep & { type: 'filter' }, item: JsonValue, root: JsonValue): boolean {
  const left = filter.left.type === 'value' ? [filter.left.value] : evaluate(filter.left.path, item, root);
  const first = left[0];
  if (filter.operator === undefined) return first !== undefined;
  const right = filter.right?.type === 'value' ? filter.right.value : evaluate(filter.right?.path ?? [], item, root)[0];
  if (first === undefined || right === undefined) return false;
  const order = compareValues(first, right);
  if (order === undefined) return filter.operator === '!=';
  switch (filter.operator) {
    case '==':
      return order === 0;
    case '!=':
      return order !== 0;
    case '<':
      return order < 0;
    case '<=':
      return order <= 0;
    case '>':
      return order > 0;
    case '>=':
      return order >= 0;
  }
}

/** Order of two scalars of one type (numbers by size, text by code); undefined when they cannot be compared. */
function compareValues(a: JsonValue, b: JsonValue): number | undefined {
  if (typeof a === 'string' && typeof b === 'string') return a < b ? -1 : a > b ? 1 : 0;
  if (isNumber(a) && isNumber(b)) return a < b ? -1 : a > b ? 1 : 0;
  return a === b ? 0 : undefined;
}

function isNumber(value: JsonValue): value is number | bigint {
  return typeof value === 'number' || typeof value === 'bigint';
}
