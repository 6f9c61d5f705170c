/**
 * A ResourceClient over a unix socket to one that lives in another process: the test keeps the API's objects while it kills
 * the agent. Frames are a length and a v8-serialized value, so that bytes stay bytes.
 */
import { connect, createServer, type Server, type Socket } from 'node:net';
import { deserialize, serialize } from 'node:v8';
import type {
  ApplyOptions,
  DeleteOptions,
  ObjectEvent,
  ObjectList,
  ObjectName,
  Patch,
  PodBinding,
  ResourceClient,
  SelectOptions,
  WriteOptions,
} from '../../../lib/client/resource-client.ts';
import { ApiError, errorMessage, type StatusReason } from '../../../lib/errors.ts';
import { allKinds, type JsonObject, type KubeObject, type ResourceType } from '../../../proto/index.ts';

interface Call {
  readonly id: number;
  readonly verb: string;
  readonly kind: string;
  readonly args: readonly unknown[];
}

interface Reply {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: { readonly reason: string; readonly message: string };
  /** Of a watch: more will come. */
  readonly more?: boolean;
}

function frames(socket: Socket, onFrame: (value: never) => void): void {
  let rest = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= 4 && rest.length >= 4 + rest.readUInt32BE(0)) {
      const length = rest.readUInt32BE(0);
      onFrame(deserialize(rest.subarray(4, 4 + length)) as never);
      rest = rest.subarray(4 + length);
    }
  });
}

function send(socket: Socket, value: unknown): void {
  if (socket.destroyed) return;
  const body = serialize(value);
  const head = Buffer.alloc(4);
  head.writeUInt32BE(body.length);
  socket.write(Buffer.concat([head, body]));
}

function withoutSignal(options: object | undefined): object {
  return { ...options, signal: undefined };
}

/** Serves `client` on the socket at `path`. */
export function serveClient(client: ResourceClient, path: string): Promise<Server> {
  const server = createServer((socket) => {
    const closed = new AbortController();
    const cancels = new Map<number, AbortController>();
    socket.on('close', () => closed.abort());
    socket.on('error', () => undefined);
    frames(socket, (call: Call) => {
      if (call.verb === 'cancel') {
        cancels.get(call.id)?.abort();
        return;
      }
      const cancel = new AbortController();
      cancels.set(call.id, cancel);
      const signal = AbortSignal.any([closed.signal, cancel.signal]);
      answer(client, call, signal, (reply) => send(socket, reply))
        .then((value) => send(socket, { id: call.id, value } satisfies Reply))
        .catch((err: unknown) => {
          const reason = err instanceof ApiError ? err.reason : 'InternalError';
          send(socket, { id: call.id, error: { reason, message: errorMessage(err) } } satisfies Reply);
        })
        .finally(() => cancels.delete(call.id));
    });
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, () => resolve(server));
  });
}

async function answer(
  client: ResourceClient,
  call: Call,
  signal: AbortSignal,
  more: (reply: Reply) => void,
): Promise<unknown> {
  const type = allKinds().find((candidate) => candidate.messageName === call.kind);
  if (call.verb === 'bind') return client.bind(call.args[0] as PodBinding[], signal);
  if (type === undefined) throw new Error(`no kind ${call.kind}`);
  const [first, second, third] = call.args as never[];
  switch (call.verb) {
    case 'get':
      return client.get(type, first as unknown as ObjectName, signal);
    case 'list':
      return client.list(type, { ...(first as unknown as SelectOptions), signal });
    case 'create':
      return client.create(type, first as unknown as KubeObject, { ...(second as unknown as WriteOptions), signal });
    case 'update':
      return client.update(type, first as unknown as KubeObject, { ...(second as unknown as WriteOptions), signal });
    case 'apply':
      return client.apply(type, first as unknown as JsonObject, { ...(second as unknown as ApplyOptions), signal });
    case 'patch':
      return client.patch(
        type,
        first as unknown as ObjectName,
        second as unknown as Patch,
        third as unknown as WriteOptions,
      );
    case 'delete':
      return client.delete(type, first as unknown as ObjectName, { ...(second as unknown as DeleteOptions), signal });
    case 'watch':
      for await (const batch of client.watch(type, first as unknown as string, {
        ...(second as unknown as SelectOptions),
        signal,
      })) {
        more({ id: call.id, value: batch, more: true });
      }
      return undefined;
    default:
      throw new Error(`no verb ${call.verb}`);
  }
}

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (err: unknown) => void;
  readonly onMore: (value: unknown) => void;
}

/** The other end. A broken socket fails everything with `ServiceUnavailable` and is made anew at the next call. */
export class RemoteResourceClient implements ResourceClient {
  readonly #path: string;
  readonly #waiting = new Map<number, Waiting>();
  #socket: Socket | null = null;
  #next = 0;

