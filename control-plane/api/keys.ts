import type { ResourceType } from '../../proto/index.ts';

/** Group part of the keys of the core group, whose name is empty. */
const CORE_GROUP = 'core';

/** The store key of one object: `<group>/<plural>/<namespace>/<name>`, without the namespace for cluster-scoped kinds. */
export function objectKey(type: ResourceType, namespace: string | undefined, name: string): string {
  return `${collectionPrefix(type, namespace)}${name}`;
}

/** The prefix of all keys of a kind, or of those in one namespace. Always ends in a slash. */
export function collectionPrefix(type: ResourceType, namespace?: string): string {
  const kind = `${type.group === '' ? CORE_GROUP : type.group}/${type.plural}/`;
  return type.namespaced && namespace !== undefined && namespace !== '' ? `${kind}${namespace}/` : kind;
}
