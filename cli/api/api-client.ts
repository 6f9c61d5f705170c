import { apiv1, streamsv1 } from '../../proto/api.ts';
import type { DuplexCall, GrpcConnection, GrpcMethod } from '../connection/grpc-connection.ts';
import type { JsonObject } from '../manifest/json-value.ts';

/** An object named by what people type (`deploy`) or by what a manifest says. */
export interface ResourceTarget {
  readonly resource?: string;
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly namespace?: string;
  readonly name?: string;
  readonly subresource?: string;
}

/** Which objects of a kind. */
export interface Selection {
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
}

/** How a list is fetched. */
export interface ListOptions {
  /** Objects per reply; the whole list comes in any case. */
  readonly pageSize?: number;
  /** What of the objects comes with the rows of a table. */
  readonly rowObject?: apiv1.RowObject;
}

/** One piece of a list, as it is asked for by hand. */
export interface PieceRequest extends Selection {
  /** Most objects; 0 for as many as the server sends at once. */
  readonly limit: number;
  /** What the piece before said about how to go on. */
  readonly continue: string;
}

/** Options of every write. */
export interface WriteFlags {
  readonly dryRun?: boolean;
  readonly fieldManager?: string;
}

/** Options of an apply. */
export interface ApplyFlags extends WriteFlags {
  /** Ownership of fields is kept track of, and what others own is refused with `Conflict`. */
  readonly serverSide?: boolean;
  /** With serverSide: what others own is taken over. */
  readonly force?: boolean;
  /** With dryRun: objects taken as being there. */
  readonly assumed?: readonly ResourceTarget[];
  /** With dryRun: definitions of kinds, as JSON text, that count as served. */
  readonly assumedDefinitions?: readonly string[];
}

/** What a write did. `object` is what is stored now, or would be. */
export interface WriteResult {
  readonly action: apiv1.Action;
  readonly identity: apiv1.ObjectIdentity;
  readonly object: JsonObject;
}

/** A list of objects of one version. */
export interface ObjectPage {
  readonly items: readonly JsonObject[];
  readonly resourceVersion: string;
  readonly identity: apiv1.ObjectIdentity;
}

/** A table of objects of one version. */
export interface TablePage {
  readonly columns: readonly apiv1.Column[];
  readonly rows: readonly apiv1.Row[];
  readonly resourceVersion: string;
  readonly identity: apiv1.ObjectIdentity;
}

/** Deletion options. */
export interface DeletionFlags {
  readonly propagationPolicy?: string;
  readonly gracePeriodSeconds?: number;
  readonly dryRun?: boolean;
}

/** A patch in one of Kubernetes' forms. */
export interface PatchBody {
  readonly type: 'json' | 'merge' | 'strategic';
  readonly patch: string;
}

/** How the client behaves. */
export interface ApiClientOptions {
  readonly signal: AbortSignal;
  /** Longest time of a call with one reply; 0 means no limit. */
  readonly requestTimeoutMs: number;
  /** Told every warning the server sends, without prefix. */
  readonly warn: (text: string) => void;
}

/** One page of a list. */
interface PageRequest {
  readonly target: ResourceTarget;
  readonly selection: Selection;
  readonly output: apiv1.Output;
  /** Token of the page before. */
  readonly from: string | undefined;
  readonly options: ListOptions;
}

/** Objects per reply. The server may send fewer. */
const PAGE_SIZE = 500;

const PATCH_TYPES = {
  json: apiv1.PatchType.JSON,
  merge: apiv1.PatchType.MERGE,
  strategic: apiv1.PatchType.STRATEGIC,
} as const;

/** The standard health service, as far as it is asked: of no service in particular, whose reply is one small number. */
const HEALTH_CHECK: GrpcMethod<string, boolean> = {
  path: '/grpc.health.v1.Health/Check',
  requestSerialize: () => Buffer.alloc(0),
  // Field 1 is the status, and 1 means serving.
  responseDeserialize: (bytes) => bytes[0] === 8 && bytes[1] === 1,
};

/** The server as verbs see it: objects are plain JSON, tables come ready to print. Fails with ApiError or ConnectionError. */
export class ApiClient {
  readonly #connection: GrpcConnection;
  readonly #options: ApiClientOptions;
  readonly #warned = new Set<string>();

  constructor(connection: GrpcConnection, options: ApiClientOptions) {
    this.#connection = connection;
    this.#options = options;
  }