  constructor(path: string) {
    this.#path = path;
  }

  get<T extends KubeObject>(type: ResourceType<T>, at: ObjectName, signal?: AbortSignal): Promise<T> {
    return this.#call('get', type, [at], signal) as Promise<T>;
  }
  list<T extends KubeObject>(type: ResourceType<T>, options?: SelectOptions): Promise<ObjectList<T>> {
    return this.#call('list', type, [withoutSignal(options)], options?.signal) as Promise<ObjectList<T>>;
  }
  create<T extends KubeObject>(type: ResourceType<T>, object: T, options?: WriteOptions): Promise<T> {
    return this.#call('create', type, [object, withoutSignal(options)], options?.signal) as Promise<T>;
  }
  update<T extends KubeObject>(type: ResourceType<T>, object: T, options?: WriteOptions): Promise<T> {
    return this.#call('update', type, [object, withoutSignal(options)], options?.signal) as Promise<T>;
  }
  patch<T extends KubeObject>(type: ResourceType<T>, at: ObjectName, patch: Patch, options?: WriteOptions): Promise<T> {
    return this.#call('patch', type, [at, patch, withoutSignal(options)], options?.signal) as Promise<T>;
  }
  apply<T extends KubeObject>(type: ResourceType<T>, config: JsonObject, options: ApplyOptions): Promise<T> {
    return this.#call('apply', type, [config, withoutSignal(options)], options.signal) as Promise<T>;
  }
  delete<T extends KubeObject>(type: ResourceType<T>, at: ObjectName, options?: DeleteOptions): Promise<T> {
    return this.#call('delete', type, [at, withoutSignal(options)], options?.signal) as Promise<T>;
  }
  bind(bindings: readonly PodBinding[], signal?: AbortSignal): Promise<readonly (Error | undefined)[]> {
    return this.#call('bind', undefined, [bindings], signal) as Promise<readonly (Error | undefined)[]>;
  }

  async *watch<T extends KubeObject>(
    type: ResourceType<T>,
    resourceVersion: string,
    options?: SelectOptions,
  ): AsyncGenerator<readonly ObjectEvent<T>[]> {
    const queue: (readonly ObjectEvent<T>[])[] = [];
    let wake = (): void => undefined;
    let ended: { readonly err?: unknown } | null = null;
    const call = this.#call('watch', type, [resourceVersion, withoutSignal(options)], options?.signal, (batch) => {
      queue.push(batch as readonly ObjectEvent<T>[]);
      wake();
    });
    call.then(
      () => {
        ended = {};
        wake();
      },
      (err: unknown) => {
        ended = { err };
        wake();
      },
    );
    for (;;) {
      for (let batch = queue.shift(); batch !== undefined; batch = queue.shift()) yield batch;
      const end = ended as { readonly err?: unknown } | null;
      if (end !== null) {
        if (options?.signal?.aborted === true || end.err === undefined) return;
        throw end.err;
      }
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  }

  #call(
    verb: string,
    type: ResourceType | undefined,
    args: readonly unknown[],
    signal?: AbortSignal,
    onMore: (value: unknown) => void = () => undefined,
  ): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) {
        reject(signal.reason);
        return;
      }
      const id = this.#next++;
      const socket = this.#connected();
      this.#waiting.set(id, { resolve, reject, onMore });
      signal?.addEventListener(
        'abort',
        () => {
          if (!this.#waiting.delete(id)) return;
          send(socket, { id, verb: 'cancel', kind: '', args: [] } satisfies Call);
          reject(signal.reason);
        },
        { once: true },
      );
      send(socket, { id, verb, kind: type?.messageName ?? '', args } satisfies Call);
    });
  }

  #connected(): Socket {
    if (this.#socket !== null && !this.#socket.destroyed) return this.#socket;
    const socket = connect(this.#path);
    this.#socket = socket;
    const fail = (): void => {
      for (const [id, waiting] of [...this.#waiting]) {
        this.#waiting.delete(id);
        waiting.reject(new ApiError('ServiceUnavailable', 'Cannot reach the API: the connection is lost'));
      }
    };
    socket.on('error', () => undefined);
    socket.on('close', fail);
    frames(socket, (reply: Reply) => {
      const waiting = this.#waiting.get(reply.id);
      if (waiting === undefined) return;
      if (reply.more === true) {
        waiting.onMore(reply.value);
        return;
      }
      this.#waiting.delete(reply.id);
      if (reply.error === undefined) waiting.resolve(reply.value);
      else waiting.reject(new ApiError(reply.error.reason as StatusReason, reply.error.message));
    });
    return socket;
  }

  /** Lets the process end. */
  close(): void {
    this.#socket?.destroy();
  }
}
