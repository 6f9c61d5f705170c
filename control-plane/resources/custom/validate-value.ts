/**
 * Validation of custom objects by their schema, in Kubernetes' words. Work is bounded: schemas and objects come from people,
 * and alternatives within lists multiply.
 */
import { isDeepStrictEqual } from 'node:util';
import type { ErrorCause } from '../../../lib/errors.ts';
import { type Json, joinPath } from '../../../proto/index.ts';
import { duplicate, invalid, required, tooLong, tooMany } from '../validation/field-errors.ts';
import { hasTextFormat, rangeOfFormat } from './formats.ts';
import { matchesPattern, patternCost } from './pattern.ts';
import { isJsonObject, memberNode, type SchemaNode } from './schema-node.ts';

/** Steps one validation may take: some hundred milliseconds. */
const MAX_STEPS = 1_000_000;
/** Problems after which the rest is not looked for. */
const MAX_CAUSES = 200;

/** Everything the schema has against the custom object; its type and metadata are not looked at. */
export function validateCustomObject(root: SchemaNode, object: object): ErrorCause[] {
  return bounded((walk) => checkNode(root, object as { [key: string]: Json }, '', { ...walk, ownType: true }));
}

/** Everything the schema has against `value`, which stands at `path`: a default, a metadata. */
export function validateJson(node: SchemaNode, value: Json, path: string): ErrorCause[] {
  return bounded((walk) => checkNode(node, value, path, walk));
}

interface Walk {
  readonly causes: ErrorCause[];
  readonly budget: { steps: number };
  /** The value is an object whose apiVersion, kind and metadata are kept by the API. */
  readonly ownType: boolean;
}

/** There was more work than is done for one object. */
class TooMuchWork extends Error {}

function bounded(check: (walk: Walk) => void): ErrorCause[] {
  const causes: ErrorCause[] = [];
  try {
    check({ causes, budget: { steps: MAX_STEPS }, ownType: false });
  } catch (err) {
    if (!(err instanceof TooMuchWork)) throw err;
    causes.push({
      field: '',
      reason: 'FieldValueInvalid',
      message: 'the object and its schema are too large to be checked against each other',
    });
  }
  return causes.slice(0, MAX_CAUSES);
}

function spend({ budget }: Walk, steps: number): void {
  budget.steps -= steps;
  if (budget.steps < 0) throw new TooMuchWork();
}

function checkNode(node: SchemaNode, value: Json, path: string, walk: Walk): void {
  spend(walk, 1);
  if (value === null && node.nullable) return;
  if (!checkType(node, value, path, walk)) return;
  checkEnum(node, value, path, walk);
  if (typeof value === 'string') checkText(node, value, path, walk);
  else if (typeof value === 'number') checkNumber(node, value, path, walk);
  else if (Array.isArray(value)) checkList(node, value, path, walk);
  else if (isJsonObject(value)) checkObject(node, value, path, walk);
  checkCombinations(node, value, path, walk);
}

/** What JSON calls the type of a value; whole numbers are integers. */
function typeOf(value: Json): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number';
  return typeof value;
}

function checkType(node: SchemaNode, value: Json, path: string, { causes }: Walk): boolean {
  const actual = typeOf(value);
  if (node.intOrString) {
    if (actual === 'integer' || actual === 'string') return true;
    causes.push(wrongType(path, 'integer,string', actual));
    return false;
  }
  if (node.type === '' || node.type === actual || (node.type === 'number' && actual === 'integer')) return true;
  causes.push(wrongType(path, node.type, actual));
  return false;
}

function wrongType(path: string, expected: string, actual: string): ErrorCause {
  const message = `Invalid value: ${JSON.stringify(actual)}: ${path} in body must be of type ${expected}: ${JSON.stringify(actual)}`;
  return { field: path, reason: 'FieldValueTypeInvalid', message };
}

