/**
 * Objects of kinds that CustomResourceDefinitions describe. In memory such an object is like its JSON: apiVersion, kind, typed
 * metadata, and beside them whatever its schema says (`spec`, `status`, …) as plain JSON. On the wire and in the store it is a
 * `skiff.meta.v1.CustomObject`, whose `body` holds everything but type and metadata.
 */
import type { Json } from './codec.ts';
import { sortedJson } from './free-json.ts';
import { CustomObject } from './gen/skiff/meta/v1/custom_object.ts';
import type { KubeObject, MessageCodec, ResourceType } from './kinds.ts';
import type { KindSchema } from './schema.ts';

/** Full name of the message that carries custom objects. */
export const CUSTOM_OBJECT_MESSAGE = 'skiff.meta.v1.CustomObject';

/** A custom object in memory. Members besides those of every object are JSON. */
export interface CustomResource extends KubeObject {
  [field: string]: unknown;
}

/** Members of the message that are not part of the body. */
const OWN: ReadonlySet<string> = new Set(['apiVersion', 'kind', 'metadata', '_unknownFields']);

/** The body of a custom object: its members besides type and metadata, undefined ones left out. */
export function bodyOf(object: CustomResource): { [key: string]: Json } {
  const body: { [key: string]: Json } = {};
  for (const key of Object.keys(object).sort()) {
    const value = object[key];
    if (!OWN.has(key) && value !== undefined) body[key] = value as Json;
  }
  return body;
}

/** The codec of one custom kind. What is decoded is of `apiVersion`, in whatever version of the kind it was written. */
export function customCodec(apiVersion: string): MessageCodec<CustomResource> {
  return {
    encode(object, writer) {
      const { kind, metadata, _unknownFields } = object;
      const body = bodyOf(object);
      const message = {
        ...(object.apiVersion === undefined ? {} : { apiVersion: object.apiVersion }),
        ...(kind === undefined ? {} : { kind }),
        ...(metadata === undefined ? {} : { metadata }),
        ...(Object.keys(body).length === 0 ? {} : { body: sortedJson(body) }),
        ...(_unknownFields === undefined ? {} : { _unknownFields }),
      };
      return CustomObject.encode(message as CustomObject, writer);
    },
    decode(input, length) {
      const { body = '', ...own } = CustomObject.decode(input, length);
      const members = body === '' ? {} : (JSON.parse(body) as object);
      return { ...members, ...own, ...(own.apiVersion === undefined ? {} : { apiVersion }) };
    },
  };
}

/** The resource type of a custom kind. */
export function customResourceType(kind: KindSchema): ResourceType<CustomResource> {
  const apiVersion = `${kind.group}/${kind.version}`;
  return { ...kind, apiVersion, messageName: CUSTOM_OBJECT_MESSAGE, message: customCodec(apiVersion) };
}