  /** One object. Throws `NotFound`. */
  async get(target: ResourceTarget): Promise<{ object: JsonObject; identity: apiv1.ObjectIdentity }> {
    const reply = await this.#unary(apiv1.ResourcesService.get, { target, output: apiv1.Output.JSON });
    return { object: parseObject(reply.json), identity: reply.identity ?? {} };
  }

  /** One object as a row of its kind's table. Throws `NotFound`. */
  async getTable(target: ResourceTarget, { rowObject }: ListOptions = {}): Promise<TablePage> {
    const reply = await this.#unary(apiv1.ResourcesService.get, { target, output: apiv1.Output.TABLE, rowObject });
    return tablePage(reply.table, reply.identity, reply.resourceVersion);
  }

  /** All matching objects of one version. */
  async list(
    target: ResourceTarget,
    { pageSize, ...selection }: Selection & ListOptions = {},
    signal?: AbortSignal,
  ): Promise<ObjectPage> {
    const items: JsonObject[] = [];
    const request = {
      target,
      selection,
      output: apiv1.Output.JSON,
      options: pageSize === undefined ? {} : { pageSize },
    };
    let page: apiv1.ListReply = {};
    do {
      page = await this.#page({ ...request, from: page.continue }, signal);
      for (const item of page.items ?? []) items.push(parseObject(item.json));
    } while ((page.continue ?? '') !== '');
    return { items, resourceVersion: page.resourceVersion ?? '', identity: page.identity ?? {} };
  }

  /** All matching objects as rows. */
  async listTable(target: ResourceTarget, selection: Selection = {}, options: ListOptions = {}): Promise<TablePage> {
    const rows: apiv1.Row[] = [];
    let page: apiv1.ListReply = {};
    do {
      page = await this.#page({ target, selection, output: apiv1.Output.TABLE, from: page.continue, options });
      rows.push(...(page.table?.rows ?? []));
    } while ((page.continue ?? '') !== '');
    const { columns } = tablePage(page.table, page.identity, '');
    return { columns, rows, resourceVersion: page.resourceVersion ?? '', identity: page.identity ?? {} };
  }

  /** One piece of a list: the server's reply as it is, objects as JSON. */
  listPiece(target: ResourceTarget, piece: PieceRequest): Promise<apiv1.ListReply> {
    return this.#unary(apiv1.ResourcesService.list, { target, ...piece, output: apiv1.Output.JSON });
  }

  /** Changes after a version, in order, with bookmarks. Ends only with an error, or when the loop is left. */
  async *watch(
    target: ResourceTarget,
    {
      resourceVersion,
      output,
      rowObject,
      ...selection
    }: Selection & { resourceVersion: string; output: 'json' | 'table'; rowObject?: apiv1.RowObject },
    signal?: AbortSignal,
  ): AsyncGenerator<apiv1.WatchEvent> {
    const request: apiv1.WatchRequest = {
      target,
      labelSelector: selection.labelSelector,
      fieldSelector: selection.fieldSelector,
      resourceVersion,
      bookmarks: true,
      output: output === 'json' ? apiv1.Output.JSON : apiv1.Output.TABLE,
      rowObject,
    };
    const stop = signal === undefined ? this.#options.signal : AbortSignal.any([signal, this.#options.signal]);
    for await (const reply of this.#connection.serverStream(apiv1.ResourcesService.watch, request, stop)) {
      yield* reply.events ?? [];
    }
  }

  /** Creates an object. `json` is its JSON text. Throws `AlreadyExists`. */
  create(target: ResourceTarget, json: string, flags: WriteFlags = {}): Promise<WriteResult> {
    return this.#write(apiv1.ResourcesService.create, { target, json: Buffer.from(json), ...flags });
  }

  /** Replaces an object. */
  update(target: ResourceTarget, json: string, flags: WriteFlags = {}): Promise<WriteResult> {
    return this.#write(apiv1.ResourcesService.update, { target, json: Buffer.from(json), ...flags });
  }

