/** What tests say to the API: every verb in JSON, as any client would, over one connection. */
import type { GrpcConnection } from '../../lib/client/grpc-connection.ts';
import { apiv1, type Json, type JsonObject } from '../../proto/index.ts';

const { ResourcesService } = apiv1;
const output = apiv1.Output.JSON;

/** One change that a watch told. */
export interface Change {
  readonly type: string;
  readonly object: JsonObject;
  readonly version: string;
}

/** A list, with what a page says of the rest. */
export interface Page {
  readonly items: readonly JsonObject[];
  readonly version: string;
  readonly continue: string;
  readonly remaining: number;
}

/** The verbs. Each fails with `ApiError`. */
export class JsonApi {
  readonly connection: GrpcConnection;

  constructor(connection: GrpcConnection) {
    this.connection = connection;
  }

  async create(json: JsonObject, more: apiv1.WriteRequest = {}): Promise<JsonObject> {
    return parsed(await this.connection.unary(ResourcesService.create, write(json, more)));
  }

  async update(json: JsonObject, subresource = ''): Promise<JsonObject> {
    const { name } = json.metadata as { name: string };
    const request = write(json, {});
    const target = { ...request.target, name, subresource };
    return parsed(await this.connection.unary(ResourcesService.update, { ...request, target }));
  }

  async patch(target: apiv1.Target, body: Json, type = apiv1.PatchType.MERGE): Promise<JsonObject> {
    const patch = Buffer.from(JSON.stringify(body));
    return parsed(await this.connection.unary(ResourcesService.patch, { target, type, patch, output }));
  }

  async get(target: apiv1.Target): Promise<JsonObject> {
    return parsed(await this.connection.unary(ResourcesService.get, { target, output }));
  }

  async list(target: apiv1.Target, more: apiv1.ListRequest = {}): Promise<Page> {
    const reply = await this.connection.unary(ResourcesService.list, { target, output, ...more });
    return {
      items: (reply.items ?? []).map(parsed),
      version: reply.resourceVersion ?? '',
      continue: reply.continue ?? '',
      remaining: reply.remaining ?? 0,
    };
  }

  delete(target: apiv1.Target, more: apiv1.DeleteRequest = {}): Promise<apiv1.ObjectReply> {
    return this.connection.unary(ResourcesService.delete, { target, ...more });
  }

  deleteCollection(target: apiv1.Target, labelSelector: string): Promise<apiv1.DeleteCollectionReply> {
    return this.connection.unary(ResourcesService.deleteCollection, { target, labelSelector });
  }

  /** The first `count` changes that the watch tells, bookmarks left out. Who awaits it late gets its failure then. */
  watch(target: apiv1.Target, count: number, more: apiv1.WatchRequest): Promise<readonly Change[]> {
    const told = this.#watch(target, count, more);
    told.catch(() => undefined);
    return told;
  }

  async #watch(target: apiv1.Target, count: number, more: apiv1.WatchRequest): Promise<readonly Change[]> {
    const stop = AbortSignal.timeout(20_000);
    const seen: Change[] = [];
    const request = { target, output, ...more };
    for await (const { events } of this.connection.serverStream(ResourcesService.watch, request, stop)) {
      for (const event of events ?? []) {
        if (event.type === apiv1.EventType.BOOKMARK) continue;
        const type = ['', 'ADDED', 'MODIFIED', 'DELETED'][event.type ?? 0] ?? `${event.type}`;
        seen.push({ type, object: parsed(event), version: event.resourceVersion ?? '' });
        if (seen.length === count) return seen;
      }
    }
    throw new Error(`the watch told ${seen.length} changes, not ${count}: ${seen.map(({ type }) => type).join(', ')}`);
  }
}

/** Names of objects, sorted. */
export function namesOf(objects: readonly JsonObject[]): string[] {
  return objects.map((object) => nameOf(object)).sort();
}

/** The name of one. */
export function nameOf(object: JsonObject): string {
  return (object.metadata as { name: string }).name;
}

/** The same object with these members of its metadata. */
export function withMetadata(object: JsonObject, more: JsonObject): JsonObject {
  return { ...object, metadata: { ...(object.metadata as JsonObject), ...more } };
}

function write(json: JsonObject, more: apiv1.WriteRequest): apiv1.WriteRequest {
  const { apiVersion, kind, metadata } = json as {
    apiVersion: string;
    kind: string;
    metadata: { namespace?: string };
  };
  const target = { apiVersion, kind, namespace: metadata.namespace ?? '' };
  return { target, json: Buffer.from(JSON.stringify(json)), output, ...more };
}

/** The object of a reply. */
export function parsed(reply: { readonly json?: Buffer | Uint8Array | undefined }): JsonObject {
  return JSON.parse(Buffer.from(reply.json ?? []).toString()) as JsonObject;
}
