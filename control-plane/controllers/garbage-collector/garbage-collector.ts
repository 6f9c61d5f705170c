/**
 * Deletes what has lost its owners, and carries out foreground and orphan deletions.
 *
 * Watches every kind, also those that come later. Keys name a kind and an object: the object itself when it comes with owners, loses one, or is being
 * deleted with one of the two finalizers; its dependents when it is gone; the owners that wait for it when it goes.
 *
 * A cache may lag behind, so nothing is taken for absent before the API says so, and nothing is let go (a finalizer removed)
 * before a fresh list shows no dependents.
 */
import type { ObjectName } from '../../../lib/client/resource-client.ts';
import { type Informer, objectKey, splitKey } from '../../../lib/informer.ts';
import { done, type Outcome } from '../../../lib/reconcile-loop.ts';
import { WorkQueue } from '../../../lib/work-queue.ts';
import { KINDS, type KubeObject, type metav1, type ResourceType } from '../../../proto/index.ts';
import type { Controller, ControllerContext, ControllerDefinition } from '../controller.ts';
import { withoutOwners } from '../ownership.ts';
import { sameValue } from '../same-value.ts';
import { kindId } from '../served-kinds.ts';
import { BY_OWNER } from '../shared-informers.ts';
import { ignoreNotFound } from '../writes.ts';
import { blocks, FOREGROUND, isWaiting, ORPHAN, type OwnerState, planDependent } from './plan.ts';

const NAME = 'garbage-collector-controller';

/** Kinds whose objects own nothing and are owned by nothing worth following; they expire by themselves. */
const IGNORED: ReadonlySet<string> = new Set([kindId(KINDS.Event)]);

/** Objects remembered for each owner kind in doubt; the next start looks at all of them anyway. */
const MAX_IN_DOUBT = 10_000;

/** The garbage collector. */
export const garbageCollector: ControllerDefinition = { name: NAME, create };

interface Found {
  readonly type: ResourceType;
  readonly object: KubeObject;
}