  /** Changes part of an object. */
  patch(target: ResourceTarget, { type, patch }: PatchBody, flags: WriteFlags = {}): Promise<WriteResult> {
    return this.#write(apiv1.ResourcesService.patch, {
      target,
      type: PATCH_TYPES[type],
      patch: Buffer.from(patch),
      ...flags,
    });
  }

  /** Applies a configuration: creates, changes or leaves the object. */
  apply(target: ResourceTarget, json: string, flags: ApplyFlags = {}): Promise<WriteResult> {
    const { assumed = [], assumedDefinitions = [], ...rest } = flags;
    return this.#write(apiv1.ResourcesService.apply, {
      target,
      json: Buffer.from(json),
      ...rest,
      assumed: [...assumed],
      assumedDefinitions: assumedDefinitions.map((definition) => Buffer.from(definition)),
    });
  }

  /** Deletes an object, or marks it for deletion. */
  delete(target: ResourceTarget, flags: DeletionFlags = {}): Promise<WriteResult> {
    return this.#write(apiv1.ResourcesService.delete, { target, ...flags });
  }

  /** Version of the server and what runs it. */
  version(): Promise<apiv1.VersionReply> {
    return this.#unary(apiv1.ClusterService.version, {});
  }

  /** Whether the server says that it serves; false while it starts and stops. */
  isServing(): Promise<boolean> {
    return this.#connection.unary(HEALTH_CHECK, '', this.#options.signal);
  }

  /** The kinds served. */
  async listKinds(): Promise<readonly apiv1.KindInfo[]> {
    return (await this.#unary(apiv1.ClusterService.listKinds, {})).kinds ?? [];
  }

  /** The documentation of a kind or field. */
  explain(request: apiv1.ExplainRequest): Promise<apiv1.ExplainReply> {
    return this.#unary(apiv1.ClusterService.explain, request);
  }

  /** A container's log, as it is written. */
  async *logs(request: streamsv1.LogsRequest, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
    const stop = signal === undefined ? this.#options.signal : AbortSignal.any([signal, this.#options.signal]);
    for await (const reply of this.#connection.serverStream(streamsv1.StreamsService.logs, request, stop)) {
      if (reply.data !== undefined) yield reply.data;
    }
  }

  /** A command in a container. */
  exec(): DuplexCall<streamsv1.ExecRequest, streamsv1.ExecReply> {
    return this.#connection.duplex(streamsv1.StreamsService.exec, this.#options.signal);
  }

  #page(page: PageRequest, signal?: AbortSignal): Promise<apiv1.ListReply> {
    const request: apiv1.ListRequest = {
      target: page.target,
      labelSelector: page.selection.labelSelector,
      fieldSelector: page.selection.fieldSelector,
      limit: page.options.pageSize ?? PAGE_SIZE,
      continue: page.from,
      output: page.output,
      rowObject: page.options.rowObject,
    };
    return this.#unary(apiv1.ResourcesService.list, request, signal);
  }

  async #write<Request extends { output?: apiv1.Output | undefined }>(
    method: GrpcMethod<Request, apiv1.ObjectReply>,
    request: Request,
  ): Promise<WriteResult> {
    const reply = await this.#unary(method, { ...request, output: apiv1.Output.JSON });
    return {
      action: reply.action ?? apiv1.Action.UNSPECIFIED,
      identity: reply.identity ?? {},
      object: reply.json === undefined || reply.json.length === 0 ? {} : parseObject(reply.json),
    };
  }

  async #unary<Request, Reply extends { warnings?: string[] | undefined } | object>(
    method: GrpcMethod<Request, Reply>,
    request: Request,
    caller?: AbortSignal,
  ): Promise<Reply> {
    const { signal, requestTimeoutMs } = this.#options;
    const signals = [signal, ...(caller === undefined ? [] : [caller])];
    if (requestTimeoutMs > 0) signals.push(AbortSignal.timeout(requestTimeoutMs));
    const stop = signals.length === 1 ? signal : AbortSignal.any(signals);
    const reply = await this.#connection.unary(method, request, stop);
    if ('warnings' in reply) this.#warn(reply.warnings ?? []);
    return reply;
  }

  /** The same warning for the twentieth object of a folder says nothing new. */
  #warn(warnings: readonly string[]): void {
    for (const warning of warnings) {
      if (this.#warned.has(warning)) continue;
      this.#warned.add(warning);
      this.#options.warn(warning);
    }
  }
}

function tablePage(
  table: apiv1.Table | undefined,
  identity: apiv1.ObjectIdentity | undefined,
  resourceVersion: string | undefined,
): TablePage {
  return {
    columns: table?.columns ?? [],
    rows: table?.rows ?? [],
    identity: identity ?? {},
    resourceVersion: resourceVersion ?? '',
  };
}

/** The object in a reply's JSON bytes. */
export function parseObject(json: Uint8Array | undefined): JsonObject {
  return JSON.parse(Buffer.from(json ?? []).toString('utf8')) as JsonObject;
}
