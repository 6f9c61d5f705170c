/** Who owns which fields of an object, and how applies and updates move them: pure, in terms of field sets. */
import type { JsonObject } from '../../proto/index.ts';
import { compareFields, type FieldChanges } from './compare-fields.ts';
import {
  difference,
  emptySet,
  equalSets,
  type FieldSet,
  intersection,
  isEmptySet,
  pathSet,
  pathsOf,
  union,
  within,
} from './field-set.ts';
import { fieldSetOf, unsetFieldsOf } from './field-set-of.ts';
import { memberStep } from './fields-v1.ts';
import { mergeConfig, removeGivenUp } from './merge-config.ts';
import type { SchemaNode } from './schema-node.ts';

/** Who writes, in which way, in which version of the kind, and to which subresource (empty for the object itself). */
export interface Writer {
  readonly manager: string;
  readonly operation: 'Apply' | 'Update';
  readonly apiVersion: string;
  readonly subresource: string;
}

/** A writer, what it owns, and when that last changed (RFC 3339). */
export interface Owner extends Writer {
  readonly fields: FieldSet;
  readonly time: string | undefined;
}

/** Most entries of updates that are kept apart. */
const MAX_UPDATE_OWNERS = 10;
/** Who gets what the oldest updates own when there are too many. */
const ANCIENT_CHANGES = 'ancient-changes';

const SERVER_OWNED_METADATA = [
  'name',
  'namespace',
  'uid',
  'creationTimestamp',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
  'generation',
  'managedFields',
  'resourceVersion',
  'selfLink',
];

/** Fields nobody owns: the object's identity, and what only the server sets. */
export const UNOWNED: FieldSet = [
  ['apiVersion'],
  ['kind'],
  ['metadata'],
  ...SERVER_OWNED_METADATA.map((name) => ['metadata', name]),
].reduce<FieldSet>((set, path) => union(set, pathSet(path.map(memberStep))), emptySet);

/** Whether both are entries of one writer. An applier is the same in every version. */
export function isSameWriter(a: Writer, b: Writer): boolean {
  return (
    a.manager === b.manager &&
    a.operation === b.operation &&
    a.subresource === b.subresource &&
    (a.operation === 'Apply' || a.apiVersion === b.apiVersion)
  );
}

/** Whether both lists have the same entries, times aside. */
export function isSameOwnership(a: readonly Owner[], b: readonly Owner[]): boolean {
  return (
    a.length === b.length &&
    a.every((one) => b.some((other) => isSameWriter(one, other) && equalSets(one.fields, other.fields)))
  );
}

/** The fields of a whole object that an update makes its own when there was nothing but `empty` before. */
export function fieldsOfNew(node: SchemaNode, empty: JsonObject, object: JsonObject): FieldSet {
  return difference(compareFields(node, empty, object).added, UNOWNED);
}

/** An apply. */
export interface ApplyInput {
  readonly node: SchemaNode;
  readonly live: JsonObject;
  readonly config: JsonObject;
  /** All owners there are, the applier's last entry among them. */
  readonly owners: readonly Owner[];
  readonly applier: Writer;
  /** Take over what others own. */
  readonly force: boolean;
  /**
   * Fills in the defaults of a whole object. Without them a list or reference that is owned as a whole would differ from the
   * live one in what nobody wrote.
   */
  readonly complete?: (object: JsonObject) => JsonObject;
}

/** A field that another owner has with another value. */
export interface FieldConflict {
  readonly owner: Writer;
  readonly path: readonly string[];
}

/** What came of an apply. With conflicts and without force, nothing else counts. */
export interface ApplyOutcome {
  readonly conflicts: readonly FieldConflict[];
  readonly object: JsonObject;
  readonly owners: readonly Owner[];
}

