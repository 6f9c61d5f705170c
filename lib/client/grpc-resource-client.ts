import { apiv1, type JsonObject, type KubeObject, type ResourceType, typeUrl } from '../../proto/index.ts';
import { ApiError, errorMessage, hasReason } from '../errors.ts';
import type { GrpcConnection } from './grpc-connection.ts';
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

const { ResourcesService } = apiv1;

/** How often a list begins anew because its version was forgotten between two pages. */
const LIST_ATTEMPTS = 3;

const EVENT_TYPES = new Map<apiv1.EventType, 'ADDED' | 'MODIFIED' | 'DELETED'>([
  [apiv1.EventType.ADDED, 'ADDED'],
  [apiv1.EventType.MODIFIED, 'MODIFIED'],
  [apiv1.EventType.DELETED, 'DELETED'],
]);

const PATCH_TYPES = {
  json: apiv1.PatchType.JSON,
  merge: apiv1.PatchType.MERGE,
  strategic: apiv1.PatchType.STRATEGIC,
} as const;

/** The ResourceClient port over gRPC. Objects travel as their own messages; fields we do not know are kept. */
export class GrpcResourceClient implements ResourceClient {
  readonly #connection: GrpcConnection;

  /** The connection stays the caller's, to share and to close. */
  constructor(connection: GrpcConnection) {
    this.#connection = connection;
  }

  async get<T extends KubeObject>(type: ResourceType<T>, at: ObjectName, signal?: AbortSignal): Promise<T> {
    const reply = await this.#connection.unary(ResourcesService.get, { target: target(type, at) }, { signal });
    return readObject(type, reply.object, reply.resourceVersion);
  }

  async list<T extends KubeObject>(type: ResourceType<T>, options: SelectOptions = {}): Promise<ObjectList<T>> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#listOnce(type, options);
      } catch (err) {
        if (attempt === LIST_ATTEMPTS || !hasReason(err, 'Expired')) throw err;
      }
    }
  }

  async #listOnce<T extends KubeObject>(type: ResourceType<T>, options: SelectOptions): Promise<ObjectList<T>> {
    const items: T[] = [];
    let token = '';
    for (;;) {
      const request: apiv1.ListRequest = { ...selection(type, options), continue: token };
      const reply = await this.#connection.unary(ResourcesService.list, request, { signal: options.signal });
      for (const item of reply.items ?? []) items.push(readObject(type, item.object, item.resourceVersion));
      token = reply.continue ?? '';
      if (token === '') return { items, resourceVersion: reply.resourceVersion ?? '' };
    }
  }

  async *watch<T extends KubeObject>(
    type: ResourceType<T>,
    resourceVersion: string,
    options: SelectOptions = {},
  ): AsyncGenerator<readonly ObjectEvent<T>[]> {
    const request: apiv1.WatchRequest = { ...selection(type, options), resourceVersion, bookmarks: true };
    for await (const reply of this.#connection.serverStream(ResourcesService.watch, request, options.signal)) {
      const events = (reply.events ?? []).map((event) => readEvent(type, event));
      if (events.length > 0) yield events;
    }
    // A server that stops ends its watches: the caller watches again, from its last version.
    if (options.signal?.aborted !== true) {
      throw new ApiError('ServiceUnavailable', `the watch of ${type.plural} was ended by the server`);
    }
  }

  async create<T extends KubeObject>(type: ResourceType<T>, object: T, options: WriteOptions = {}): Promise<T> {
    const request = writeRequest(type, object, options);
    const reply = await this.#connection.unary(ResourcesService.create, request, { signal: options.signal });
    return readObject(type, reply.object, reply.resourceVersion);
  }

  async update<T extends KubeObject>(type: ResourceType<T>, object: T, options: WriteOptions = {}): Promise<T> {
    const request = writeRequest(type, object, options);
    const reply = await this.#connection.unary(ResourcesService.update, request, { signal: options.signal });
    return readObject(type, reply.object, reply.resourceVersion);
  }

  async patch<T extends KubeObject>(
    type: ResourceType<T>,
    at: ObjectName,
    patch: Patch,
    options: WriteOptions = {},
  ): Promise<T> {
    const request: apiv1.PatchRequest = {
      target: target(type, at, options.subresource),
      type: PATCH_TYPES[patch.type],
      patch: Buffer.from(JSON.stringify(patch.body)),
      ...writeFlags(options),
    };
    const reply = await this.#connection.unary(ResourcesService.patch, request, { signal: options.signal });
    return readObject(type, reply.object, reply.resourceVersion);
  }

  async apply<T extends KubeObject>(type: ResourceType<T>, config: JsonObject, options: ApplyOptions): Promise<T> {
    const request: apiv1.ApplyRequest = {
      target: target(type, nameInJson(config), options.subresource),
      json: Buffer.from(JSON.stringify({ apiVersion: type.apiVersion, kind: type.kind, ...config })),
      serverSide: true,
      force: options.force === true,
      ...writeFlags(options),
    };
    const reply = await this.#connection.unary(ResourcesService.apply, request, { signal: options.signal });
    return readObject(type, reply.object, reply.resourceVersion);
  }

  async delete<T extends KubeObject>(type: ResourceType<T>, at: ObjectName, options: DeleteOptions = {}): Promise<T> {
    const { signal, dryRun, ...rest } = options;
    const request: apiv1.DeleteRequest = { target: target(type, at), ...rest, ...(dryRun === true ? { dryRun } : {}) };
    const reply = await this.#connection.unary(ResourcesService.delete, request, { signal });
    return readObject(type, reply.object, reply.resourceVersion);
  }

  bind(bindings: readonly PodBinding[], signal?: AbortSignal): Promise<readonly (Error | undefined)[]> {
    return Promise.all(
      bindings.map(async ({ namespace, name, uid, node }) => {
        const binding = { metadata: { uid }, target: { kind: 'Node', name: node } };
        const request: apiv1.WriteRequest = {
          target: { apiVersion: 'v1', kind: 'Pod', namespace, name, subresource: 'binding' },
          json: Buffer.from(JSON.stringify(binding)),
          output: apiv1.Output.NONE,
        };
        try {
          await this.#connection.unary(ResourcesService.create, request, { signal });
          return undefined;
        } catch (err) {
          return err instanceof Error ? err : new Error(errorMessage(err));
        }
      }),
    );
  }
}

