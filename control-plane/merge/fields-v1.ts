/** Field sets as `managedFields` carries them (FieldsV1), and as refusals print them. */
import type { Json, JsonObject } from '../../proto/index.ts';
import { emptySet, type FieldSet, fieldSet } from './field-set.ts';
import { isObject, member, setMember } from './json-value.ts';

const SELF = '.';

/** The step to a member of an object. */
export function memberStep(name: string): string {
  return `f:${name}`;
}

/** The step to the element of a list that has these keys; those it lacks are left out. */
export function keyStep(keys: Readonly<Record<string, Json>>): string {
  const sorted = Object.keys(keys).sort();
  return `k:${JSON.stringify(Object.fromEntries(sorted.map((key) => [key, keys[key] ?? null])))}`;
}

/** The step to the element of a set. */
export function valueStep(value: Json): string {
  return `v:${JSON.stringify(value)}`;
}

/** FieldsV1 of a set: the same for equal sets. */
export function toFieldsV1(set: FieldSet): JsonObject {
  const out: JsonObject = {};
  if (set.own && set.children.size > 0) out[SELF] = {};
  for (const step of [...set.children.keys()].sort()) {
    setMember(out, step, toFieldsV1(set.children.get(step) ?? emptySet));
  }
  return out;
}

/** The set that FieldsV1 describes; undefined when it is not well-formed. */
export function fromFieldsV1(fields: Json): FieldSet | undefined {
  return isObject(fields) ? readLevel(fields, false) : undefined;
}

function readLevel(fields: JsonObject, isChild: boolean): FieldSet | undefined {
  const names = Object.keys(fields);
  const children: [string, FieldSet][] = [];
  for (const name of names) {
    if (name === SELF) continue;
    const step = canonicalStep(name);
    const inner = member(fields, name);
    const child = isObject(inner) ? readLevel(inner, true) : undefined;
    if (step === undefined || child === undefined) return undefined;
    children.push([step, child]);
  }
  return fieldSet(isChild && (names.length === 0 || names.includes(SELF)), children);
}

function canonicalStep(text: string): string | undefined {
  const rest = text.slice(2);
  if (text.startsWith('f:')) return text;
  if (text.startsWith('i:')) return /^\d+$/.test(rest) ? text : undefined;
  const value = parse(rest);
  if (text.startsWith('k:')) return isObject(value) ? keyStep(value) : undefined;
  return text.startsWith('v:') && value !== undefined ? valueStep(value) : undefined;
}

function parse(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return undefined;
  }
}

/** A path as Kubernetes prints it: `.spec.containers[name="web"].image`, `.metadata.finalizers[="a"]`. */
export function printPath(steps: readonly string[]): string {
  return steps.map(printStep).join('');
}

function printStep(step: string): string {
  const rest = step.slice(2);
  if (step.startsWith('f:')) return `.${rest}`;
  if (step.startsWith('v:')) return `[=${rest}]`;
  const keys = step.startsWith('k:') ? parse(rest) : undefined;
  if (!isObject(keys)) return `[${rest}]`;
  const parts = Object.entries(keys).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  return `[${parts.join(',')}]`;
}
