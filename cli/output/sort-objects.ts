import { quantityNumber } from '../../lib/quantity.ts';
import type { JsonValue } from '../manifest/json-value.ts';
import { compilePath, valueText } from './json-path.ts';

/**
 * Compares two objects by the path of `--sort-by`: numbers by size, times by when, quantities (`500m`, `2Gi`) by amount, other
 * text naturally (`pod-2` before `pod-10`). Objects without the field come first. Equal ones keep their order.
 */
export function compileSort(expression: string): (a: JsonValue, b: JsonValue) => number {
  const values = compilePath(expression);
  return (a, b) => compareFields(values(a)[0], values(b)[0]);
}

function compareFields(a: JsonValue | undefined, b: JsonValue | undefined): number {
  if (a === undefined || a === null) return b === undefined || b === null ? 0 : -1;
  if (b === undefined || b === null) return 1;
  const left = magnitude(a);
  const right = magnitude(b);
  if (left !== undefined && right !== undefined) return left - right;
  return naturally.compare(valueText(a), valueText(b));
}

const naturally = new Intl.Collator('en', { numeric: true });

/** A number to order by, for what is one: numbers, times, quantities. */
function magnitude(value: JsonValue): number | undefined {
  if (typeof value === 'number' || typeof value === 'bigint') return Number(value);
  if (typeof value === 'boolean') return value ? 1 : 0;
  if (typeof value !== 'string') return undefined;
  if (/^\d{4}-\d\d-\d\dT/.test(value)) return Date.parse(value);
  return quantityNumber(value);
}
