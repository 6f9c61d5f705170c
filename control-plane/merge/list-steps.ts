/** How the elements of lists with owners inside are told apart. */
import type { Json } from '../../proto/index.ts';
import { keyStep, valueStep } from './fields-v1.ts';
import { isObject, member } from './json-value.ts';
import type { ListMapNode, SetNode } from './schema-node.ts';

/** The step to an element; keys it leaves out take their defaults, or are left out of the step. */
export function stepOf(node: ListMapNode | SetNode, element: Json): string {
  if (node.kind === 'set' || !isObject(element)) return valueStep(element);
  const keys: Record<string, Json> = {};
  for (const key of node.keys) {
    const value = member(element, key) ?? node.keyDefaults[key];
    if (value !== undefined) keys[key] = value;
  }
  return keyStep(keys);
}

/** The first of the keys that an element leaves out and that has no default. */
export function missingKey(node: ListMapNode, element: Json): string | undefined {
  if (!isObject(element)) return undefined;
  return node.keys.find((key) => member(element, key) === undefined && node.keyDefaults[key] === undefined);
}