function checkEnum(node: SchemaNode, value: Json, path: string, walk: Walk): void {
  if (node.values === undefined) return;
  spend(walk, node.values.length);
  if (node.values.some((one) => isDeepStrictEqual(one, value))) return;
  const allowed = node.values.map((one) => JSON.stringify(one)).join(', ');
  const message = `Unsupported value: ${JSON.stringify(value)}: supported values: ${allowed}`;
  walk.causes.push({ field: path, reason: 'FieldValueNotSupported', message });
}

function checkText(node: SchemaNode, value: string, path: string, walk: Walk): void {
  const { causes } = walk;
  const { minLength, maxLength } = node.bounds;
  const characters = minLength === undefined && maxLength === undefined ? 0 : countCharacters(value);
  if (maxLength !== undefined && characters > maxLength) causes.push(tooLong(path, maxLength));
  if (minLength !== undefined && characters < minLength) {
    causes.push(invalid(path, value, `${path} in body should be at least ${minLength} chars long`));
  }
  if (node.pattern !== '') {
    spend(walk, 1 + Math.ceil((value.length * patternCost(node.pattern)) / 50));
    if (!matchesPattern(node.pattern, value)) {
      causes.push(invalid(path, value, `${path} in body should match '${node.pattern}'`));
    }
  }
  if (node.format !== '' && !node.intOrString && !hasTextFormat(node.format, value)) {
    const shown = JSON.stringify(value);
    causes.push(invalid(path, value, `${path} in body must be of type ${node.format}: ${shown}`));
  }
}

function countCharacters(text: string): number {
  let count = 0;
  for (const _character of text) count += 1;
  return count;
}

function checkNumber(node: SchemaNode, value: number, path: string, { causes }: Walk): void {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf } = node.bounds;
  const should = (what: string): unknown => causes.push(invalid(path, value, `${path} in body should be ${what}`));
  if (minimum !== undefined && (exclusiveMinimum ? value <= minimum : value < minimum)) {
    should(exclusiveMinimum ? `greater than ${minimum}` : `greater than or equal to ${minimum}`);
  }
  if (maximum !== undefined && (exclusiveMaximum ? value >= maximum : value > maximum)) {
    should(exclusiveMaximum ? `less than ${maximum}` : `less than or equal to ${maximum}`);
  }
  if (multipleOf !== undefined && multipleOf > 0 && !isMultiple(value, multipleOf)) {
    should(`a multiple of ${multipleOf}`);
  }
  const range = rangeOfFormat(node.format);
  if (range !== undefined && (value < range[0] || value > range[1])) {
    causes.push(invalid(path, value, `${path} in body must be of type ${node.format}: ${value}`));
  }
}

function isMultiple(value: number, of: number): boolean {
  const times = value / of;
  return Math.abs(times - Math.round(times)) <= Math.abs(times) * Number.EPSILON * 4;
}

function checkList(node: SchemaNode, list: readonly Json[], path: string, walk: Walk): void {
  const { causes } = walk;
  const { minItems, maxItems } = node.bounds;
  if (maxItems !== undefined && list.length > maxItems) causes.push(tooMany(path, list.length, maxItems));
  if (minItems !== undefined && list.length < minItems) {
    causes.push(invalid(path, list, `${path} in body should have at least ${minItems} items`));
  }
  if (node.items !== undefined) {
    const inner = { ...walk, ownType: false };
    for (const [i, item] of list.entries()) checkNode(node.items, item, `${path}[${i}]`, inner);
  }
  if (node.listType !== 'atomic') checkDistinct(node, list, path, walk);
}

/** Sets have no item twice, maps no key. */
function checkDistinct(node: SchemaNode, list: readonly Json[], path: string, walk: Walk): void {
  const seen = new Set<string>();
  for (const [i, item] of list.entries()) {
    spend(walk, 1);
    const identity = node.listType === 'map' && isJsonObject(item) ? keysOf(node, item) : item;
    const text = JSON.stringify(identity);
    if (seen.has(text)) walk.causes.push(duplicate(`${path}[${i}]`, identity));
    seen.add(text);
  }
}