/** Merges a configuration and says who owns what then. The applier's entry has the time of its last one. */
export function applyOwned(input: ApplyInput): ApplyOutcome {
  const { node, live, config, owners, applier, force, complete = (object) => object } = input;
  const configured = fieldSetOf(node, config);
  const named = difference(configured, UNOWNED);
  const last = owners.find((owner) => isSameWriter(owner, applier));
  const others = owners.filter((owner) => owner !== last);
  const owned = others.reduce((set, { fields }) => union(set, fields), configured);
  const merged = mergeConfig(node, live, config);
  const object = complete(last === undefined ? merged : removeGivenUp(node, merged, { last: last.fields, owned }));
  const changes = compareFields(node, live, object);
  const taken = takenBy(changes, unsetFieldsOf(node, config));
  const conflicts = force ? [] : others.flatMap((owner) => conflictsWith(owner, taken));
  const mine = { ...applier, fields: named, time: last?.time };
  return { conflicts, object, owners: withoutEmpty([...others.map((owner) => lose(owner, taken, changes)), mine]) };
}

/** What a change takes from its owners: values that are others now, and what null unsets. */
function takenBy({ added, modified, removed }: FieldChanges, unset: FieldSet): FieldSet {
  return union(union(added, modified), within(removed, unset));
}

function conflictsWith(owner: Owner, taken: FieldSet): FieldConflict[] {
  return pathsOf(intersection(owner.fields, taken)).map((path) => ({ owner, path }));
}

function lose(owner: Owner, taken: FieldSet, { removed }: FieldChanges): Owner {
  return { ...owner, fields: difference(difference(owner.fields, taken), removed) };
}

function withoutEmpty(owners: readonly Owner[]): Owner[] {
  return owners.filter(({ fields }) => !isEmptySet(fields));
}

/** An update, patch, or any other write that is no apply. */
export interface UpdateInput {
  readonly node: SchemaNode;
  readonly before: JsonObject;
  readonly after: JsonObject;
  readonly owners: readonly Owner[];
  readonly updater: Writer;
  /** The time of the write, RFC 3339. */
  readonly now: string;
}

/** Who owns what after an update: changed fields are the updater's, removed ones nobody's. */
export function updateOwned({ node, before, after, owners, updater, now }: UpdateInput): Owner[] {
  const changes = compareFields(node, before, after);
  const taken = union(changes.added, changes.modified);
  const gained = difference(taken, UNOWNED);
  const previous = owners.find((owner) => isSameWriter(owner, updater));
  const kept = owners.map((owner) => lose(owner, taken, changes));
  if (isEmptySet(gained)) return withoutEmpty(kept);
  const others = kept.filter((_, i) => owners[i] !== previous);
  const mine = difference(previous?.fields ?? emptySet, changes.removed);
  return capUpdates(withoutEmpty([...others, { ...updater, fields: union(mine, gained), time: now }]));
}

/** Merges the oldest entries of updates, per version, until there are few enough. */
export function capUpdates(owners: readonly Owner[]): Owner[] {
  const updates = owners.filter(({ operation }) => operation === 'Update').sort(byTime);
  let excess = updates.length - MAX_UPDATE_OWNERS;
  if (excess <= 0) return [...owners];
  const left = new Set(owners);
  const isAncient = (owner: Owner): boolean => owner.manager === ANCIENT_CHANGES && owner.subresource === '';
  const buckets = new Map(updates.filter(isAncient).map((owner) => [owner.apiVersion, owner]));
  for (const owner of updates.filter((one) => !isAncient(one))) {
    if (excess === 0) break;
    const bucket = buckets.get(owner.apiVersion);
    if (bucket === undefined) {
      buckets.set(owner.apiVersion, owner);
      continue;
    }
    const { apiVersion, time } = owner;
    const fields = union(bucket.fields, owner.fields);
    const ancient: Owner = { manager: ANCIENT_CHANGES, operation: 'Update', subresource: '', apiVersion, fields, time };
    left.delete(bucket);
    left.delete(owner);
    left.add(ancient);
    buckets.set(apiVersion, ancient);
    excess -= 1;
  }
  return [...left];
}

function byTime(a: Owner, b: Owner): number {
  const order = (a.time ?? '').localeCompare(b.time ?? '');
  return order === 0 ? a.manager.localeCompare(b.manager) : order;
}
