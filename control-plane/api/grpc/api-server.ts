import { setMaxListeners } from 'node:events';
import { readFile } from 'node:fs/promises';
import {
  type MethodDefinition,
  Server,
  ServerCredentials,
  type ServiceDefinition,
  type UntypedHandleCall,
} from '@grpc/grpc-js';
import type { Logger } from 'pino';
import type { KeyPairPem } from '../../../lib/pki.ts';
import { apiv1, joinv1, streamsv1 } from '../../../proto/index.ts';
import type { ApiServices } from '../services.ts';
import type { AgentCalls } from '../streams/agent-calls.ts';
import { applyVerb } from './apply.ts';
import { type CallEnvironment, streaming, tolerant, unary } from './call.ts';
import { type ClusterFacts, explainVerb, listKindsVerb, versionVerb } from './cluster.ts';
import { createVerb } from './create.ts';
import { deleteCollectionVerb, deleteVerb } from './delete.ts';
import { getVerb } from './get.ts';
import { HealthService } from './health.ts';
import { listVerb } from './list.ts';
import { closeServer, type ListenAddress, listenOn } from './listen.ts';
import { type NodesParts, renewVerb, settingsVerb } from './nodes.ts';
import { patchVerb } from './patch.ts';
import { ReflectionService } from './reflection.ts';
import { streamHandlers } from './streams.ts';
import { updateVerb } from './update.ts';
import { watchVerb } from './watch.ts';

/** Largest request accepted; the objects of etcd are bounded by it. */
const MAX_REQUEST_BYTES = 3 * 1024 ** 2;
const KEEPALIVE_MS = 30_000;
const DRAIN_MS = 5_000;

/** What the API server is made of. */
export interface ApiServerOptions {
  readonly services: ApiServices;
  readonly facts: ClusterFacts;
  readonly agents: AgentCalls;
  readonly nodes: NodesParts;
  /** The descriptor set for reflection; without the file there is no reflection. */
  readonly descriptorsFile: string | undefined;
  readonly log: Logger;
}

/** The gRPC edge: every service of the API on one port, with mutual TLS. */
export class ApiServer {
  readonly #server: Server;
  readonly #stopping = new AbortController();
  readonly #health = new HealthService();
  readonly #log: Logger;

  /** Registers the services; nothing listens before {@link listen}. */
  constructor(options: ApiServerOptions) {
    const { log } = options;
    this.#log = log;
    // Every open stream listens to it.
    setMaxListeners(0, this.#stopping.signal);
    this.#server = new Server({
      'grpc.max_receive_message_length': MAX_REQUEST_BYTES,
      'grpc.max_send_message_length': -1,
      'grpc.enable_channelz': 0,
      'grpc.keepalive_time_ms': KEEPALIVE_MS,
      'grpc.keepalive_timeout_ms': 10_000,
    });
    const { services, facts } = options;
    const refreshKinds = (): Promise<void> => services.registry.refresh();
    const env: CallEnvironment = { log, stopping: this.#stopping.signal, refreshKinds };
    this.#server.addService(bytesOut(apiv1.ResourcesService), {
      get: unary(env, getVerb(services)),
      list: unary(env, listVerb(services)),
      watch: streaming(env, watchVerb(services)),
      create: unary(env, createVerb(services)),
      update: unary(env, updateVerb(services)),
      patch: unary(env, patchVerb(services)),
      apply: unary(env, applyVerb(services)),
      delete: unary(env, deleteVerb(services)),
      deleteCollection: unary(env, deleteCollectionVerb(services)),
    });
    this.#server.addService(bytesOut(apiv1.ClusterService), {
      version: unary(env, versionVerb(services, facts)),
      listKinds: unary(env, listKindsVerb(services)),
      explain: unary(env, explainVerb(services)),
    });
    this.#server.addService(bytesOut(joinv1.NodesService), {
      settings: unary(env, settingsVerb(services, options.nodes)),
      renewCertificate: unary(env, renewVerb(options.nodes)),
    });
    this.#server.addService(streamsv1.StreamsService, streamHandlers(env, services, options.agents));
    this.#health.addTo(this.#server, this.#stopping.signal);
    const { descriptorsFile } = options;
    if (descriptorsFile !== undefined) new ReflectionService(() => readFile(descriptorsFile)).addTo(this.#server);
  }

  /** Starts to listen for clients with a certificate of `ca`; gives the port, which is the one asked for unless that was 0. */
  listen(address: ListenAddress, tls: { ca: string; certificate: KeyPairPem }): Promise<number> {
    const { cert, key } = tls.certificate;
    const pair = { cert_chain: Buffer.from(cert), private_key: Buffer.from(key) };
    return listenOn(this.#server, address, ServerCredentials.createSsl(Buffer.from(tls.ca), [pair], true));
  }

  /** Says to health checks whether requests are welcome. */
  setReady(ready: boolean): void {
    this.#health.setServing(ready);
  }

  /** Turns away new work, ends streams, lets single calls finish, and closes. */
  async close(): Promise<void> {
    this.setReady(false);
    this.#stopping.abort();
    const err = await closeServer(this.#server, DRAIN_MS);
    if (err !== undefined) this.#log.warn({ err }, 'closing the API left calls behind');
  }
}

type AnyService = ServiceDefinition<Record<string, UntypedHandleCall>>;

/** The service with replies that are encoded already: the verbs write stored bytes straight onto the wire. */
function bytesOut(service: object): AnyService {
  const methods = Object.entries(service as Record<string, MethodDefinition<unknown, unknown>>);
  return Object.fromEntries(
    methods.map(([name, method]) => [
      name,
      {
        ...method,
        requestDeserialize: tolerant(method.requestDeserialize),
        responseSerialize: (bytes: Uint8Array) =>
          Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength),
      },
    ]),
  ) as AnyService;
}