function keysOf(node: SchemaNode, item: { [key: string]: Json }): Json {
  const keys = node.listMapKeys.flatMap((key) => (Object.hasOwn(item, key) ? [[key, item[key] ?? null] as const] : []));
  return Object.fromEntries(keys);
}

function checkObject(node: SchemaNode, object: { [key: string]: Json }, path: string, walk: Walk): void {
  const { causes } = walk;
  const ownType = walk.ownType || node.embedded;
  const inner = { ...walk, ownType: false };
  const keys = Object.keys(object);
  const { minProperties, maxProperties } = node.bounds;
  if (maxProperties !== undefined && keys.length > maxProperties)
    causes.push(tooMany(path, keys.length, maxProperties));
  if (minProperties !== undefined && keys.length < minProperties) {
    causes.push(invalid(path, object, `${path} in body should have at least ${minProperties} properties`));
  }
  for (const key of node.required) if (!Object.hasOwn(object, key)) causes.push(required(joinPath(path, key)));
  if (node.embedded) checkEmbedded(object, path, walk);
  for (const key of keys) {
    const member = memberNode(node, key);
    const value = object[key];
    if (member === undefined || value === undefined || key === '_unknownFields') continue;
    // Of its own metadata a schema can restrict only the names.
    if (ownType && key === 'metadata' && isJsonObject(value)) checkNames(member, value, joinPath(path, key), inner);
    else checkNode(member, value, joinPath(path, key), inner);
  }
}

function checkNames(node: SchemaNode, metadata: { [key: string]: Json }, path: string, walk: Walk): void {
  for (const name of ['name', 'generateName']) {
    const member = node.properties.get(name);
    const value = metadata[name];
    if (member !== undefined && value !== undefined) checkNode(member, value, joinPath(path, name), walk);
  }
}

/** An object inside the object must say what it is. */
function checkEmbedded(object: { [key: string]: Json }, path: string, { causes }: Walk): void {
  for (const key of ['apiVersion', 'kind']) {
    const at = joinPath(path, key);
    const value = object[key];
    if (value === undefined || value === '') causes.push(required(at, 'must not be empty'));
    else if (typeof value !== 'string') causes.push(wrongType(at, 'string', typeOf(value)));
  }
  const { metadata } = object;
  if (metadata !== undefined && !isJsonObject(metadata)) {
    causes.push(wrongType(joinPath(path, 'metadata'), 'object', typeOf(metadata)));
  }
}

function checkCombinations(node: SchemaNode, value: Json, path: string, walk: Walk): void {
  const { causes } = walk;
  const shown = JSON.stringify(path);
  const against = (one: SchemaNode): ErrorCause[] => {
    const found: ErrorCause[] = [];
    checkNode(one, value, path, { ...walk, causes: found });
    return found;
  };
  if (node.anyOf.length > 0) {
    const results = node.anyOf.map(against);
    if (results.every((found) => found.length > 0)) {
      causes.push(invalid(path, value, `${shown} must validate at least one schema (anyOf)`), ...fewest(results));
    }
  }
  if (node.oneOf.length > 0) {
    const results = node.oneOf.map(against);
    const valid = results.filter((found) => found.length === 0).length;
    if (valid !== 1) {
      const found = valid === 0 ? 'Found none valid' : `Found ${valid} valid alternatives`;
      causes.push(invalid(path, value, `${shown} must validate one and only one schema (oneOf). ${found}`));
      if (valid === 0) causes.push(...fewest(results));
    }
  }
  const broken = node.allOf.flatMap(against);
  if (broken.length > 0) causes.push(...broken, invalid(path, value, `${shown} must validate all the schemas (allOf)`));
  if (node.not !== undefined && against(node.not).length === 0) {
    causes.push(invalid(path, value, `${shown} must not validate the schema (not)`));
  }
}

/** The problems of the alternative that comes nearest. */
function fewest(results: readonly ErrorCause[][]): readonly ErrorCause[] {
  return results.reduce((best, found) => (found.length < best.length ? found : best), results[0] ?? []);
}
