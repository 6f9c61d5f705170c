import type { ErrorCause } from '../../../lib/errors.ts';
import { ApiError, errorMessage } from '../../../lib/errors.ts';
import {
  type DecodeIssue,
  fromJson,
  type Json,
  type JsonObject,
  type KubeObject,
  type ResourceType,
  typeUrl,
} from '../../../proto/index.ts';
import { checkAgainstSchema } from '../../resources/validation/schema-checks.ts';
import { badRequest } from '../api-errors.ts';
import { duplicateKeys } from './duplicate-keys.ts';
import { normalize } from './inspect.ts';

/** An object as it comes in a request: the typed message, or JSON text. */
export interface ObjectPayload {
  readonly object?: { readonly typeUrl?: string | undefined; readonly value?: Uint8Array | undefined } | undefined;
  readonly json?: Uint8Array | undefined;
}

/** Whether the request carries an object in either form. */
export function hasPayload(payload: ObjectPayload): boolean {
  return payload.object !== undefined || (payload.json !== undefined && payload.json.length > 0);
}

/**
 * Reads the object of a request as `messageName`, strictly: every unknown or ill-typed field is reported, all at once, as
 * one `BadRequest` with a cause per field. `keepUnknown` lets newer parts' fields pass through (our own agents' writes).
 */
export function decodePayload<T extends object>(
  payload: ObjectPayload,
  messageName: string,
  decodeBytes: (bytes: Uint8Array) => T,
  keepUnknown: boolean,
): T {
  if (payload.object === undefined) {
    return decodeJson<T>(messageName, parseJson(payload.json ?? new Uint8Array()));
  }
  const url = payload.object.typeUrl ?? '';
  if (url.slice(url.lastIndexOf('/') + 1) !== messageName) {
    throw badRequest(`the object is a "${url}", but the request is about "type.googleapis.com/${messageName}"`);
  }
  let value: T;
  try {
    value = decodeBytes(payload.object.value ?? new Uint8Array());
  } catch (err) {
    throw new ApiError('BadRequest', `the object cannot be decoded as ${messageName}: ${errorMessage(err)}`, {
      cause: err,
    });
  }
  normalizeTyped(messageName, value, keepUnknown);
  return value;
}

/** Puts a typed object into canonical form in place; throws `BadRequest` for what no JSON could say. */
export function normalizeTyped(messageName: string, value: object, keepUnknown: boolean): void {
  const { unknown, problems } = normalize(messageName, value);
  const causes: ErrorCause[] = [...problems];
  if (!keepUnknown) {
    for (const { path, number } of unknown) {
      const where = path === '' ? 'the object' : path;
      causes.push({ field: path, reason: 'FieldValueUnknown', message: `unknown field number ${number} in ${where}` });
    }
  }
  if (causes.length > 0) throw strictDecodingError(causes);
}

/** Parses JSON text, in which no object may name a key twice. `what` it is, for the error. Throws `BadRequest`. */
export function parseStrictly(bytes: Uint8Array, what: string): Json {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
  let json: Json;
  try {
    json = JSON.parse(text) as Json;
  } catch (err) {
    throw new ApiError('BadRequest', `the ${what} is not JSON: ${errorMessage(err)}`, { cause: err });
  }
  const twice = duplicateKeys(text, json);
  if (twice.length === 0) return json;
  throw strictDecodingError(
    twice.map((field) => ({ field, reason: 'FieldValueDuplicate', message: `duplicate field "${field}"` })),
  );
}

/** Parses JSON text that must be an object. Throws `BadRequest`. */
export function parseJson(bytes: Uint8Array): JsonObject {
  const json = parseStrictly(bytes, 'object');
  if (typeof json !== 'object' || json === null || Array.isArray(json))
    throw badRequest('the object is not a JSON object');
  return json;
}

/** Reads JSON as `messageName`, strictly. Throws `BadRequest` with a cause per field. */
export function decodeJson<T extends object>(messageName: string, json: Json): T {
  const { value, issues } = fromJson<T>(messageName, json);
  if (issues.length === 0) return value;
  const causes = issues.map(toCause);
  // A patch taken for an object: what makes it one is more to the point than the directive alone.
  if (issues.some(({ reason, path }) => reason === 'unknown' && path.startsWith('$'))) {
    causes.push(...checkAgainstSchema(messageName, value));
  }
  throw strictDecodingError(causes);
}

const CAUSE_REASONS = {
  unknown: 'FieldValueUnknown',
  type: 'FieldValueTypeInvalid',
  value: 'FieldValueInvalid',
} as const;

/** An issue of reading as the cause of a refusal. */
export function toCause(issue: DecodeIssue): ErrorCause {
  const hint = issue.suggestion === undefined ? '' : ` (did you mean "${issue.suggestion}"?)`;
  return { field: issue.path, reason: CAUSE_REASONS[issue.reason], message: `${issue.message}${hint}` };
}

/** The refusal of an object that cannot be read strictly. */
export function strictDecodingError(causes: readonly ErrorCause[]): ApiError {
  const parts = causes.map(({ field, reason, message }) =>
    reason === 'FieldValueUnknown' || reason === 'FieldValueDuplicate' || field === ''
      ? message
      : `${field}: ${message}`,
  );
  return badRequest(`strict decoding error: ${parts.join(', ')}`, causes);
}

/**
 * Checks that the object says it is what the request is about; fills in apiVersion and kind where it says nothing. Throws
 * `BadRequest`.
 */
export function stampType(object: KubeObject, type: ResourceType): void {
  const { apiVersion, kind } = object;
  if ((apiVersion !== undefined && apiVersion !== type.apiVersion) || (kind !== undefined && kind !== type.kind)) {
    throw badRequest(
      `the object is of kind "${kind ?? ''}" in version "${apiVersion ?? ''}", but the request is about ` +
        `"${type.kind}" in version "${type.apiVersion}"`,
    );
  }
  object.apiVersion = type.apiVersion;
  object.kind = type.kind;
}

/** An object's message packed as the API carries it. */
export function toAny(type: ResourceType, value: Uint8Array): { typeUrl: string; value: Buffer } {
  return { typeUrl: typeUrl(type), value: Buffer.from(value.buffer, value.byteOffset, value.byteLength) };
}
