/** JSON patch, RFC 6902, with refusals that name the operation and the path. */
import { applyPatch, type Operation } from 'rfc6902';
import { ApiError } from '../../lib/errors.ts';
import type { Json } from '../../proto/index.ts';
import { isObject, member } from './json-value.ts';

/** Most operations in one patch, as in Kubernetes. */
const MAX_OPERATIONS = 10_000;

/** Members each operation must have besides `op` and `path`. */
const NEEDS: Readonly<Record<string, 'value' | 'from' | undefined>> = {
  add: 'value',
  replace: 'value',
  test: 'value',
  move: 'from',
  copy: 'from',
  remove: undefined,
};

/**
 * `target` after all operations of `patch`, or nothing at all: `target` itself is not changed. Throws `BadRequest` when the
 * patch is not one, `Invalid` when an operation does not fit the object (a path that is missing, a test that fails).
 */
export function jsonPatch(target: Json, patch: Json): Json {
  const operations = readOperations(patch);
  // Paths start inside a wrapper, so that an operation may replace the whole document.
  const wrapper = { root: structuredClone(target) };
  for (const [index, operation] of operations.entries()) {
    const error = carryOut(wrapper, operation);
    if (error !== null) throw refusal(index, operation, error);
  }
  return wrapper.root;
}

/** What stands in the way of the operation. The library throws where a path leads into a text or a number. */
function carryOut(wrapper: object, operation: PlainOperation): Error | null {
  try {
    return applyPatch(wrapper, [rooted(operation)])[0] ?? null;
  } catch (err) {
    return err instanceof Error ? err : new Error(String(err));
  }
}

interface PlainOperation {
  readonly op: string;
  readonly path: string;
  readonly from?: string;
  readonly value?: Json;
}

function readOperations(patch: Json): PlainOperation[] {
  if (!Array.isArray(patch))
    throw new ApiError('BadRequest', 'Cannot read the JSON patch: it must be a list of operations');
  if (patch.length > MAX_OPERATIONS) {
    const count = `it has ${patch.length} operations, at most ${MAX_OPERATIONS} are allowed`;
    throw new ApiError('RequestEntityTooLarge', `Cannot apply the JSON patch: ${count}`);
  }
  return patch.map(readOperation);
}

function readOperation(json: Json, index: number): PlainOperation {
  const fail = (why: string): never => {
    throw new ApiError('BadRequest', `Cannot read operation ${index} of the JSON patch: ${why}`);
  };
  if (!isObject(json)) return fail('it must be an object');
  const op = member(json, 'op');
  const path = member(json, 'path');
  const from = member(json, 'from');
  const value = member(json, 'value');
  if (typeof op !== 'string' || !Object.hasOwn(NEEDS, op)) {
    return fail(`op ${JSON.stringify(op ?? null)} must be one of ${Object.keys(NEEDS).join(', ')}`);
  }
  if (!isPointer(path)) return fail('path must be a JSON pointer such as "/spec/replicas"');
  if (NEEDS[op] === 'value' && value === undefined) return fail(`${op} needs a value`);
  if (NEEDS[op] === 'from' && !isPointer(from)) return fail(`${op} needs from, a JSON pointer`);
  if (op === 'move' && isPointer(from) && path.startsWith(`${from}/`)) {
    return fail('an object cannot be moved into a part of itself');
  }
  return { op, path, ...(isPointer(from) ? { from } : {}), ...(value === undefined ? {} : { value }) };
}

function isPointer(json: Json | undefined): json is string {
  return typeof json === 'string' && (json === '' || json.startsWith('/'));
}

function rooted(operation: PlainOperation): Operation {
  const from = operation.from === undefined ? {} : { from: `/root${operation.from}` };
  return { ...operation, ...from, path: `/root${operation.path}` } as Operation;
}

function refusal(index: number, operation: PlainOperation, error: Error): ApiError {
  const { op, path, from } = operation;
  const at = from !== undefined ? `${from} or ${path}` : path || 'the whole object';
  const why =
    error.name === 'TestError'
      ? `the test of ${at} failed: the value is another`
      : `${at} is missing or cannot hold it`;
  const message = `Cannot apply operation ${index} (${op}) of the JSON patch: ${why}`;
  return new ApiError('Invalid', message, { cause: error });
}
