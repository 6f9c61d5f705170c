/** The schema of a custom kind as server-side apply sees it. */
import type { Json } from '../../../proto/index.ts';
import {
  leafNode,
  type SchemaNode as MergeNode,
  mapNode,
  messageNode,
  objectNode,
  unknownNode,
} from '../../merge/schema-node.ts';
import { memberNode, type SchemaNode } from './schema-node.ts';

/** The node of whole objects of a kind with that schema. */
export function customMergeNode(root: SchemaNode): MergeNode {
  const metadata = messageNode('skiff.meta.v1.ObjectMeta');
  const body = members(root);
  return objectNode((name) => {
    if (name === 'apiVersion' || name === 'kind') return leafNode;
    return name === 'metadata' ? metadata : body(name);
  });
}

/** The nodes of an object's members, each made when first asked for. */
function members(node: SchemaNode): (name: string) => MergeNode | undefined {
  const made = new Map<string, MergeNode>();
  return (name) => {
    const known = made.get(name);
    if (known !== undefined) return known;
    const member = node.properties.get(name);
    if (member === undefined) return undefined;
    const fresh = mergeNode(member);
    made.set(name, fresh);
    return fresh;
  };
}

function mergeNode(node: SchemaNode): MergeNode {
  if (node.type === 'array') return listNode(node);
  if (node.mapType === 'atomic') return leafNode;
  if (node.type === 'object') {
    return node.additional === undefined ? objectNode(members(node)) : mapNode(mergeNode(node.additional));
  }
  return node.type === '' && node.preserveUnknown ? unknownNode : leafNode;
}

function listNode(node: SchemaNode): MergeNode {
  if (node.listType === 'set') return { kind: 'set' };
  if (node.listType !== 'map' || node.items === undefined) return leafNode;
  const { items } = node;
  const keyDefaults: Record<string, Json> = {};
  for (const key of node.listMapKeys) {
    const value = memberNode(items, key)?.default;
    if (value !== undefined) keyDefaults[key] = value;
  }
  return { kind: 'listMap', keys: node.listMapKeys, keyDefaults, element: mergeNode(items) };
}
