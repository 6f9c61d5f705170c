/**
 * The ResourceClient port: how controllers, the scheduler, the agent and tests read and write objects of any kind. Typed by
 * {@link ResourceType}: the caller names the kind once and gets its objects back.
 *
 * Implementations: over gRPC (`grpc-resource-client.ts`), inside the server (`control-plane/api/local-client.ts`), and a
 * semantic fake (`memory-resource-client.ts`). All methods may be called concurrently and fail with `ApiError`.
 *
 * Objects returned are the caller's to read, never to change: caches share them. Copy before editing.
 */
import type { Json, JsonObject, KubeObject, ResourceType } from '../../proto/index.ts';

/** Limits of a list or watch. Selectors are in Kubernetes' text form. */
export interface SelectOptions {
  /** Undefined means all namespaces. */
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  /** `peers` of pods: what other nodes may know of them, everything else left out. */
  readonly subresource?: 'peers';
  readonly signal?: AbortSignal;
}

/** A list and the version to watch from. */
export interface ObjectList<T> {
  readonly items: readonly T[];
  readonly resourceVersion: string;
}

/** One change seen by a watch. A bookmark has no object. */
export type ObjectEvent<T> =
  | { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'; readonly object: T; readonly resourceVersion: string }
  | { readonly type: 'BOOKMARK'; readonly resourceVersion: string; readonly initialEventsEnd: boolean };

/** Options of a write. */
export interface WriteOptions {
  readonly subresource?: 'status' | 'scale' | 'binding' | 'eviction' | 'finalize' | 'approval';
  readonly dryRun?: boolean;
  readonly fieldManager?: string;
  readonly signal?: AbortSignal;
}

/** Options of a server-side apply. */
export interface ApplyOptions extends WriteOptions {
  /** In whose name the fields of the configuration are owned. */
  readonly fieldManager: string;
  /** Take over what other managers own with other values. */
  readonly force?: boolean;
}

/** Options of a deletion. */
export interface DeleteOptions {
  readonly propagationPolicy?: 'Background' | 'Foreground' | 'Orphan';
  readonly gracePeriodSeconds?: number;
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly dryRun?: boolean;
  readonly signal?: AbortSignal;
}

/** A patch in one of Kubernetes' three forms. `body` is JSON. */
export interface Patch {
  readonly type: 'json' | 'merge' | 'strategic';
  readonly body: Json;
}

/** Which object of a kind. `namespace` is undefined for cluster-scoped kinds. */
export interface ObjectName {
  readonly namespace?: string | undefined;
  readonly name: string;
}

/** The name that JSON of an object gives. */
export function nameInJson(json: JsonObject): ObjectName {
  const { metadata } = json;
  const { name, namespace } = typeof metadata === 'object' && !Array.isArray(metadata) ? (metadata ?? {}) : {};
  return {
    name: typeof name === 'string' ? name : '',
    ...(typeof namespace === 'string' ? { namespace } : {}),
  };
}

/** The port. */
export interface ResourceClient {
  /** The object, at the latest version. Throws `NotFound`. */
  get<T extends KubeObject>(type: ResourceType<T>, at: ObjectName, signal?: AbortSignal): Promise<T>;

  /** All matching objects of one version. Pages itself. */
  list<T extends KubeObject>(type: ResourceType<T>, options?: SelectOptions): Promise<ObjectList<T>>;

  /**
   * Every change after `resourceVersion`, in order, in batches. Ends when the signal aborts; throws `Expired` when the
   * version is too old (list again), `ServiceUnavailable` when the connection is lost (watch again from the last version).
   * An object that stops matching the selector is `DELETED`.
   */
  watch<T extends KubeObject>(
    type: ResourceType<T>,
    resourceVersion: string,
    options?: SelectOptions,
  ): AsyncIterable<readonly ObjectEvent<T>[]>;

  /** Creates the object; its namespace and name come from its metadata. Throws `AlreadyExists`, `Invalid`. */
  create<T extends KubeObject>(type: ResourceType<T>, object: T, options?: WriteOptions): Promise<T>;

  /**
   * Replaces the object. With `metadata.resourceVersion` set it throws `Conflict` when the stored one differs. With
   * subresource `status` only the status changes, with `finalize` (of a namespace) only its spec's finalizers.
   */
  update<T extends KubeObject>(type: ResourceType<T>, object: T, options?: WriteOptions): Promise<T>;

  /** Changes part of an object. */
  patch<T extends KubeObject>(type: ResourceType<T>, at: ObjectName, patch: Patch, options?: WriteOptions): Promise<T>;

  /**
   * Server-side apply: makes the object what `config` (JSON, with its name) says, in the name of a manager. Fields the manager
   * named last time and no longer names go, unless others own them. Creates what is not there. Throws `Conflict` with a cause
   * per field where others own other values.
   */
  apply<T extends KubeObject>(type: ResourceType<T>, config: JsonObject, options: ApplyOptions): Promise<T>;

  /** Deletes, or marks for deletion; returns the object as it then is. Throws `NotFound`, `Conflict` (preconditions). */
  delete<T extends KubeObject>(type: ResourceType<T>, at: ObjectName, options?: DeleteOptions): Promise<T>;

  /**
   * Binds pods to nodes, many in one call; the results are in order, undefined where it worked. Each sets
   * `spec.nodeName` and the PodScheduled condition, and conflicts when the pod is bound, gone or of another uid.
   */
  bind(bindings: readonly PodBinding[], signal?: AbortSignal): Promise<readonly (Error | undefined)[]>;
}

/** One decision of the scheduler. */
export interface PodBinding {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly node: string;
}
