/**
 * A ResourceClient over objects in memory, for tests of controllers, scheduler and agent: what the real API promises
 * (versions, conflicts, generation, status apart from spec, finalizers, graceful deletion of pods, watches with history),
 * without validation, defaulting and admission. Faults are made on demand.
 */
import { randomUUID } from 'node:crypto';
import {
  type corev1,
  fromJson,
  type JsonObject,
  KINDS,
  type KubeObject,
  type ResourceType,
  toJson,
} from '../../proto/index.ts';
import { type Clock, rfc3339, systemClock } from '../clock.ts';
import { ApiError } from '../errors.ts';
import { MemoryAppliers } from './memory-apply.ts';
import { ChangeHistory } from './memory-history.ts';
import { asAsked, checkCollection, eventsAsAsked } from './memory-peers.ts';
import { matcher, patched } from './memory-requests.ts';
import * as rules from './memory-rules.ts';
import {
  type ApplyOptions,
  type DeleteOptions,
  nameInJson,
  type ObjectEvent,
  type ObjectList,
  type ObjectName,
  type Patch,
  type PodBinding,
  type ResourceClient,
  type SelectOptions,
  type WriteOptions,
} from './resource-client.ts';

/** A request as an interceptor sees it. */
export interface MemoryRequest {
  readonly verb: 'get' | 'list' | 'watch' | 'create' | 'update' | 'patch' | 'delete' | 'bind';
  readonly type: ResourceType;
  readonly at: ObjectName | undefined;
  readonly subresource: string | undefined;
}

/** Settings of a {@link MemoryResourceClient}. */
export interface MemoryClientOptions {
  readonly clock?: Clock;
  /** Freeze every object handed out; true unless said (a benchmark says no). */
  readonly freeze?: boolean;
  /** Changes kept for watches, per kind; 100,000 unless said. */
  readonly historyLimit?: number;
  /** Refuse to create objects in namespaces that do not exist; false unless said. */
  readonly requireNamespaces?: boolean;
}

interface Shelf {
  readonly objects: Map<string, KubeObject>;
  readonly history: ChangeHistory;
}

/** See the top of the file. */
export class MemoryResourceClient implements ResourceClient {
  readonly #clock: Clock;
  readonly #options: MemoryClientOptions;
  readonly #shelves = new Map<string, Shelf>();
  readonly #interceptors = new Set<(request: MemoryRequest) => void | Promise<void>>();
  readonly #appliers = new MemoryAppliers();
  readonly #observers = new Set<(type: ResourceType) => void>();
  #version = 0;
  #names = 0;

