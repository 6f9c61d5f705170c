/** Which fields of a custom object its schema knows. */
import { type DecodeIssue, type Json, joinPath, nearestName } from '../../../proto/index.ts';
import { FREE, isJsonObject, memberNode, type SchemaNode, TYPE_MEMBERS } from './schema-node.ts';

type JsonMembers = { [key: string]: Json };
type OnUnknown = (
  owner: JsonMembers,
  key: string,
  at: { readonly path: string; readonly known: readonly string[] },
) => void;

/**
 * Every field of the custom object that none of `roots` knows. They are the schemas of all versions of a kind: conversion
 * keeps every field, so a field of one version is known in all.
 */
export function unknownFields(roots: readonly SchemaNode[], object: object): DecodeIssue[] {
  const issues: DecodeIssue[] = [];
  walkRoot(roots, object, (_owner, key, { path, known }) => {
    const suggestion = nearestName(key, known);
    const message = `unknown field ${JSON.stringify(path)}`;
    issues.push({ path, reason: 'unknown', message, ...(suggestion === undefined ? {} : { suggestion }) });
  });
  return issues;
}

/** Drops what none of `roots` knows, in place: what was stored under an earlier schema. */
export function pruneUnknown(roots: readonly SchemaNode[], object: object): void {
  walkRoot(roots, object, (owner, key) => {
    delete owner[key];
  });
}

function walkRoot(roots: readonly SchemaNode[], object: object, onUnknown: OnUnknown): void {
  walkObject(roots, object as JsonMembers, { path: '', ownType: true, onUnknown });
}

interface Walk {
  readonly path: string;
  /** The object has apiVersion, kind and metadata that the schema need not name. */
  readonly ownType: boolean;
  readonly onUnknown: OnUnknown;
}

function walk(nodes: readonly SchemaNode[], value: Json, path: string, onUnknown: OnUnknown): void {
  // Nothing to find where everything is known.
  if (nodes.includes(FREE)) return;
  if (Array.isArray(value)) {
    const items = nodes.flatMap((node) => node.items ?? (node.preserveUnknown ? FREE : []));
    for (const [i, item] of value.entries()) walk(items, item, `${path}[${i}]`, onUnknown);
  } else if (isJsonObject(value)) {
    walkObject(nodes, value, { path, ownType: nodes.some((node) => node.embedded), onUnknown });
  }
}

function walkObject(nodes: readonly SchemaNode[], object: JsonMembers, { path, ownType, onUnknown }: Walk): void {
  const preserve = nodes.some((node) => node.preserveUnknown);
  for (const key of Object.keys(object)) {
    if ((ownType && TYPE_MEMBERS.has(key)) || key === '_unknownFields') continue;
    const members = nodes.flatMap((node) => memberNode(node, key) ?? []);
    const at = joinPath(path, key);
    if (members.length > 0) walk(members, object[key] ?? null, at, onUnknown);
    else if (!preserve) {
      const known = [...nodes.flatMap((node) => [...node.properties.keys()]), ...(ownType ? TYPE_MEMBERS : [])];
      onUnknown(object, key, { path: at, known });
    }
  }
}
