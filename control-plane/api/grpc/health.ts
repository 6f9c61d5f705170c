import { BinaryReader, BinaryWriter } from '@bufbuild/protobuf/wire';
import type { Server, ServerUnaryCall, ServerWritableStream, ServiceDefinition, sendUnaryData } from '@grpc/grpc-js';
import { status } from '@grpc/grpc-js';

const UNKNOWN_SERVICE = 3;
const SERVING = 1;
const NOT_SERVING = 2;

/** Names health checks may ask about; the empty one is the whole server. */
const SERVICES = new Set(['', 'skiff.api.v1.Resources', 'skiff.api.v1.Cluster', 'skiff.api.v1.Streams']);

interface HealthRequest {
  readonly service: string;
}

const method = (name: string, responseStream: boolean) => ({
  path: `/grpc.health.v1.Health/${name}`,
  requestStream: false,
  responseStream,
  requestSerialize: ({ service }: HealthRequest) => Buffer.from(new BinaryWriter().uint32(10).string(service).finish()),
  requestDeserialize: readRequest,
  responseSerialize: (serving: number) => Buffer.from([8, serving]),
  responseDeserialize: (bytes: Buffer) => bytes[1] ?? 0,
});

/** The standard health service of gRPC. */
export class HealthService {
  readonly #watchers = new Set<() => void>();
  #serving = false;

  /** Tells everybody who asks, now and later. */
  setServing(serving: boolean): void {
    if (this.#serving === serving) return;
    this.#serving = serving;
    for (const notify of this.#watchers) notify();
  }

  /** Registers the service; its streams end when `signal` aborts. */
  addTo(server: Server, signal: AbortSignal): void {
    const definition: ServiceDefinition = { check: method('Check', false), watch: method('Watch', true) };
    server.addService(definition, {
      check: (call: ServerUnaryCall<HealthRequest, number>, callback: sendUnaryData<number>) => {
        if (SERVICES.has(call.request.service)) callback(null, this.#status());
        else callback({ code: status.NOT_FOUND, details: `Health status unknown for service ${call.request.service}` });
      },
      watch: (call: ServerWritableStream<HealthRequest, number>) => this.#watch(call, signal),
    });
  }

  #status(): number {
    return this.#serving ? SERVING : NOT_SERVING;
  }

  #watch(call: ServerWritableStream<HealthRequest, number>, signal: AbortSignal): void {
    const notify = (): void => {
      call.write(SERVICES.has(call.request.service) ? this.#status() : UNKNOWN_SERVICE);
    };
    const end = (): void => {
      this.#watchers.delete(notify);
      signal.removeEventListener('abort', end);
      call.end();
    };
    this.#watchers.add(notify);
    signal.addEventListener('abort', end, { once: true });
    call.on('cancelled', end);
    notify();
  }
}

/** An object, never the bare name: grpc-js takes an empty string for no message at all. */
function readRequest(bytes: Buffer): HealthRequest {
  const reader = new BinaryReader(bytes);
  let service = '';
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    if (tag === 10) service = reader.string();
    else reader.skip(tag & 7);
  }
  return { service };
}