function create(context: ControllerContext): Controller {
  const { client, clock, log, kinds } = context;
  const queue = new WorkQueue({ clock });
  /** Informers of the kinds served now. */
  const informers = new Map<string, Informer<KubeObject>>();
  const events = context.events(NAME);
  /** Owner kinds that nobody serves → keys of the objects that name them. */
  const inDoubt = new Map<string, Set<string>>();

  const keyFor = (type: ResourceType, object: KubeObject): string => `${kindId(type)} ${objectKey(object)}`;
  const followed = (): ResourceType[] => kinds.list().filter((type) => !IGNORED.has(kindId(type)));

  /** Objects that name `uid` as an owner, as far as the caches know. */
  function dependentsOf(uid: string): Found[] {
    return [...informers.values()].flatMap((informer) =>
      informer.byIndex(BY_OWNER, uid).map((object) => ({ type: informer.type, object })),
    );
  }

  /** The same from the API. An owner with a namespace owns only within it. */
  async function freshDependents(owner: KubeObject, signal: AbortSignal): Promise<Found[]> {
    const { uid = '', namespace } = owner.metadata ?? {};
    const wanted = followed().filter((type) => namespace === undefined || type.namespaced);
    const lists = await Promise.all(
      wanted.map(async (type) => {
        const options = namespace === undefined ? { signal } : { namespace, signal };
        const { items } = await client.list(type, options);
        return items.filter((object) => hasOwner(object, uid)).map((object): Found => ({ type, object }));
      }),
    );
    return lists.flat();
  }

  function enqueueOwnersOf(object: KubeObject): void {
    for (const reference of object.metadata?.ownerReferences ?? []) {
      const type = kinds.find(reference.apiVersion ?? '', reference.kind ?? '');
      if (type === undefined) continue;
      const at = ownerName(type, reference, object);
      const owner = at === undefined ? undefined : informers.get(kindId(type))?.get(keyAt(at));
      if (owner !== undefined && isWaiting(owner)) queue.add(keyFor(type, owner));
    }
  }

  function follow(informer: Informer<KubeObject>): void {
    const { type } = informer;
    const needsLook = (object: KubeObject): boolean =>
      (object.metadata?.ownerReferences ?? []).length > 0 || isWaiting(object) || isOrphaning(object);
    informer.addHandler({
      onAdd: (object) => {
        if (needsLook(object)) queue.add(keyFor(type, object));
      },
      onUpdate: (old, object) => {
        const [before, after] = [old.metadata ?? {}, object.metadata ?? {}];
        const changed =
          before.deletionTimestamp !== after.deletionTimestamp ||
          !sameValue(before.ownerReferences, after.ownerReferences) ||
          !sameValue(before.finalizers, after.finalizers);
        if (!changed) return;
        if (needsLook(object)) queue.add(keyFor(type, object));
        enqueueOwnersOf(old);
        if (isWaiting(object)) enqueueDependents(object);
      },
      onDelete: (object) => {
        enqueueOwnersOf(object);
        enqueueDependents(object);
      },
    });
  }

  /** Follows exactly the kinds served now; looks again at what names an owner of a kind that has come. */
  function followKinds(): void {
    const served = followed();
    const ids = new Set(served.map(kindId));
    for (const id of informers.keys()) if (!ids.has(id)) informers.delete(id);
    for (const type of served) {
      const informer = context.informers.metadataOf(type);
      if (informers.get(kindId(type)) === informer) continue;
      informers.set(kindId(type), informer);
      follow(informer);
    }
    for (const [id, keys] of inDoubt) {
      const slash = id.lastIndexOf('/');
      if (kinds.find(id.slice(0, slash), id.slice(slash + 1)) === undefined) continue;
      inDoubt.delete(id);
      for (const key of keys) queue.add(key);
    }
  }

  /** An owner of a kind that is not served is never taken for absent: says so once for each such kind. */
  function doubt({ apiVersion = '', kind = '' }: metav1.OwnerReference, dependent: Found): void {
    const id = kindId({ apiVersion, kind });
    const keys = inDoubt.get(id) ?? new Set<string>();
    if (keys.size === 0) {
      const of = {
        kind: dependent.type.kind,
        ...nameOf(dependent.object),
        ownerApiVersion: apiVersion,
        ownerKind: kind,
      };
      log.warn(of, 'owner is of a kind that is not served, its dependents are kept');
    }
    if (keys.size < MAX_IN_DOUBT) keys.add(keyFor(dependent.type, dependent.object));
    inDoubt.set(id, keys);
  }

  function enqueueDependents(object: KubeObject): void {
    for (const found of dependentsOf(object.metadata?.uid ?? '')) queue.add(keyFor(found.type, found.object));
  }

  /** How the owner named by a reference stands, asking the API before believing that it is gone. */
  async function ownerState(
    reference: metav1.OwnerReference,
    dependent: Found,
    signal: AbortSignal,
  ): Promise<OwnerState> {
    const type = kinds.find(reference.apiVersion ?? '', reference.kind ?? '');
    if (type === undefined) {
      doubt(reference, dependent);
      return 'unknown';
    }
    const at = ownerName(type, reference, dependent.object);
    if (at === undefined) {
      const message = `ownerRef [${reference.apiVersion}/${reference.kind}, name: ${reference.name}, uid: ${reference.uid}] is namespaced, but its dependent is not`;
      events.record(dependent.object, 'Warning', 'OwnerRefInvalidNamespace', message);
      return 'unknown';
    }
    const cached = informers.get(kindId(type))?.get(keyAt(at));
    if (cached?.metadata?.uid === reference.uid) return cached !== undefined && isWaiting(cached) ? 'waiting' : 'solid';
    const fresh = await ignoreNotFound(client.get(type, at, signal));
    if (fresh !== undefined && fresh.metadata?.uid === reference.uid) return isWaiting(fresh) ? 'waiting' : 'solid';
    if (existsElsewhere(type, reference, at)) {
      const message = `ownerRef [${reference.apiVersion}/${reference.kind}, name: ${reference.name}, uid: ${reference.uid}] does not exist in namespace "${at.namespace}"`;
      events.record(dependent.object, 'Warning', 'OwnerRefInvalidNamespace', message);
    }
    return 'absent';
  }

  function existsElsewhere(type: ResourceType, reference: metav1.OwnerReference, at: ObjectName): boolean {
    const all = informers.get(kindId(type))?.list() ?? [];
    return at.namespace !== undefined && all.some((object) => object.metadata?.uid === reference.uid);
  }

  async function reconcileDependent({ type, object }: Found, signal: AbortSignal): Promise<void> {
    const references = object.metadata?.ownerReferences ?? [];
    if (references.length === 0 || object.metadata?.deletionTimestamp !== undefined) return;
    const owners = await Promise.all(references.map((reference) => ownerState(reference, { type, object }, signal)));
    const dependents = owners.includes('waiting') ? dependentsOf(object.metadata?.uid ?? '') : [];
    const plan = planDependent({
      object,
      owners,
      hasDependents: dependents.length > 0,
      dependentIsWaiting: dependents.some((dependent) => isWaiting(dependent.object)),
    });
    if (plan.kind === 'nothing') return;
    const at = nameOf(object);
    if (plan.kind === 'detach') {
      await rewrite({ type, object }, (fresh) => withoutOwners(fresh, plan.uids), signal);
      return;
    }
    if (plan.unblock) await rewrite({ type, object }, unblocking, signal);
    const uid = object.metadata?.uid ?? '';
    const version = plan.unblock ? {} : { resourceVersion: object.metadata?.resourceVersion ?? '' };
    log.debug({ kind: type.kind, ...at, uid, policy: plan.policy }, 'owners are gone, deleting');
    await ignoreNotFound(client.delete(type, at, { propagationPolicy: plan.policy, uid, ...version, signal }));
  }

  /** Changes a whole fresh copy: the cache may hold metadata only. Does nothing when the object is another by now. */
  async function rewrite(
    { type, object }: Found,
    change: (fresh: KubeObject) => KubeObject,
    signal: AbortSignal,
  ): Promise<void> {
    const fresh = await ignoreNotFound(client.get(type, nameOf(object), signal));
    if (fresh === undefined || fresh.metadata?.uid !== object.metadata?.uid) return;
    await ignoreNotFound(client.update(type, change(fresh), { signal }));
  }

  async function finishOrphaning(owner: Found, signal: AbortSignal): Promise<void> {
    const uids = new Set([owner.object.metadata?.uid ?? '']);
    const dependents = await freshDependents(owner.object, signal);
    await Promise.all(dependents.map((found) => rewrite(found, (fresh) => withoutOwners(fresh, uids), signal)));
    await rewrite(owner, (fresh) => withoutFinalizer(fresh, ORPHAN), signal);
  }

  /**
   * Whether an object being deleted in the foreground waits, perhaps through others that do, for the object `uid` to go: then
   * that one must not wait for it, or the ring would stand forever. An object may even own itself.
   */
  function waitsFor(object: KubeObject, uid: string, seen: Set<string>): boolean {
    const own = object.metadata?.uid ?? '';
    if (!isWaiting(object) || seen.has(own)) return false;
    seen.add(own);
    return dependentsOf(own).some(
      (found) => blocks(found.object, own) && (found.object.metadata?.uid === uid || waitsFor(found.object, uid, seen)),
    );
  }

  async function finishForeground(owner: Found, signal: AbortSignal): Promise<void> {
    const uid = owner.object.metadata?.uid ?? '';
    const dependents = await freshDependents(owner.object, signal);
    for (const found of dependents) {
      if (found.object.metadata?.deletionTimestamp === undefined) queue.add(keyFor(found.type, found.object));
    }
    if (dependents.some(({ object }) => blocks(object, uid) && !waitsFor(object, uid, new Set()))) return;
    await rewrite(owner, (fresh) => withoutFinalizer(fresh, FOREGROUND), signal);
  }

  async function reconcile(key: string, signal: AbortSignal): Promise<Outcome> {
    const space = key.indexOf(' ');
    const informer = informers.get(key.slice(0, space));
    const object = informer?.get(key.slice(space + 1));
    if (informer === undefined || object === undefined) return done;
    const found: Found = { type: informer.type, object };
    if (isOrphaning(object)) await finishOrphaning(found, signal);
    else if (isWaiting(object)) await finishForeground(found, signal);
    else await reconcileDependent(found, signal);
    return done;
  }

  followKinds();
  kinds.onChange(followKinds);
  return { queue, workers: 8, reconcile };
}

