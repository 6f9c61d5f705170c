import type { KubeObject } from '../../../proto/index.ts';
import type { StoreEntry, StoreWrite } from '../../store/store.ts';
import { commitCounted } from '../admission/commit-counted.ts';
import { checkNodeWrite, isRestricted } from '../admission/node-restriction.ts';
import { seenByAdmission } from '../admission/seen-by-admission.ts';
import { modifiedConflict } from '../api-errors.ts';
import { objectKey } from '../keys.ts';
import type { AnyDefinition, ApiServices } from '../services.ts';
import { copyOf, encodeForStore, equalBytes, withVersion } from '../stored-object.ts';
import { KeyTurns } from './key-turns.ts';
import { sideWriterOf } from './side-writes.ts';
import type { WriteOutcome, WriteRequest } from './write-request.ts';

/** The object a decision is made about: a private copy, fresh for each attempt. */
export interface Current {
  readonly object: KubeObject;
  readonly version: number;
}

/** What to do about the current object. */
export type Decision =
  | { readonly type: 'put'; readonly object: KubeObject; readonly action: 'created' | 'configured' | 'deleting' }
  | { readonly type: 'delete'; readonly object: KubeObject }
  | { readonly type: 'keep'; readonly action: 'unchanged' | 'deleting' };

/** Decides from the object as it is; undefined when there is none. Called again after a conflict. Throws to refuse. */
export type Decide = (current: Current | undefined) => Decision | Promise<Decision>;

/** How often a decision is made anew because somebody else was faster, before we give up with `Conflict`. */
const MAX_ATTEMPTS = 20;

/** Who waits for a turn at which key, per store. */
const turnsByStore = new WeakMap<ApiServices['store'], KeyTurns>();

/**
 * Reads, decides, and writes if nobody changed the object in between; otherwise decides again with what is there now. The
 * first look is at the cache: when that is behind, compare-and-swap notices. A write that changes nothing is not written
 * and keeps its resourceVersion. A dry run does all but the writing, on what is stored at that moment.
 */
export async function guardedWrite(
  services: ApiServices,
  request: WriteRequest,
  name: string,
  decide: Decide,
): Promise<WriteOutcome> {
  const { definition, namespace } = request.target;
  const key = objectKey(definition.type, namespace, name);
  const readLatest = (): Promise<StoreEntry | undefined> => services.store.get(key, request.signal);
  let entry: StoreEntry | undefined = request.dryRun ? await readLatest() : services.cache.get(key);
  let fresh = request.dryRun;
  const turns = turnsByStore.get(services.store) ?? new KeyTurns();
  turnsByStore.set(services.store, turns);
  let turn: Awaited<ReturnType<KeyTurns['take']>> | undefined;
  let contended = false;
  const beforeWrite = async (): Promise<{ readonly current: StoreEntry | undefined } | undefined> => {
    if (!contended || turn !== undefined) return undefined;
    turn = await turns.take(key);
    // Of those who waited for their turns, each finds what the one before left, and decides anew.
    return turn.waited ? { current: await readLatest() } : undefined;
  };
  try {
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
      // A refusal, or the news that there is nothing to do, may come from what the cache has not seen yet.
      const step = await attemptOnce(services, request, { key, entry, decide, beforeWrite }).catch((err: unknown) => ({
        refused: err,
      }));
      if ('current' in step) {
        entry = step.current;
        fresh = true;
        contended = true;
        continue;
      }
      if (!fresh && ('refused' in step || step.done.version === entry?.version)) {
        const latest = await readLatest();
        fresh = true;
        if (latest?.version !== entry?.version) {
          entry = latest;
          continue;
        }
      }
      if ('refused' in step) throw step.refused;
      // Written it is; a server that cannot look at the moment will have seen it later.
      if (definition.visibleAtOnce === true && !request.dryRun)
        await services.registry.refresh(request.signal).catch(() => undefined);
      return step.done;
    }
    throw modifiedConflict(definition.type, name);
  } finally {
    turn?.end();
  }
}