function target(type: ResourceType, at: ObjectName, subresource?: string): apiv1.Target {
  return {
    apiVersion: type.apiVersion,
    kind: type.kind,
    name: at.name,
    ...(at.namespace === undefined ? {} : { namespace: at.namespace }),
    ...(subresource === undefined ? {} : { subresource }),
  };
}

function selection(
  type: ResourceType,
  { namespace, labelSelector, fieldSelector, subresource }: SelectOptions,
): { target: apiv1.Target; labelSelector?: string; fieldSelector?: string } {
  return {
    target: target(type, { name: '', namespace }, subresource),
    ...(labelSelector === undefined ? {} : { labelSelector }),
    ...(fieldSelector === undefined ? {} : { fieldSelector }),
  };
}

function writeRequest<T extends KubeObject>(
  type: ResourceType<T>,
  object: T,
  options: WriteOptions,
): apiv1.WriteRequest {
  const { name = '', namespace } = object.metadata ?? {};
  return {
    target: target(type, { name, namespace }, options.subresource),
    object: { typeUrl: typeUrl(type), value: Buffer.from(type.message.encode(object).finish()) },
    ...writeFlags(options),
  };
}

function writeFlags({ dryRun, fieldManager }: WriteOptions): { dryRun?: boolean; fieldManager?: string } {
  return { ...(dryRun === true ? { dryRun } : {}), ...(fieldManager === undefined ? {} : { fieldManager }) };
}

/** The typed object of a reply, with the version that travelled beside it. */
function readObject<T extends KubeObject>(
  type: ResourceType<T>,
  any: { readonly value?: Uint8Array | undefined } | undefined,
  resourceVersion: string | undefined,
): T {
  const object = type.message.decode(any?.value ?? new Uint8Array());
  object.metadata = { ...object.metadata, resourceVersion };
  return object;
}

function readEvent<T extends KubeObject>(type: ResourceType<T>, event: apiv1.WatchEvent): ObjectEvent<T> {
  const resourceVersion = event.resourceVersion ?? '';
  const eventType = EVENT_TYPES.get(event.type ?? apiv1.EventType.UNSPECIFIED);
  if (eventType === undefined) {
    return { type: 'BOOKMARK', resourceVersion, initialEventsEnd: event.initialEventsEnd === true };
  }
  return { type: eventType, object: readObject(type, event.object, resourceVersion), resourceVersion };
}
