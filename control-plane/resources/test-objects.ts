/** For tests of this folder: objects read from JSON as a client would send them, defaulted, and their problems as lines. */
import { fromJson, type Json, type KubeObject } from '../../proto/index.ts';
import { type AnyDefinition, findDefinition } from './registry.ts';
import { validateObject, validateObjectUpdate } from './validate-object.ts';

/** The definition of the object's kind. Throws when there is none. */
export function definitionFor(json: Json): AnyDefinition {
  const { apiVersion, kind } = json as { apiVersion: string; kind: string };
  const definition = findDefinition(apiVersion, kind);
  if (definition === undefined) throw new Error(`no definition of ${kind} in ${apiVersion}`);
  return definition;
}

/** The object of `json`, defaulted. Throws when it cannot be read. */
export function readObject<T extends KubeObject>(json: Json): T {
  const definition = definitionFor(json);
  const { value, issues } = fromJson<T>(definition.type.messageName, json);
  if (issues.length > 0) throw new Error(issues.map((issue) => `${issue.path}: ${issue.message}`).join('\n'));
  definition.setDefaults?.(value);
  return value;
}

/** What is wrong with a new object, each problem as `field: message`. */
export function problemsOf(json: Json): string[] {
  return validateObject(definitionFor(json), readObject(json)).map((c) => `${c.field}: ${c.message}`);
}

/** What is wrong with `json` as the next version of `old`. */
export function updateProblems(json: Json, old: Json): string[] {
  const causes = validateObjectUpdate(definitionFor(json), readObject(json), readObject(old));
  return causes.map((c) => `${c.field}: ${c.message}`);
}

/** A copy of `json` with the value at the path set, or removed by undefined. List elements are named by number. */
export function withValue(json: Json, path: string, value: Json | undefined): Json {
  const copy = structuredClone(json);
  const keys = path.split('.');
  const last = keys.pop() ?? '';
  let at = copy as Record<string, Json>;
  for (const key of keys) {
    at[key] ??= {};
    at = at[key] as Record<string, Json>;
  }
  if (value === undefined) delete at[last];
  else at[last] = value;
  return copy;
}
