/** Stored objects as server-side apply compares them. */
import { type JsonObject, type KubeObject, toJson } from '../../../../proto/index.ts';
import { messageNode, type SchemaNode } from '../../../merge/schema-node.ts';
import { decodeJson } from '../../request/decode.ts';
import type { AnyDefinition } from '../../services.ts';
import { customKindNode } from './custom-node.ts';

/**
 * The schema of a kind's objects, in the version they are stored in. That is the version all entries are kept in: a kind that
 * is served in several converts configurations on their way in, and field sets never.
 */
export function nodeOf({ type, custom }: AnyDefinition): SchemaNode {
  return custom === undefined ? messageNode(type.messageName) : customKindNode(custom.root);
}

/** Kubernetes JSON of a stored object, without the record of who owns what. The argument is not changed. */
export function wholeJson(definition: AnyDefinition, object: KubeObject): JsonObject {
  const { managedFields: _owners, ...metadata } = object.metadata ?? {};
  return toJson(definition.type.messageName, { ...object, metadata });
}

/** The JSON of an object with its defaults filled in. Throws `BadRequest` for what is no object of the kind. */
export function completeJson(definition: AnyDefinition, json: JsonObject): JsonObject {
  const object = decodeJson<KubeObject>(definition.type.messageName, json);
  definition.setDefaults?.(object);
  return wholeJson(definition, object);
}
