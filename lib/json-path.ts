/**
 * kubectl's dialect of JSONPath over JSON values. What a path does not find is left out; only a list position beyond the end is
 * an error.
 */
import { JsonPathError, type PathStep, parsePath } from './json-path-parser.ts';

/** A JSON value as paths see it; integers that a double cannot hold may be `bigint`. */
export type JsonPathValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | readonly JsonPathValue[]
  | { readonly [key: string]: JsonPathValue };

/**
 * A compiled single path as `custom-columns`, `--sort-by` and the columns of custom kinds take it: `{.metadata.name}`,
 * `.metadata.name` and `metadata.name` mean the same. Gives every value found. Throws {@link JsonPathError}.
 */
export function compilePath(expression: string): (root: JsonPathValue) => readonly JsonPathValue[] {
  const inner = /^\{(.*)\}$/s.exec(expression.trim())?.[1] ?? expression.trim();
  const path = parsePath(/^[.$@[]/.test(inner) ? inner : `.${inner}`);
  return (root) => evaluatePath(path, root, root);
}

/** A value found, as a table shows it: text bare, lists and maps as JSON, null as nothing. */
export function pathText(value: JsonPathValue): string {
  if (value === null) return '';
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

/** Every value a parsed path finds, from `current` on; `root` is what `$` means. Throws {@link JsonPathError}. */
export function evaluatePath(
  path: readonly PathStep[],
  current: JsonPathValue,
  root: JsonPathValue,
): readonly JsonPathValue[] {
  let values: readonly JsonPathValue[] = [current];
  for (const step of path) {
    // Each member of a union goes over all values before the next one does: `[*]['a','b']` gives every a, then every b.
    const parts = step.type === 'union' ? step.steps : [step];
    const from = values;
    values = parts.flatMap((part) => from.flatMap((value) => take(part, value, root)));
  }
  return values;
}

function take(step: PathStep, value: JsonPathValue, root: JsonPathValue): readonly JsonPathValue[] {
  switch (step.type) {
    case 'root':
      return [root];
    case 'field': {
      if (!isObject(value) || !Object.hasOwn(value, step.name)) return [];
      return [value[step.name] ?? null];
    }
    case 'wildcard':
      return children(value);
    case 'descend':
      return descendants(value);
    case 'index':
      return indexed(value, step.index);
    case 'slice':
      return isList(value) ? sliced(value, step) : [];
    case 'filter':
      return children(value).filter((item) => matches(step, item, root));
    case 'union':
      return evaluatePath([step], value, root);
  }
}

function children(value: JsonPathValue): readonly JsonPathValue[] {
  if (isList(value)) return value;
  if (!isObject(value)) return [];
  return Object.keys(value)
    .sort()
    .map((key) => value[key] ?? null);
}

function descendants(value: JsonPathValue): readonly JsonPathValue[] {
  return [value, ...children(value).flatMap((child) => descendants(child))];
}

function indexed(value: JsonPathValue, index: number): readonly JsonPathValue[] {
  if (!isList(value)) return [];
  const item = value.at(index);
  if (item !== undefined) return [item];
  throw new JsonPathError(`array index out of bounds: index ${index}, length ${value.length}`);
}

function sliced(
  list: readonly JsonPathValue[],
  { from, to, step }: PathStep & { type: 'slice' },
): readonly JsonPathValue[] {
  return list.slice(from ?? 0, to ?? list.length).filter((_, at) => at % (step ?? 1) === 0);
}

function matches(filter: PathStep & { type: 'filter' }, item: JsonPathValue, root: JsonPathValue): boolean {
  const left = filter.left.type === 'value' ? [filter.left.value] : evaluatePath(filter.left.path, item, root);
  const first = left[0];
  if (filter.operator === undefined) return first !== undefined;
  const right =
    filter.right?.type === 'value' ? filter.right.value : evaluatePath(filter.right?.path ?? [], item, root)[0];
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
function compareValues(a: JsonPathValue, b: JsonPathValue): number | undefined {
  if (typeof a === 'string' && typeof b === 'string') return a < b ? -1 : a > b ? 1 : 0;
  if (isNumber(a) && isNumber(b)) return a < b ? -1 : a > b ? 1 : 0;
  return a === b ? 0 : undefined;
}

function isNumber(value: JsonPathValue): value is number | bigint {
  return typeof value === 'number' || typeof value === 'bigint';
}

function isObject(value: JsonPathValue): value is { readonly [key: string]: JsonPathValue } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isList(value: JsonPathValue): value is readonly JsonPathValue[] {
  return Array.isArray(value);
}
