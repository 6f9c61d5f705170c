/** Defaults of a custom kind's schema. */
import type { Json } from '../../../proto/index.ts';
import { isJsonObject, memberNode, type SchemaNode, TYPE_MEMBERS } from './schema-node.ts';

/** Fills in defaults in place, and drops nulls where the schema allows none. Idempotent. */
export function applyDefaults(root: SchemaNode, object: object): void {
  defaultMembers(root, object as { [key: string]: Json }, true);
}

function defaultValue(node: SchemaNode, value: Json): void {
  if (Array.isArray(value)) {
    if (node.items !== undefined) for (const item of value) defaultValue(node.items, item);
  } else if (isJsonObject(value)) defaultMembers(node, value, node.embedded);
}

function defaultMembers(node: SchemaNode, object: { [key: string]: Json }, ownType: boolean): void {
  for (const key of Object.keys(object)) {
    if (object[key] === null && memberNode(node, key)?.nullable === false && !isFree(memberNode(node, key))) {
      delete object[key];
    }
  }
  for (const [key, member] of node.properties) {
    if (member.default !== undefined && !Object.hasOwn(object, key)) object[key] = structuredClone(member.default);
  }
  for (const key of Object.keys(object)) {
    if (ownType && TYPE_MEMBERS.has(key)) continue;
    const member = memberNode(node, key);
    if (member !== undefined) defaultValue(member, object[key] ?? null);
  }
}

/** Whether anything may stand there, null included. */
function isFree(node: SchemaNode | undefined): boolean {
  return node !== undefined && node.type === '' && !node.intOrString;
}
