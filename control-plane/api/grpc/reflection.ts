import { BinaryReader, BinaryWriter } from '@bufbuild/protobuf/wire';
import type { Server, ServerDuplexStream, ServiceDefinition } from '@grpc/grpc-js';
import { status } from '@grpc/grpc-js';

/** One file of the descriptor set: its own bytes, and the names it defines. */
interface DescriptorFile {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly dependencies: readonly string[];
  readonly symbols: readonly string[];
  readonly services: readonly string[];
}

/** A question of the reflection protocol: field number of the question, and its text. */
interface Question {
  readonly raw: Uint8Array;
  readonly field: number;
  readonly text: string;
}

const BY_FILENAME = 3;
const BY_SYMBOL = 4;
const LIST_SERVICES = 7;

/** Server reflection, so that grpcurl and its like see the API typed. Reads the descriptor set when first asked. */
export class ReflectionService {
  readonly #read: () => Promise<Uint8Array>;
  #files: Promise<readonly DescriptorFile[]> | undefined;

  constructor(read: () => Promise<Uint8Array>) {
    this.#read = read;
  }

  /** Registers both published versions of the protocol, which differ in their name only. */
  addTo(server: Server): void {
    for (const version of ['v1', 'v1alpha']) {
      const definition: ServiceDefinition = {
        serverReflectionInfo: {
          path: `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`,
          requestStream: true,
          responseStream: true,
          requestSerialize: (question: Question) => Buffer.from(question.raw),
          requestDeserialize: readQuestion,
          responseSerialize: (bytes: Uint8Array) => Buffer.from(bytes),
          responseDeserialize: (bytes: Buffer) => bytes,
        },
      };
      server.addService(definition, {
        serverReflectionInfo: (call: ServerDuplexStream<Question, Uint8Array>) => this.#serve(call),
      });
    }
  }

  #serve(call: ServerDuplexStream<Question, Uint8Array>): void {
    let last = Promise.resolve();
    call.on('data', (question: Question) => {
      last = last
        .then(async () => {
          call.write(answer(await this.#load(), question));
        })
        .catch((err: unknown) => void call.destroy(err instanceof Error ? err : new Error(String(err))));
    });
    call.on('end', () => void last.then(() => call.end()));
  }

  #load(): Promise<readonly DescriptorFile[]> {
    this.#files ??= this.#read().then(readDescriptorSet);
    return this.#files;
  }
}

function answer(files: readonly DescriptorFile[], question: Question): Uint8Array {
  const writer = new BinaryWriter().uint32(18).bytes(question.raw);
  if (question.field === LIST_SERVICES) {
    writer.uint32(50).fork();
    for (const service of files.flatMap((file) => file.services))
      writer.uint32(10).fork().uint32(10).string(service).join();
    return writer.join().finish();
  }
  const found =
    question.field === BY_FILENAME
      ? files.find((file) => file.name === question.text)
      : question.field === BY_SYMBOL
        ? files.find((file) => file.symbols.includes(question.text))
        : undefined;
  if (found === undefined) {
    writer.uint32(58).fork().uint32(8).int32(status.NOT_FOUND).uint32(18).string(`${question.text} not found`);
    return writer.join().finish();
  }
  writer.uint32(34).fork();
  for (const file of withDependencies(files, found)) writer.uint32(10).bytes(file.bytes);
  return writer.join().finish();
}

/** The file and everything it imports, each once. */
function withDependencies(files: readonly DescriptorFile[], first: DescriptorFile): DescriptorFile[] {
  const found = new Map<string, DescriptorFile>();
  const visit = (file: DescriptorFile): void => {
    if (found.has(file.name)) return;
    found.set(file.name, file);
    for (const name of file.dependencies) {
      const dependency = files.find((candidate) => candidate.name === name);
      if (dependency !== undefined) visit(dependency);
    }
  };
  visit(first);
  return [...found.values()];
}

function readQuestion(raw: Buffer): Question {
  let question: Question = { raw, field: 0, text: '' };
  eachField(raw, (field, reader, wireType) => {
    if (wireType !== 2) return false;
    const text = reader.string();
    if (field >= BY_FILENAME && field <= LIST_SERVICES) question = { raw, field, text };
    return true;
  });
  return question;
}

/** FileDescriptorSet: field 1 repeats files. */
function readDescriptorSet(bytes: Uint8Array): DescriptorFile[] {
  const files: DescriptorFile[] = [];
  eachField(bytes, (field, reader) => {
    if (field !== 1) return false;
    files.push(readFileDescriptor(reader.bytes()));
    return true;
  });
  return files;
}

/** FileDescriptorProto: name 1, package 2, dependency 3, messages 4, enums 5, services 6. */
function readFileDescriptor(bytes: Uint8Array): DescriptorFile {
  let name = '';
  let prefix = '';
  const dependencies: string[] = [];
  const messages: Uint8Array[] = [];
  const services: Uint8Array[] = [];
  eachField(bytes, (field, reader) => {
    if (field === 1) name = reader.string();
    else if (field === 2) prefix = `${reader.string()}.`;
    else if (field === 3) dependencies.push(reader.string());
    else if (field === 4 || field === 5) messages.push(reader.bytes());
    else if (field === 6) services.push(reader.bytes());
    else return false;
    return true;
  });
  const serviceNames = services.map((service) => prefix + nameOf(service));
  const symbols = [
    ...messages.flatMap((message) => symbolsOf(message, prefix)),
    ...services.flatMap((service, i) => [serviceNames[i] ?? '', ...methodsOf(service, `${serviceNames[i] ?? ''}.`)]),
  ];
  return { name, bytes, dependencies, symbols, services: serviceNames };
}

/** A message (nested types 3, enums 4) or an enum: its own name and those within. */
function symbolsOf(bytes: Uint8Array, prefix: string): string[] {
  const own = prefix + nameOf(bytes);
  const nested: string[] = [];
  eachField(bytes, (field, reader, wireType) => {
    if ((field !== 3 && field !== 4) || wireType !== 2) return false;
    nested.push(...symbolsOf(reader.bytes(), `${own}.`));
    return true;
  });
  return [own, ...nested];
}

function methodsOf(service: Uint8Array, prefix: string): string[] {
  const names: string[] = [];
  eachField(service, (field, reader) => {
    if (field !== 2) return false;
    names.push(prefix + nameOf(reader.bytes()));
    return true;
  });
  return names;
}

function nameOf(bytes: Uint8Array): string {
  let name = '';
  eachField(bytes, (field, reader, wireType) => {
    if (field !== 1 || wireType !== 2) return false;
    name = reader.string();
    return true;
  });
  return name;
}

/** Walks the fields of a message; `take` reads the field and says true, or false to have it skipped. */
function eachField(bytes: Uint8Array, take: (field: number, reader: BinaryReader, wireType: number) => boolean): void {
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    if (!take(tag >>> 3, reader, tag & 7)) reader.skip(tag & 7);
  }
}
