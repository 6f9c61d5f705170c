/** Checks custom objects by the rules in CEL that their schema carries, in Kubernetes' words. */
import type { CelInput } from '@bufbuild/cel';
import { type ErrorCause, errorMessage } from '../../../lib/errors.ts';
import { type apiextensionsv1, type Json, joinPath } from '../../../proto/index.ts';
import { invalid } from '../validation/field-errors.ts';
import { compileRule, rulesAreLoaded, times, type ValueSize } from './cel-engine.ts';
import { isJsonObject, memberNode, type SchemaNode, TYPE_MEMBERS } from './schema-node.ts';

type Rule = apiextensionsv1.ValidationRule;
type Props = apiextensionsv1.JSONSchemaProps;

/** Problems after which the rest is not looked for. */
const MAX_CAUSES = 100;

const withRules = new WeakMap<SchemaNode, boolean>();

/** Whether any rule is at the node or below. */
function hasRules(node: SchemaNode): boolean {
  const known = withRules.get(node);
  if (known !== undefined) return known;
  const below = [...node.properties.values(), node.additional, node.items];
  const found = node.rules.length > 0 || below.some((one) => one !== undefined && hasRules(one));
  withRules.set(node, found);
  return found;
}

/** Whether any version of the definition has rules. */
export function carriesRules({ spec }: apiextensionsv1.CustomResourceDefinition): boolean {
  const inSchema = (schema: Props): boolean =>
    (schema['x-kubernetes-validations']?.length ?? 0) > 0 ||
    [schema.items?.schema, schema.additionalProperties?.schema, ...Object.values(schema.properties ?? {})].some(
      (one) => one !== undefined && inSchema(one),
    );
  return (spec?.versions ?? []).some(({ schema }) => inSchema(schema?.openAPIV3Schema ?? {}));
}

/** What the rules have against the object; with `old`, only those about changes. Without the library, nothing. */
export function validateRules(root: SchemaNode, object: object, old?: object): ErrorCause[] {
  const causes: ErrorCause[] = [];
  if (!rulesAreLoaded() || !hasRules(root)) return causes;
  const place = { node: root, value: object as Json, old: old as Json | undefined, path: '', isRoot: true };
  check({ ...place, changesOnly: old !== undefined }, causes);
  return causes;
}

interface Place {
  readonly node: SchemaNode;
  readonly value: Json;
  /** The value before the change; undefined for a new value, and when only rules about the value itself are asked for. */
  readonly old: Json | undefined;
  readonly path: string;
  readonly isRoot: boolean;
  /** Only rules that compare with the value before are asked. */
  readonly changesOnly: boolean;
}

function check(place: Place, causes: ErrorCause[]): void {
  const { node, value, old, path, isRoot, changesOnly } = place;
  if (causes.length >= MAX_CAUSES || value === null) return;
  for (const rule of node.rules) checkRule(rule, place, causes);
  if (Array.isArray(value)) {
    if (node.items === undefined || !hasRules(node.items)) return;
    for (const [i, item] of value.entries()) {
      const before = Array.isArray(old) ? sameItem(node, item, old) : undefined;
      check({ node: node.items, value: item, old: before, path: `${path}[${i}]`, isRoot: false, changesOnly }, causes);
    }
  } else if (isJsonObject(value)) {
    for (const key of Object.keys(value)) {
      const member = memberNode(node, key);
      if (member === undefined || (isRoot && TYPE_MEMBERS.has(key)) || !hasRules(member)) continue;
      const before = isJsonObject(old) && Object.hasOwn(old, key) ? old[key] : undefined;
      check(
        { node: member, value: value[key] ?? null, old: before, path: joinPath(path, key), isRoot: false, changesOnly },
        causes,
      );
    }
  }
}

/** The item of the old list that this one was; only lists with keys know. */
function sameItem(node: SchemaNode, item: Json, old: readonly Json[]): Json | undefined {
  if (node.listType !== 'map' || !isJsonObject(item)) return undefined;
  return old.find((one) => isJsonObject(one) && node.listMapKeys.every((key) => one[key] === item[key]));
}

function checkRule(rule: Rule, { node, value, old, path, isRoot, changesOnly }: Place, causes: ErrorCause[]): void {
  const compiled = compileRule(rule.rule ?? '');
  if (!('program' in compiled)) return;
  const { program } = compiled;
  // Rules about changes need both values; they are asked apart from the others.
  if (program.usesOldSelf !== changesOnly || (changesOnly && (old === undefined || old === null))) return;
  const at = `${path}${rule.fieldPath ?? ''}`.replace(/^\./, '');
  const shown = node.type === '' ? 'object' : node.type;
  const size = sizeOf(value);
  try {
    const values = {
      self: toCel(node, value, isRoot),
      oldSelf: program.usesOldSelf ? toCel(node, old ?? null, isRoot) : null,
    };
    if (program.evaluate(values, size) === true) return;
    causes.push(refusal(rule, at, shown, () => messageBy(rule, values, size)));
  } catch (err) {
    causes.push(invalid(at, shown, `rule: ${rule.rule}: ${errorMessage(err)}`));
  }
}

function messageBy(rule: Rule, values: { self: CelInput; oldSelf: CelInput }, size: ValueSize): string | undefined {
  const compiled = compileRule(rule.messageExpression ?? '');
  if (!('program' in compiled)) return undefined;
  try {
    const text = compiled.program.evaluate(values, size);
    return typeof text === 'string' && text !== '' ? text : undefined;
  } catch {
    return undefined;
  }
}

