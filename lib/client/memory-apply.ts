/**
 * Server-side apply as the API in memory does it: who applied what is kept per object, members of objects are owned one by
 * one, and lists as a whole. Other writes move no ownership here, and managedFields are not shown.
 */
import { fromJson, type Json, type JsonObject, type KubeObject, type ResourceType, toJson } from '../../proto/index.ts';
import { ApiError } from '../errors.ts';
import { type ApplyOptions, nameInJson } from './resource-client.ts';

/** The leaves of a manager's last configuration: their JSON text by path (the JSON text of its steps). */
export type AppliedLeaves = ReadonlyMap<string, string>;

/** What each manager applied last. */
export type AppliedByManager = ReadonlyMap<string, AppliedLeaves>;

/** Keeps who applied what, of all objects of an API in memory. */
export class MemoryAppliers {
  readonly #applied = new Map<string, AppliedByManager>();

  /**
   * What `old` (undefined when there is none) becomes, as an object without a version; `keep` notes the apply once the object
   * is stored. Throws `Conflict`, and `Invalid` without a manager.
   */
  prepare<T extends KubeObject>(
    type: ResourceType<T>,
    old: KubeObject | undefined,
    { config, options }: { readonly config: JsonObject; readonly options: ApplyOptions },
  ): { readonly next: T; readonly keep: (stored: T) => void } {
    const { fieldManager: manager, force = false } = options;
    if (manager === '') throw new ApiError('Invalid', 'fieldManager: Required value: is required for apply patch');
    const known: AppliedByManager = this.#applied.get(old?.metadata?.uid ?? '') ?? new Map();
    const live = toJson(type.messageName, old ?? { metadata: nameInJson(config) });
    const { object, applied } = applyInMemory(live, known, { config, manager, force });
    const { value } = fromJson<T>(type.messageName, object);
    const next = { ...value, metadata: { ...value.metadata, resourceVersion: undefined } };
    return { next, keep: (stored) => void this.#applied.set(stored.metadata?.uid ?? '', applied) };
  }
}

/** An apply in the name of a manager. */
export interface MemoryApply {
  readonly config: JsonObject;
  readonly manager: string;
  readonly force: boolean;
}

/** `live` after the apply, and who applied what then. Throws `Conflict` when others applied other values. */
function applyInMemory(
  live: JsonObject,
  applied: AppliedByManager,
  { config, manager, force }: MemoryApply,
): { readonly object: JsonObject; readonly applied: AppliedByManager } {
  const mine = leavesOf(config);
  const others = [...applied].filter(([name]) => name !== manager);
  const conflicts = others.flatMap(([name, leaves]) =>
    [...mine].filter(([path, text]) => (leaves.get(path) ?? text) !== text).map(([path]) => ({ name, path })),
  );
  if (conflicts.length > 0 && !force) throw conflict(conflicts);
  const object = structuredClone(live);
  for (const path of applied.get(manager)?.keys() ?? []) {
    if (!mine.has(path) && !others.some(([, leaves]) => leaves.has(path))) remove(object, steps(path));
  }
  for (const [path, text] of mine) set(object, steps(path), JSON.parse(text) as Json);
  const isTaken = (name: string, path: string): boolean =>
    conflicts.some((one) => one.name === name && one.path === path);
  const left = others.map(
    ([name, leaves]) => [name, new Map([...leaves].filter(([path]) => !isTaken(name, path)))] as const,
  );
  return { object, applied: new Map<string, AppliedLeaves>([...left, [manager, mine]]) };
}

function conflict(conflicts: readonly { readonly name: string; readonly path: string }[]): ApiError {
  const printed = conflicts.map(({ name, path }) => ({ name, field: `.${steps(path).join('.')}` }));
  const list = printed.map(({ name, field }) => `conflict with "${name}": ${field}`).join(', ');
  const causes = printed.map(({ name, field }) => ({
    field,
    reason: 'FieldManagerConflict',
    message: `conflict with "${name}"`,
  }));
  const count = `${conflicts.length} conflict${conflicts.length === 1 ? '' : 's'}`;
  return new ApiError('Conflict', `Apply failed with ${count}: ${list}`, { causes });
}

const IDENTITY = new Set(['["apiVersion"]', '["kind"]', '["metadata","name"]', '["metadata","namespace"]']);

function leavesOf(config: JsonObject): Map<string, string> {
  const out = new Map<string, string>();
  const walk = (value: Json, path: readonly string[]): void => {
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      for (const [name, inner] of Object.entries(value)) walk(inner, [...path, name]);
    } else if (!IDENTITY.has(JSON.stringify(path))) out.set(JSON.stringify(path), JSON.stringify(value));
  };
  walk(config, []);
  return out;
}

function steps(path: string): string[] {
  return JSON.parse(path) as string[];
}

function set(object: JsonObject, [first = '', ...rest]: readonly string[], value: Json): void {
  if (rest.length === 0) {
    object[first] = value;
    return;
  }
  const inner = object[first];
  const next = typeof inner === 'object' && inner !== null && !Array.isArray(inner) ? inner : {};
  object[first] = next;
  set(next, rest, value);
}

function remove(object: JsonObject, [first = '', ...rest]: readonly string[]): void {
  const inner = object[first];
  if (rest.length === 0) delete object[first];
  else if (typeof inner === 'object' && inner !== null && !Array.isArray(inner)) remove(inner, rest);
}
