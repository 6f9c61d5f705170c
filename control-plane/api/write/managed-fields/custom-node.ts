/** Which fields of a custom kind's objects have owners of their own, as the schema of its definition says. */
import type { Json } from '../../../../proto/index.ts';
import {
  leafNode,
  mapNode,
  messageNode,
  objectNode,
  type SchemaNode,
  unknownNode,
} from '../../../merge/schema-node.ts';
import type { SchemaNode as CustomSchema } from '../../../resources/custom/schema-node.ts';

const known = new WeakMap<CustomSchema, SchemaNode>();

/** The node of a kind whose schema begins at `root`. Type and metadata are those of every object. */
export function customKindNode(root: CustomSchema): SchemaNode {
  const made = known.get(root);
  if (made !== undefined) return made;
  const node = wholeObject(root);
  known.set(root, node);
  return node;
}

function wholeObject(schema: CustomSchema): SchemaNode {
  const metadata = messageNode('skiff.meta.v1.ObjectMeta');
  const members = new Map([...schema.properties].map(([name, one]) => [name, nodeFor(one)]));
  for (const name of ['apiVersion', 'kind']) members.set(name, leafNode);
  members.set('metadata', metadata);
  return objectNode((name) => members.get(name));
}

function nodeFor(schema: CustomSchema): SchemaNode {
  if (schema.embedded) return wholeObject(schema);
  if (schema.type === 'array') return listNode(schema);
  if (schema.type === '' && !schema.intOrString) return unknownNode;
  if (schema.type !== 'object' || schema.mapType === 'atomic') return leafNode;
  if (schema.properties.size === 0)
    return schema.additional === undefined ? unknownNode : mapNode(nodeFor(schema.additional));
  const members = new Map([...schema.properties].map(([name, one]) => [name, nodeFor(one)]));
  return objectNode((name) => members.get(name));
}

/** Lists are atomic unless the schema says how to tell their elements apart. */
function listNode({ items, listType, listMapKeys }: CustomSchema): SchemaNode {
  if (items === undefined || listType === 'atomic') return leafNode;
  if (listType === 'set') return { kind: 'set' };
  const keyDefaults: Record<string, Json> = {};
  for (const key of listMapKeys) {
    const value = items.properties.get(key)?.default;
    if (value !== undefined) keyDefaults[key] = value;
  }
  return { kind: 'listMap', keys: listMapKeys, keyDefaults, element: nodeFor(items) };
}
