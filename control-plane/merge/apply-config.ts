/** A configuration as server-side apply works with it: values in canonical form, and only what the author named. */
import type { Json, JsonObject } from '../../proto/index.ts';
import { memberStep, printPath } from './fields-v1.ts';
import { asObject, isObject, member, setMember } from './json-value.ts';
import { missingKey, stepOf } from './list-steps.ts';
import type { SchemaNode } from './schema-node.ts';

/**
 * What `named` names, with the values of `canonical`: the same object decoded and encoded again, in which quantities and times
 * have one form, zero values may be missing and members nobody wrote may have come in. Zero values that are the same as absent
 * become null, which unsets the field and still owns it. Positions of list elements must agree.
 */
export function canonicalConfig(node: SchemaNode, named: object, canonical: JsonObject): JsonObject {
  return asObject(pair(node, named, canonical));
}

function pair(node: SchemaNode, named: unknown, canonical: Json | undefined): Json | undefined {
  if (canonical === undefined || canonical === null) return unset(node, named);
  if (named === null) return null;
  if (node.kind === 'object' && isObject(canonical) && typeof named === 'object') {
    const out: JsonObject = {};
    for (const [name, value] of Object.entries(named)) {
      if (value === undefined) continue;
      const kept = pair(node.child(name), value, member(canonical, name));
      if (kept !== undefined) setMember(out, name, kept);
    }
    return out;
  }
  if (node.kind === 'listMap' && Array.isArray(canonical) && Array.isArray(named)) {
    const items: readonly unknown[] = named;
    return canonical.map((item, i) => pair(node.element, items[i], item) ?? item);
  }
  return canonical;
}

/** What becomes of a member that decoding dropped. */
function unset(node: SchemaNode, named: unknown): Json | undefined {
  if (Array.isArray(named)) return node.kind === 'leaf' ? null : undefined;
  // An empty map says nothing; a message we could not read has been refused already.
  return typeof named === 'object' && named !== null ? undefined : null;
}

/** What is wrong with a configuration's lists, in Kubernetes' words: keys left out, and elements named twice. */
export function configProblems(node: SchemaNode, config: JsonObject): string[] {
  const problems: string[] = [];
  check(node, config, { path: [], problems });
  return problems;
}

interface Checking {
  readonly path: readonly string[];
  readonly problems: string[];
}

function check(node: SchemaNode, value: Json, { path, problems }: Checking): void {
  if (node.kind === 'object' && isObject(value)) {
    for (const [name, inner] of Object.entries(value)) {
      check(node.child(name), inner, { path: [...path, memberStep(name)], problems });
    }
  }
  if ((node.kind !== 'set' && node.kind !== 'listMap') || !Array.isArray(value)) return;
  const seen = new Set<string>();
  for (const [i, item] of value.entries()) {
    const step = stepOf(node, item);
    const missing = node.kind === 'listMap' ? missingKey(node, item) : undefined;
    if (missing !== undefined) {
      problems.push(
        `${printPath(path)}: element ${i}: associative list with keys has an element that omits key field ` +
          `${JSON.stringify(missing)} (and doesn't have default value)`,
      );
    } else if (seen.has(step)) problems.push(`${printPath(path)}: duplicate entries for key ${printPath([step])}`);
    else if (node.kind === 'listMap') check(node.element, item, { path: [...path, step], problems });
    seen.add(step);
  }
}
