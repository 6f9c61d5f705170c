/**
 * Which names a custom kind gets, and what its definition's status says of it. Of definitions that want the same name the one
 * that has it keeps it; the other is not served under it, and not at all when it wants another's kind or plural.
 */
import type { apiextensionsv1 } from '../../../proto/index.ts';

type Definition = apiextensionsv1.CustomResourceDefinition;
type Names = apiextensionsv1.CustomResourceDefinitionNames;
type Condition = apiextensionsv1.CustomResourceDefinitionCondition;

/** Keeps a deleted definition until its objects are gone. */
export const CLEANUP_FINALIZER = 'customresourcecleanup.apiextensions.k8s.io';

/** Names of one group that are taken. */
export interface TakenNames {
  /** Plurals, singulars and short names. */
  readonly resources: ReadonlySet<string>;
  /** Kinds and list kinds. */
  readonly kinds: ReadonlySet<string>;
}

/** The names that others of the same group have: kinds built in, and what other definitions were given. */
export function takenNames(
  definition: Definition,
  others: readonly Definition[],
  builtIn: readonly {
    readonly group: string;
    readonly kind: string;
    readonly plural: string;
    readonly singular: string;
  }[],
): TakenNames {
  const group = definition.spec?.group ?? '';
  const resources = new Set<string>();
  const kinds = new Set<string>();
  for (const other of others) {
    if (other.spec?.group !== group || other.metadata?.name === definition.metadata?.name) continue;
    const { plural = '', singular = '', shortNames = [], kind = '', listKind = '' } = other.status?.acceptedNames ?? {};
    for (const name of [plural, singular, ...shortNames]) resources.add(name);
    for (const name of [kind, listKind]) kinds.add(name);
  }
  for (const type of builtIn) {
    if (type.group !== group) continue;
    resources.add(type.plural).add(type.singular);
    kinds.add(type.kind);
  }
  resources.delete('');
  kinds.delete('');
  return { resources, kinds };
}

/**
 * The definition with a status that says which names it has, with conditions as of `now`. What it has it keeps, but for names
 * that an `older` definition has too. Pure.
 */
export function acceptNames(
  definition: Definition,
  { taken, older = NOTHING_TAKEN }: { readonly taken: TakenNames; readonly older?: TakenNames },
  now: string,
): Definition {
  const wanted = definition.spec?.names ?? {};
  const had = withoutTaken(definition.status?.acceptedNames ?? {}, older);
  const { accepted, conflict } = choose(wanted, had, taken);
  const before = definition.status?.conditions ?? [];
  // Two servers may have given one name to two kinds at the same moment: the older definition keeps it.
  const established = isEstablished(definition) && had.kind !== undefined && had.plural !== undefined;
  const names: Condition =
    conflict === undefined
      ? { type: 'NamesAccepted', status: 'True', reason: 'NoConflicts', message: 'no conflicts found' }
      : { type: 'NamesAccepted', status: 'False', ...conflict };
  const serving: Condition =
    established || conflict === undefined
      ? {
          type: 'Established',
          status: 'True',
          reason: 'InitialNamesAccepted',
          message: 'the initial names have been accepted',
        }
      : { type: 'Established', status: 'False', reason: 'NotAccepted', message: 'not all names are accepted' };
  const storage = (definition.spec?.versions ?? []).find((version) => version.storage === true)?.name;
  const stored = definition.status?.storedVersions ?? [];
  return {
    ...definition,
    status: {
      ...definition.status,
      acceptedNames: accepted,
      conditions: setCondition(setCondition(before, names, now), serving, now),
      storedVersions: storage === undefined || stored.includes(storage) ? stored : [...stored, storage],
    },
  };
}

const NOTHING_TAKEN: TakenNames = { resources: new Set(), kinds: new Set() };

function withoutTaken(names: Names, { resources, kinds }: TakenNames): Names {
  const kept: Names = { ...names };
  for (const field of ['plural', 'singular'] as const) if (resources.has(names[field] ?? '')) delete kept[field];
  for (const field of ['kind', 'listKind'] as const) if (kinds.has(names[field] ?? '')) delete kept[field];
  if (names.shortNames?.some((name) => resources.has(name)) === true) delete kept.shortNames;
  return kept;
}

/** Whether `a` was made before `b`. */
export function isOlder({ metadata: a = {} }: Definition, { metadata: b = {} }: Definition): boolean {
  const [left, right] = [a.creationTimestamp ?? '', b.creationTimestamp ?? ''];
  return left === right ? (a.name ?? '') < (b.name ?? '') : left < right;
}

/** Whether the definition's kind is served. */
export function isEstablished(definition: Definition): boolean {
  return (definition.status?.conditions ?? []).some((one) => one.type === 'Established' && one.status === 'True');
}

/** The conditions with one of them set; its time changes only with its status. */
export function setCondition(conditions: readonly Condition[], next: Condition, now: string): Condition[] {
  const old = conditions.find((one) => one.type === next.type);
  const lastTransitionTime = old?.status === next.status ? (old?.lastTransitionTime ?? now) : now;
  const set = { ...next, lastTransitionTime };
  return old === undefined ? [...conditions, set] : conditions.map((one) => (one === old ? set : one));
}

interface Choice {
  readonly accepted: Names;
  readonly conflict: { readonly reason: string; readonly message: string } | undefined;
}

function choose(wanted: Names, had: Names, taken: TakenNames): Choice {
  const accepted: Names = { ...had };
  let conflict: Choice['conflict'];
  const claim = (
    field: 'plural' | 'singular' | 'kind' | 'listKind',
    names: ReadonlySet<string>,
    reason: string,
  ): void => {
    const name = wanted[field];
    if (name === undefined || name === had[field] || !names.has(name)) {
      if (name !== undefined) accepted[field] = name;
    } else conflict = { reason, message: `${JSON.stringify(name)} is already in use` };
  };
  claim('plural', taken.resources, 'PluralConflict');
  claim('singular', taken.resources, 'SingularConflict');
  const clashing = (wanted.shortNames ?? []).filter((name) => taken.resources.has(name));
  if (clashing.length === 0) {
    if (wanted.shortNames === undefined) delete accepted.shortNames;
    else accepted.shortNames = [...wanted.shortNames];
  } else {
    const message = clashing.map((name) => `${JSON.stringify(name)} is already in use`).join(', ');
    conflict = { reason: 'ShortNamesConflict', message };
  }
  claim('kind', taken.kinds, 'KindConflict');
  claim('listKind', taken.kinds, 'ListKindConflict');
  if (wanted.categories === undefined) delete accepted.categories;
  else accepted.categories = [...wanted.categories];
  return { accepted, conflict };
}
