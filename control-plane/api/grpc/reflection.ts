import { BinaryReader } from '@bufbuild/protobuf/wire';
import type { Server, ServerDuplexStream } from '@grpc/grpc-js';
import { ReflectionService as Library } from '@grpc/reflection';
import { type CapturedService, captureServices } from './captured-service.ts';

type Stream = ServerDuplexStream<unknown, unknown>;

/**
 * Server reflection, so that grpcurl and its like see the API typed. The library indexes every message when it is made, which
 * takes some 140 ms and 40 MB; so what is registered at first knows nothing, and the real one is made when first asked.
 */
export class ReflectionService {
  readonly #read: () => Promise<Uint8Array>;
  #loaded: Promise<readonly CapturedService[]> | undefined;

  constructor(read: () => Promise<Uint8Array>) {
    this.#read = read;
  }

  /** Registers every published version of the protocol. */
  addTo(server: Server): void {
    for (const [version, { definition }] of servicesOver([]).entries()) {
      server.addService(definition, { ServerReflectionInfo: (call: Stream) => void this.#serve(call, version) });
    }
  }

  async #serve(call: Stream, version: number): Promise<void> {
    try {
      this.#loaded ??= this.#read().then((set) => servicesOver(filesOf(set)));
      const handlers = (await this.#loaded)[version]?.handlers as { ServerReflectionInfo: (call: Stream) => void };
      handlers.ServerReflectionInfo(call);
    } catch (err) {
      this.#loaded = undefined;
      call.destroy(err instanceof Error ? err : new Error(String(err)));
    }
  }
}

/** The library's services, one for each version, that know `fileDescriptorProtos`. */
function servicesOver(fileDescriptorProtos: Buffer[]): CapturedService[] {
  // The library looks only at the descriptors of what it is given, so that what it says it is does not matter.
  const all = { format: 'Protocol Buffer 3 EnumDescriptorProto' as const, type: {}, fileDescriptorProtos };
  return captureServices((recorder) => new Library({ all }).addToServer(recorder));
}

/** The files of a FileDescriptorSet, which repeats them in field 1. */
function filesOf(set: Uint8Array): Buffer[] {
  const files: Buffer[] = [];
  const reader = new BinaryReader(set);
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    if (tag === 10) files.push(Buffer.from(reader.bytes()));
    else reader.skip(tag & 7);
  }
  return files;
}