function toCurrent(definition: AnyDefinition, entry: StoreEntry | undefined): Current | undefined {
  return entry === undefined ? undefined : { object: copyOf(definition, entry.value), version: entry.version };
}

interface Attempt {
  readonly key: string;
  readonly entry: StoreEntry | undefined;
  readonly decide: Decide;
  /** Called before anything is written; gives what is there now when the decision is to be made anew. */
  readonly beforeWrite: () => Promise<{ readonly current: StoreEntry | undefined } | undefined>;
}

/** What came of one attempt: the end, or the entry that stood in the way. */
type AttemptResult = { readonly done: WriteOutcome } | { readonly current: StoreEntry | undefined };

async function attemptOnce(services: ApiServices, request: WriteRequest, attempt: Attempt): Promise<AttemptResult> {
  const { definition } = request.target;
  const { key, entry } = attempt;
  const decision = await attempt.decide(toCurrent(definition, entry));
  if (decision.type === 'keep') return { done: kept(definition, entry, decision.action) };
  if (isRestricted(request.caller, definition)) {
    const next = decision.type === 'delete' ? undefined : decision.object;
    const { subresource } = request.target;
    const name = decision.object.metadata?.name ?? '';
    checkNodeWrite(request.caller, { definition, name, subresource, old: toCurrent(definition, entry)?.object, next });
  }
  const { target, signal } = request;
  const { namespace } = target;
  const counted = { definition, namespace, name: decision.object.metadata?.name ?? '' };
  const sideWriter = sideWriterOf(definition);
  if (decision.type === 'delete') {
    if (entry === undefined || request.dryRun) return { done: removed(definition, entry, entry?.version ?? 0) };
    const changed = await attempt.beforeWrite();
    if (changed !== undefined) return changed;
    const write: StoreWrite = { type: 'delete', key, ifVersion: entry.version };
    const alongside = (await sideWriter?.(services, { target, entry, signal }, undefined))?.writes ?? [];
    const result = await commitCounted(services, { ...counted, write, alongside, after: undefined, entry }, request);
    return result.ok ? { done: removed(definition, entry, result.version) } : { current: result.current };
  }
  const withSide = sideWriter && (await sideWriter(services, { target, entry, signal }, decision.object));
  const { object: after, writes: alongside } = withSide ?? { object: decision.object, writes: [] };
  const bytes = encodeForStore(definition, after);
  const version = entry?.version ?? 0;
  if (entry !== undefined && equalBytes(bytes, entry.value)) {
    return { done: kept(definition, entry, decision.action === 'deleting' ? 'deleting' : 'unchanged') };
  }
  const changed = await attempt.beforeWrite();
  if (changed !== undefined) return changed;
  const write: StoreWrite = {
    type: 'put',
    key,
    value: bytes,
    ifVersion: version,
    ...(definition.storedSeconds === undefined ? {} : { ttlSeconds: definition.storedSeconds }),
  };
  const result = await commitCounted(services, { ...counted, write, alongside, after, entry }, request);
  if (!result.ok) return { current: result.current };
  if (!request.dryRun) await seenByAdmission(services, request.target, result.version);
  const object = result.version === 0 ? after : withVersion(after, result.version);
  return { done: { action: decision.action, object, bytes, version: result.version, warnings: [] } };
}

function kept(
  definition: AnyDefinition,
  entry: StoreEntry | undefined,
  action: 'unchanged' | 'deleting',
): WriteOutcome {
  if (entry === undefined) throw new Error('nothing to keep: the decision was made about no object');
  const object = withVersion(copyOf(definition, entry.value), entry.version);
  return { action, object, bytes: entry.value, version: entry.version, warnings: [] };
}

function removed(definition: AnyDefinition, entry: StoreEntry | undefined, version: number): WriteOutcome {
  if (entry === undefined) throw new Error('nothing to delete: the decision was made about no object');
  const object = withVersion(copyOf(definition, entry.value), version);
  return { action: 'deleted', object, bytes: entry.value, version, warnings: [] };
}