function refusal(rule: Rule, field: string, shown: string, expression: () => string | undefined): ErrorCause {
  const made = (rule.messageExpression ?? '') === '' ? undefined : expression();
  const message = made ?? (rule.message || `failed rule: ${(rule.rule ?? '').trim()}`);
  switch (rule.reason) {
    case 'FieldValueForbidden':
      return { field, reason: rule.reason, message: `Forbidden: ${message}` };
    case 'FieldValueRequired':
      return { field, reason: rule.reason, message: `Required value: ${message}` };
    case 'FieldValueDuplicate':
      return { field, reason: rule.reason, message: `Duplicate value: ${JSON.stringify(shown)}` };
    default:
      return invalid(field, shown, message);
  }
}

function sizeOf(value: Json): ValueSize {
  if (Array.isArray(value)) return sum(value.map(sizeOf));
  if (isJsonObject(value)) return sum(Object.values(value).map(sizeOf));
  return { nodes: 1, characters: typeof value === 'string' ? value.length : 8 };
}

function sum(sizes: readonly ValueSize[]): ValueSize {
  return sizes.reduce((all, one) => ({ nodes: all.nodes + one.nodes, characters: all.characters + one.characters }), {
    nodes: 1,
    characters: 1,
  });
}

const DURATION_PARTS = /(\d+(?:\.\d*)?)(ns|us|µs|ms|s|m|h|d|w)/g;
const UNIT_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};

/** JSON as CEL has it: integers are exact, dates and durations are times. Of metadata only the names can be seen. */
function toCel(node: SchemaNode | undefined, value: Json, isRoot = false): CelInput {
  if (Array.isArray(value)) return value.map((item) => toCel(node?.items, item));
  if (isJsonObject(value)) {
    const ownType = isRoot || node?.embedded === true;
    const entries = Object.entries(value).flatMap(([key, item]): [string, CelInput][] => {
      if (key === '_unknownFields') return [];
      if (ownType && key === 'metadata') return [[key, namesOf(item)]];
      return [[fieldName(node, key), toCel(node === undefined ? undefined : memberNode(node, key), item)]];
    });
    return new Map(entries) as CelInput;
  }
  if (typeof value === 'number') {
    const isWhole = Number.isSafeInteger(value) && node?.type !== 'number';
    return isWhole ? BigInt(value) : value;
  }
  if (typeof value === 'string' && node !== undefined) return textToCel(node, value);
  return value;
}

function textToCel(node: SchemaNode, value: string): CelInput {
  if ((node.format === 'date-time' || node.format === 'date') && !Number.isNaN(Date.parse(value))) {
    return times.timestamp(value);
  }
  if (node.format === 'duration') {
    const parts = [...value.matchAll(DURATION_PARTS)];
    const ms = parts.reduce((all, [, count, unit = '']) => all + Number(count) * (UNIT_MS[unit] ?? 0), 0);
    return times.duration(value.startsWith('-') ? -ms : ms);
  }
  return node.format === 'byte' ? new Uint8Array(Buffer.from(value, 'base64')) : value;
}

function namesOf(metadata: Json): CelInput {
  const names = isJsonObject(metadata) ? metadata : {};
  const entries = (['name', 'generateName'] as const).flatMap((key): [string, CelInput][] => {
    const value = names[key];
    return typeof value === 'string' ? [[key, value]] : [];
  });
  return new Map(entries) as CelInput;
}

const RESERVED: ReadonlySet<string> = new Set(
  'true false null in as break const continue else for function if import let loop package namespace return var void while'.split(
    ' ',
  ),
);

/** Fields are named as identifiers: `a-b` is `a__dash__b`. Keys of maps stay as they are. */
function fieldName(node: SchemaNode | undefined, key: string): string {
  if (node?.properties.has(key) !== true) return key;
  if (RESERVED.has(key)) return `__${key}__`;
  return key
    .replaceAll('__', '__underscores__')
    .replaceAll('.', '__dot__')
    .replaceAll('-', '__dash__')
    .replaceAll('/', '__slash__');
}

/** What is wrong with the rules of a schema. Without the library, nothing. */
export function ruleProblems(schema: Props, path: string): ErrorCause[] {
  return eachRule(schema, path).flatMap(({ rule, at }) => {
    const compiled = compileRule(rule.rule ?? '');
    return 'mistake' in compiled ? [invalid(`${at}.rule`, rule.rule, `compilation failed: ${compiled.mistake}`)] : [];
  });
}

/** A line for each rule that cannot be checked here. */
export function ruleWarnings(schema: Props, path: string): string[] {
  return eachRule(schema, path).flatMap(({ rule, at }) => {
    const compiled = compileRule(rule.rule ?? '');
    return 'unknown' in compiled ? [`${at} is stored but not checked: it uses ${compiled.unknown}`] : [];
  });
}

function eachRule(schema: Props, path: string): { readonly rule: Rule; readonly at: string }[] {
  if (!rulesAreLoaded()) return [];
  const out = (schema['x-kubernetes-validations'] ?? []).flatMap((rule, i) =>
    (rule.rule ?? '') === '' ? [] : [{ rule, at: `${path}.x-kubernetes-validations[${i}]` }],
  );
  const { items, additionalProperties, properties } = schema;
  if (items?.schema !== undefined) out.push(...eachRule(items.schema, `${path}.items`));
  if (additionalProperties?.schema !== undefined) {
    out.push(...eachRule(additionalProperties.schema, `${path}.additionalProperties`));
  }
  for (const [name, one] of Object.entries(properties ?? {})) out.push(...eachRule(one, `${path}.properties[${name}]`));
  return out;
}
