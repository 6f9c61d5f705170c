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
} from '../../lib/client/resource-client.ts';
import { errorMessage } from '../../lib/errors.ts';
import type { JsonObject, KubeObject, ResourceType } from '../../proto/index.ts';
import { getObject } from './read/get.ts';
import { listObjects } from './read/list.ts';
import { batchAsAsked, pageAsAsked } from './read/peers.ts';
import { type WatchedEvent, watchObjects } from './read/watch.ts';
import type { Caller } from './request/caller.ts';
import { normalizeTyped } from './request/decode.ts';
import { resolveTarget, type Target } from './request/target.ts';
import type { ApiServices } from './services.ts';
import { withVersion } from './stored-object.ts';
import { bindPod } from './write/bind.ts';
import { createObject } from './write/create.ts';
import { deleteObject } from './write/delete.ts';
import { serverSideApply } from './write/managed-fields/server-side-apply.ts';
import { patchObject } from './write/patch.ts';
import { updateObject } from './write/update.ts';
import type { WriteRequest } from './write/write-request.ts';

/**
 * The ResourceClient port inside the server: the same path as a request over gRPC, without the wire. Lists and watches
 * come from the cache. Objects it returns are shared; they must not be changed.
 */
export class LocalResourceClient implements ResourceClient {
  readonly #services: ApiServices;
  readonly #caller: Caller;

  /** `user` is whom the requests are made as, such as `system:kube-scheduler`. */
  constructor(services: ApiServices, user: string) {
    this.#services = services;
    this.#caller = { user, groups: [], internal: true };
  }

  async get<T extends KubeObject>(type: ResourceType<T>, at: ObjectName, signal?: AbortSignal): Promise<T> {
    const entry = await getObject(this.#services, this.#target(type, at), signal);
    if (entry.object === undefined) throw new Error(`the stored object ${entry.key} cannot be decoded`);
    return entry.object as T;
  }

  async list<T extends KubeObject>(type: ResourceType<T>, options: SelectOptions = {}): Promise<ObjectList<T>> {
    const target = this.#target(type, { namespace: options.namespace, name: '' }, options.subresource);
    const page = await listObjects(this.#services, target, {
      labelSelector: options.labelSelector ?? '',
      fieldSelector: options.fieldSelector ?? '',
      limit: 0,
      continueText: '',
      resourceVersion: '',
      exact: false,
      maxBytes: Number.POSITIVE_INFINITY,
      signal: options.signal,
    });
    const items = pageAsAsked(target, page).entries.flatMap(({ object }) =>
      object === undefined ? [] : [object as T],
    );
    return { items, resourceVersion: String(page.version) };
  }

  async *watch<T extends KubeObject>(
    type: ResourceType<T>,
    resourceVersion: string,
    options: SelectOptions = {},
  ): AsyncGenerator<readonly ObjectEvent<T>[]> {
    const target = this.#target(type, { namespace: options.namespace, name: '' }, options.subresource);
    const watchOptions = {
      labelSelector: options.labelSelector ?? '',
      fieldSelector: options.fieldSelector ?? '',
      resourceVersion,
      sendInitialEvents: false,
      bookmarks: true,
    };
    const signal = options.signal ?? new AbortController().signal;
    for await (const batch of watchObjects(this.#services, target, watchOptions, signal)) {
      if (batch.bookmark) {
        const { initialEventsEnd } = batch;
        yield [{ type: 'BOOKMARK', resourceVersion: String(batch.version), initialEventsEnd }];
      } else yield batchAsAsked(target, batch).events.flatMap((event) => toObjectEvent<T>(event) ?? []);
    }
  }

  async create<T extends KubeObject>(type: ResourceType<T>, object: T, options: WriteOptions = {}): Promise<T> {
    const request = this.#writeRequest(type, object, options);
    return (await createObject(this.#services, request, this.#copy(type, object))).object as T;
  }

  async update<T extends KubeObject>(type: ResourceType<T>, object: T, options: WriteOptions = {}): Promise<T> {
    const request = this.#writeRequest(type, object, options);
    return (await updateObject(this.#services, request, this.#copy(type, object))).object as T;
  }

  async patch<T extends KubeObject>(
    type: ResourceType<T>,
    at: ObjectName,
    patch: Patch,
    options: WriteOptions = {},
  ): Promise<T> {
    const request = this.#writeRequest(type, { metadata: { name: at.name, namespace: at.namespace } }, options);
    return (await patchObject(this.#services, request, { type: patch.type, patch: patch.body })).object as T;
  }

  async apply<T extends KubeObject>(type: ResourceType<T>, config: JsonObject, options: ApplyOptions): Promise<T> {
    const request = this.#writeRequest(type, { metadata: nameInJson(config) }, options);
    return (await serverSideApply(this.#services, request, { config, force: options.force === true })).object as T;
  }

  async delete<T extends KubeObject>(type: ResourceType<T>, at: ObjectName, options: DeleteOptions = {}): Promise<T> {
    const request = {
      target: this.#target(type, at),
      caller: this.#caller,
      dryRun: options.dryRun === true,
      signal: options.signal,
    };
    const outcome = await deleteObject(this.#services, request, {
      propagationPolicy: options.propagationPolicy ?? '',
      gracePeriodSeconds: options.gracePeriodSeconds,
      uid: options.uid,
      resourceVersion: options.resourceVersion,
    });
    return outcome.object as T;
  }

  bind(bindings: readonly PodBinding[], signal?: AbortSignal): Promise<readonly (Error | undefined)[]> {
    // All at once: the store commits what arrives together in common transactions, and a conflict fails only its own pod.
    return Promise.all(
      bindings.map((binding) =>
        bindPod(this.#services, binding, { caller: this.#caller, signal }).then(
          () => undefined,
          (err: unknown) => (err instanceof Error ? err : new Error(errorMessage(err))),
        ),
      ),
    );
  }

  #target(type: ResourceType, at: ObjectName, subresource = ''): Target {
    const { apiVersion, kind } = type;
    return resolveTarget(
      { apiVersion, kind, namespace: at.namespace, name: at.name, subresource },
      this.#services.registry,
    );
  }

  #writeRequest(type: ResourceType, object: KubeObject, options: WriteOptions): WriteRequest {
    const { name = '', namespace } = object.metadata ?? {};
    const target = this.#target(type, { namespace, name }, options.subresource ?? '');
    const { dryRun = false, fieldManager, signal } = options;
    return { target, caller: this.#caller, dryRun, fieldManager, signal };
  }

  /** The caller keeps its object; what the request path changes is its own. */
  #copy<T extends KubeObject>(type: ResourceType<T>, object: T): T {
    const copy = type.message.decode(type.message.encode(object).finish());
    normalizeTyped(type.messageName, copy, true);
    return copy;
  }
}

function toObjectEvent<T>({ type, entry, version }: WatchedEvent): ObjectEvent<T> | undefined {
  const { object } = entry;
  if (object === undefined) return undefined;
  const current = entry.version === version ? object : withVersion({ ...object }, version);
  return { type, object: current as T, resourceVersion: String(version) };
}