function isOrphaning(object: KubeObject): boolean {
  return object.metadata?.deletionTimestamp !== undefined && (object.metadata.finalizers ?? []).includes(ORPHAN);
}

function hasOwner(object: KubeObject, uid: string): boolean {
  return (object.metadata?.ownerReferences ?? []).some((owner) => owner.uid === uid);
}

/** Where the owner must be; undefined when it cannot be: a namespaced owner of a cluster-scoped object. */
function ownerName(
  type: ResourceType,
  reference: metav1.OwnerReference,
  dependent: KubeObject,
): ObjectName | undefined {
  const name = reference.name ?? '';
  if (!type.namespaced) return { name };
  const namespace = dependent.metadata?.namespace;
  return namespace === undefined || namespace === '' ? undefined : { namespace, name };
}

function keyAt({ namespace, name }: ObjectName): string {
  return namespace === undefined ? name : `${namespace}/${name}`;
}

function nameOf(object: KubeObject): ObjectName {
  return splitKey(objectKey(object));
}

function withoutFinalizer(object: KubeObject, finalizer: string): KubeObject {
  const finalizers = (object.metadata?.finalizers ?? []).filter((name) => name !== finalizer);
  return { ...object, metadata: { ...object.metadata, finalizers } };
}

function unblocking(object: KubeObject): KubeObject {
  const ownerReferences = (object.metadata?.ownerReferences ?? []).map((o) => ({ ...o, blockOwnerDeletion: false }));
  return { ...object, metadata: { ...object.metadata, ownerReferences } };
}