  constructor(options: MemoryClientOptions = {}) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  /** The version of the last write. */
  get resourceVersion(): string {
    return String(this.#version);
  }

  /** Runs `interceptor` before every request; one that throws makes the request fail. Returns its removal. */
  intercept(interceptor: (request: MemoryRequest) => void | Promise<void>): () => void {
    this.#interceptors.add(interceptor);
    return () => void this.#interceptors.delete(interceptor);
  }

  /** Calls `observer` right after every write, before anybody else can see it. Returns its removal. */
  observe(observer: (type: ResourceType) => void): () => void {
    this.#observers.add(observer);
    return () => void this.#observers.delete(observer);
  }

  /** Cuts every watch, as a lost connection does; events under way are lost. */
  disconnectWatches(type?: ResourceType): void {
    const failure = new ApiError('ServiceUnavailable', 'Cannot go on watching: the connection is lost');
    for (const shelf of this.#shelvesOf(type)) shelf.history.fail(failure);
  }

  /** Forgets all history: a watch from an older version throws `Expired`. Open watches are cut. */
  expireHistory(type?: ResourceType): void {
    for (const shelf of this.#shelvesOf(type)) shelf.history.forget(this.resourceVersion);
    this.disconnectWatches(type);
  }

  /** Sends a bookmark at the current version to every watch. */
  sendBookmarks(type?: ResourceType): void {
    for (const shelf of this.#shelvesOf(type)) shelf.history.bookmark(this.resourceVersion);
  }

  /** Watches open now on a kind. */
  watchCount(type: ResourceType): number {
    return this.#shelf(type).history.watchCount;
  }

  /** All objects of a kind right now, without a request. */
  peek<T extends KubeObject>(type: ResourceType<T>): T[] {
    return [...this.#shelf(type).objects.values()] as T[];
  }

  async get<T extends KubeObject>(type: ResourceType<T>, at: ObjectName, signal?: AbortSignal): Promise<T> {
    await this.#admit({ verb: 'get', type, at, subresource: undefined }, signal);
    return this.#existing(type, at) as T;
  }

  async list<T extends KubeObject>(type: ResourceType<T>, options: SelectOptions = {}): Promise<ObjectList<T>> {
    const { subresource } = options;
    await this.#admit({ verb: 'list', type, at: undefined, subresource }, options.signal);
    checkCollection(type, subresource);
    const matches = matcher(options);
    const chosen = [...this.#shelf(type).objects.values()].filter(matches) as T[];
    const items = chosen.map((object) => asAsked(object, subresource));
    return { items: items.sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1)), resourceVersion: this.resourceVersion };
  }

  async *watch<T extends KubeObject>(
    type: ResourceType<T>,
    resourceVersion: string,
    options: SelectOptions = {},
  ): AsyncGenerator<readonly ObjectEvent<T>[]> {
    const { subresource } = options;
    await this.#admit({ verb: 'watch', type, at: undefined, subresource });
    checkCollection(type, subresource);
    const events = this.#shelf(type).history.watch(resourceVersion, matcher(options), options.signal);
    yield* eventsAsAsked(events as AsyncGenerator<ObjectEvent<T>[]>, subresource);
  }

  async create<T extends KubeObject>(type: ResourceType<T>, object: T, options: WriteOptions = {}): Promise<T> {
    await this.#admit({ verb: 'create', type, at: nameOf(object), subresource: options.subresource }, options.signal);
    if (options.subresource !== undefined) throw notServed(type, options.subresource, 'create');
    const created = copy(object);
    const metadata = { ...created.metadata };
    metadata.name ??= metadata.generateName === undefined ? '' : `${metadata.generateName}${this.#suffix()}`;
    if (metadata.name === '') throw new ApiError('Invalid', `Cannot create the ${type.singular}: it has no name`);
    if (type.namespaced) metadata.namespace ??= 'default';
    const at = { namespace: metadata.namespace, name: metadata.name };
    this.#checkNamespace(type, at);
    if (this.#shelf(type).objects.has(keyAt(at))) {
      throw new ApiError('AlreadyExists', `Cannot create ${describe(type, at)}: it exists already`);
    }
    metadata.uid = randomUUID();
    metadata.creationTimestamp = rfc3339(this.#clock.now());
    metadata.deletionTimestamp = undefined;
    metadata.deletionGracePeriodSeconds = undefined;
    if (rules.hasGeneration(type)) metadata.generation = 1;
    created.metadata = metadata;
    rules.prepareForCreate(type, created);
    return options.dryRun === true ? created : this.#store(type, undefined, created);
  }

  async update<T extends KubeObject>(type: ResourceType<T>, object: T, options: WriteOptions = {}): Promise<T> {
    const at = nameOf(object);
    await this.#admit({ verb: 'update', type, at, subresource: options.subresource }, options.signal);
    return this.#replace(type, at, copy(object), options);
  }

  async patch<T extends KubeObject>(
    type: ResourceType<T>,
    at: ObjectName,
    patch: Patch,
    options: WriteOptions = {},
  ): Promise<T> {
    await this.#admit({ verb: 'patch', type, at, subresource: options.subresource }, options.signal);
    const old = this.#existing(type, at);
    const json = toJson(type.messageName, old);
    const { value, issues } = fromJson<T>(type.messageName, patched(json, patch));
    if (issues.length > 0) {
      throw new ApiError('Invalid', `Cannot patch ${describe(type, at)}: ${issues.map((i) => i.message).join('; ')}`);
    }
    const asked = JSON.stringify(patch.body).includes('"resourceVersion"')
      ? value.metadata?.resourceVersion
      : undefined;
    const next = { ...value, metadata: { ...value.metadata, resourceVersion: asked } };
    return this.#replace(type, at, next, options);
  }

  async apply<T extends KubeObject>(type: ResourceType<T>, config: JsonObject, options: ApplyOptions): Promise<T> {
    const at = nameInJson(config);
    await this.#admit({ verb: 'patch', type, at, subresource: options.subresource }, options.signal);
    const old = this.#shelf(type).objects.get(keyAt(at));
    const { next, keep } = this.#appliers.prepare(type, old, { config, options });
    const made = old === undefined ? await this.create(type, next, options) : this.#replace(type, at, next, options);
    if (options.dryRun !== true) keep(made);
    return made;
  }

  async delete<T extends KubeObject>(type: ResourceType<T>, at: ObjectName, options: DeleteOptions = {}): Promise<T> {
    await this.#admit({ verb: 'delete', type, at, subresource: undefined }, options.signal);
    const old = this.#existing(type, at) as T;
    const was = old.metadata ?? {};
    if (options.uid !== undefined && options.uid !== was.uid) throw conflict(type, at, 'delete', 'its uid is another');
    if (options.resourceVersion !== undefined && options.resourceVersion !== was.resourceVersion) {
      throw conflict(type, at, 'delete', 'it has changed');
    }
    if (options.dryRun === true) return old;
    const deleted = copy(old);
    const asked = rules.graceSeconds(type, old, options.gracePeriodSeconds);
    // A second request can only shorten the time that is left.
    const grace = was.deletionTimestamp === undefined ? asked : Math.min(asked, was.deletionGracePeriodSeconds ?? 0);
    const marked = was.deletionTimestamp === undefined || grace < (was.deletionGracePeriodSeconds ?? 0);
    deleted.metadata = { ...deleted.metadata, finalizers: rules.finalizersForDeletion(was, options.propagationPolicy) };
    if (marked) {
      deleted.metadata.deletionTimestamp = rfc3339(this.#clock.now() + grace * 1000);
      deleted.metadata.deletionGracePeriodSeconds = grace;
      if (rules.hasGeneration(type)) deleted.metadata.generation = (was.generation ?? 1) + 1;
    }
    if (type.kind === 'Namespace')
      (deleted as corev1.Namespace).status = { ...(deleted as corev1.Namespace).status, phase: 'Terminating' };
    return this.#settle(type, old, deleted);
  }

  async bind(bindings: readonly PodBinding[], signal?: AbortSignal): Promise<readonly (Error | undefined)[]> {
    await this.#admit({ verb: 'bind', type: KINDS.Pod, at: undefined, subresource: 'binding' }, signal);
    return bindings.map((binding) => {
      const pod = this.#shelf(KINDS.Pod).objects.get(keyAt(binding)) as corev1.Pod | undefined;
      if (pod === undefined) return notFound(KINDS.Pod, binding);
      if (pod.metadata?.uid !== binding.uid) return conflict(KINDS.Pod, binding, 'bind', 'its uid is another');
      if (pod.metadata.deletionTimestamp !== undefined)
        return conflict(KINDS.Pod, binding, 'bind', 'it is being deleted');
      if ((pod.spec?.nodeName ?? '') !== '')
        return conflict(KINDS.Pod, binding, 'bind', `it is on node ${pod.spec?.nodeName}`);
      const conditions = (pod.status?.conditions ?? []).filter((c) => c.type !== 'PodScheduled');
      const scheduled = { type: 'PodScheduled', status: 'True', lastTransitionTime: rfc3339(this.#clock.now()) };
      this.#store(KINDS.Pod, pod, {
        ...pod,
        metadata: { ...pod.metadata, generation: (pod.metadata.generation ?? 1) + 1 },
        spec: { ...pod.spec, nodeName: binding.node },
        status: { ...pod.status, conditions: [...conditions, scheduled] },
      });
      return undefined;
    });
  }

  #replace<T extends KubeObject>(type: ResourceType<T>, at: ObjectName, object: T, options: WriteOptions): T {
    const old = this.#existing(type, at) as T;
    const was = old.metadata ?? {};
    const asked = object.metadata?.resourceVersion ?? '';
    if (asked !== '' && asked !== was.resourceVersion)
      throw conflict(type, at, 'change', 'it has changed since it was read');
    if (object.metadata?.uid !== undefined && object.metadata.uid !== was.uid) {
      throw conflict(type, at, 'change', 'its uid is another');
    }
    const isStatus = options.subresource === 'status';
    const isFinalize = options.subresource === 'finalize' && type.kind === 'Namespace';
    if (options.subresource !== undefined && !isStatus && !isFinalize) {
      throw notServed(type, options.subresource, 'update');
    }
    if (isStatus && !rules.hasStatus(type)) throw notServed(type, 'status', 'update');
    let next: T;
    if (isFinalize) {
      next = { ...old, spec: (object as corev1.Namespace).spec };
    } else if (isStatus) {
      next = { ...old, status: (object as { status?: unknown }).status };
    } else {
      const kept = rules.hasStatus(type) ? { status: (old as { status?: unknown }).status } : {};
      const { name, namespace, uid, creationTimestamp, deletionTimestamp, deletionGracePeriodSeconds, generation } =
        was;
      const owned = {
        name,
        namespace,
        uid,
        creationTimestamp,
        deletionTimestamp,
        deletionGracePeriodSeconds,
        generation,
      };
      next = { ...object, ...kept, metadata: { ...object.metadata, ...owned } };
      if (type.kind === 'Namespace') (next as corev1.Namespace).spec = (old as corev1.Namespace).spec;
      if (rules.hasGeneration(type) && rules.specDiffers(old, next)) {
        next.metadata = { ...next.metadata, generation: (generation ?? 1) + 1 };
      }
    }
    if (options.dryRun === true) return next;
    return this.#settle(type, old, next);
  }

  /** Stores `next`, or removes the object when nothing holds it any longer. */
  #settle<T extends KubeObject>(type: ResourceType<T>, old: T, next: T): T {
    if (next.metadata?.deletionTimestamp !== undefined && !rules.isHeld(type, next)) {
      return this.#store(type, old, next, 'remove');
    }
    const compared = { ...next, metadata: { ...next.metadata, resourceVersion: old.metadata?.resourceVersion } };
    return rules.sameValue(old, compared) ? old : this.#store(type, old, next);
  }

  #store<T extends KubeObject>(type: ResourceType<T>, before: T | undefined, after: T, how?: 'remove'): T {
    this.#version += 1;
    const resourceVersion = this.resourceVersion;
    const stored: T = {
      ...after,
      apiVersion: type.apiVersion,
      kind: type.kind,
      metadata: { ...after.metadata, resourceVersion },
    };
    if (this.#options.freeze ?? true) rules.deepFreeze(stored);
    const { objects, history } = this.#shelf(type);
    if (how === 'remove') {
      objects.delete(keyOf(stored));
      history.record({ resourceVersion, before: stored, after: undefined });
    } else {
      objects.set(keyOf(stored), stored);
      history.record({ resourceVersion, before, after: stored });
    }
    for (const observer of this.#observers) observer(type as unknown as ResourceType);
    return stored;
  }

  #existing(type: ResourceType, at: ObjectName): KubeObject {
    const found = this.#shelf(type).objects.get(keyAt(at));
    if (found === undefined) throw notFound(type, at);
    return found;
  }

  #checkNamespace(type: ResourceType, at: ObjectName): void {
    if (!type.namespaced) return;
    const name = at.namespace ?? '';
    const namespace = this.#shelf(KINDS.Namespace).objects.get(name);
    if (namespace === undefined && this.#options.requireNamespaces === true) throw notFound(KINDS.Namespace, { name });
    if (namespace?.metadata?.deletionTimestamp !== undefined) {
      throw new ApiError('Forbidden', `Cannot create ${describe(type, at)}: namespace ${name} is being deleted`, {
        causes: [
          {
            field: 'metadata.namespace',
            reason: 'NamespaceTerminating',
            message: `namespace ${name} is being terminated`,
          },
        ],
      });
    }
  }

  #suffix(): string {
    this.#names += 1;
    return this.#names.toString(36).padStart(5, '0');
  }

  async #admit(request: MemoryRequest, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    for (const interceptor of this.#interceptors) await interceptor(request);
  }

  #shelf(type: ResourceType): Shelf {
    let shelf = this.#shelves.get(type.messageName);
    if (shelf === undefined) {
      shelf = { objects: new Map(), history: new ChangeHistory(this.#options.historyLimit ?? 100_000) };
      this.#shelves.set(type.messageName, shelf);
    }
    return shelf;
  }

  #shelvesOf(type: ResourceType | undefined): Iterable<Shelf> {
    return type === undefined ? this.#shelves.values() : [this.#shelf(type)];
  }
}

function copy<T>(value: T): T {
  return structuredClone(value);
}

function nameOf(object: KubeObject): ObjectName {
  return { namespace: object.metadata?.namespace, name: object.metadata?.name ?? '' };
}

function keyAt(at: ObjectName): string {
  return at.namespace === undefined ? at.name : `${at.namespace}/${at.name}`;
}

function keyOf(object: KubeObject): string {
  return keyAt(nameOf(object));
}

function describe(type: ResourceType, at: ObjectName): string {
  return `${type.singular} ${keyAt(at)}`;
}

function notFound(type: ResourceType, at: ObjectName): ApiError {
  return new ApiError('NotFound', `${type.plural} "${at.name}" not found`);
}

function conflict(type: ResourceType, at: ObjectName, verb: string, because: string): ApiError {
  return new ApiError('Conflict', `Cannot ${verb} ${describe(type, at)}: ${because}`);
}

function notServed(type: ResourceType, subresource: string, verb: string): ApiError {
  return new ApiError('MethodNotAllowed', `Cannot ${verb} the ${subresource} of a ${type.singular}: it is not served`);
}
