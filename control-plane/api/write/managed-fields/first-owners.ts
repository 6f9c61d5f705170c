/**
 * Who owns the fields of an object when server-side apply comes to it: how untracked objects are taken on, and how the command
 * line's server-side apply follows its client-side apply.
 */
import { fromJson, type Json, type JsonObject, type KubeObject } from '../../../../proto/index.ts';
import { compareFields } from '../../../merge/compare-fields.ts';
import { difference, emptySet, type FieldSet, isEmptySet, pathSet, union } from '../../../merge/field-set.ts';
import { memberStep } from '../../../merge/fields-v1.ts';
import { isObject } from '../../../merge/json-value.ts';
import { fieldsOfNew, isSameWriter, type Owner, type Writer } from '../../../merge/owners.ts';
import type { AnyDefinition } from '../../services.ts';
import { LAST_APPLIED } from '../apply.ts';
import { CLIENT_SIDE_APPLY } from './field-manager.ts';
import { nodeOf, wholeJson } from './whole-object.ts';

/** Who owned everything before anybody kept track. */
const BEFORE_FIRST_APPLY = 'before-first-apply';
/** Managers that server-side apply for a person at the command line. */
const COMMAND_LINES: ReadonlySet<string> = new Set(['skiff', 'kubectl']);
/** Managers of the same person's client-side apply. */
const CLIENT_SIDE_APPLIES: ReadonlySet<string> = new Set([CLIENT_SIDE_APPLY, 'skiff-apply']);

/** The annotation of client-side apply and its map; it follows the applies of the command line and is nobody's. */
const ANNOTATION: FieldSet = union(
  pathSet(['metadata', 'annotations'].map(memberStep)),
  pathSet(['metadata', 'annotations', LAST_APPLIED].map(memberStep)),
);

/** Whether the manager is a person's command line, which takes over from its own client-side apply. */
export function isCommandLine(manager: string): boolean {
  return COMMAND_LINES.has(manager);
}

/**
 * The owners of an object that nobody kept track of. What its last client-side apply said and still holds is that apply's,
 * everything else belongs to `before-first-apply`.
 */
export function firstOwners(definition: AnyDefinition, object: KubeObject, now: string): Owner[] {
  const node = nodeOf(definition);
  const live = wholeJson(definition, object);
  const applied = lastAppliedFields(definition, object, live);
  const rest = difference(fieldsOfNew(node, wholeJson(definition, {}), live), applied);
  const { apiVersion } = definition.type;
  const owner = (manager: string, fields: FieldSet): Owner[] =>
    isEmptySet(fields) ? [] : [{ manager, operation: 'Update', apiVersion, subresource: '', time: now, fields }];
  return [...owner(BEFORE_FIRST_APPLY, rest), ...owner(CLIENT_SIDE_APPLY, applied)];
}

/**
 * The fields of the configuration applied last, and the defaults that came with them, as far as they still have their values:
 * what an update of that configuration would own.
 */
function lastAppliedFields(definition: AnyDefinition, object: KubeObject, live: JsonObject): FieldSet {
  const config = parse(object.metadata?.annotations?.[LAST_APPLIED]);
  if (!isObject(config) || config.apiVersion !== definition.type.apiVersion) return emptySet;
  const { value } = fromJson<KubeObject>(definition.type.messageName, config);
  definition.setDefaults?.(value);
  const node = nodeOf(definition);
  const applied = wholeJson(definition, value);
  const { modified, removed } = compareFields(node, applied, live);
  const own = fieldsOfNew(node, wholeJson(definition, {}), applied);
  return union(difference(own, union(modified, removed)), ANNOTATION);
}

function parse(text: string | undefined): Json {
  try {
    return JSON.parse(text ?? 'null') as Json;
  } catch {
    return null;
  }
}

/**
 * The owners an apply starts from. For a command line, the fields of its client-side apply count as applied by it before: it
 * has no conflict with itself, and what the file no longer says goes.
 */
export function ownersForApply(owners: readonly Owner[], applier: Writer): Owner[] {
  if (!isCommandLine(applier.manager) || applier.subresource !== '') return [...owners];
  const isOwn = (owner: Owner): boolean =>
    owner.operation === 'Update' && owner.subresource === '' && CLIENT_SIDE_APPLIES.has(owner.manager);
  const own = owners.filter(isOwn);
  if (own.length === 0) return [...owners];
  const last = owners.find((owner) => isSameWriter(owner, applier));
  const inherited = difference(
    own.reduce((set, { fields }) => union(set, fields), emptySet),
    ANNOTATION,
  );
  const fields = union(last?.fields ?? emptySet, inherited);
  const others = owners.filter((owner) => !isOwn(owner) && owner !== last);
  return [...others, { ...applier, time: last?.time, fields }];
}
