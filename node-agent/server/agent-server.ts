/**
 * What the agent serves: Streams over mutual TLS, for the control plane's certificate only, and Images on a unix socket only
 * root can open.
 */
import { X509Certificate } from 'node:crypto';
import { chmod, rm } from 'node:fs/promises';
import {
  Server,
  ServerCredentials,
  type ServerWritableStream,
  status,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { AGENT_CALLER, NODES_GROUP } from '../../lib/pki.ts';
import { agentv1, peersv1, streamsv1 } from '../../proto/index.ts';
import type { AgentServing } from '../agent.ts';
import type { AgentConfig } from '../config.ts';
import type { ServiceWithdrawal } from '../features/node-feature.ts';
import { NodeCertificate } from '../identity/node-certificate.ts';
import { servingCredentials } from '../identity/serving-credentials.ts';
import type { ImageStore } from '../images/image-store.ts';
import { nodePaths } from '../paths.ts';
import type { AgentLog } from '../pods/environment.ts';
import type { PodWorkers } from '../pods/pod-workers.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { serveExec } from './exec.ts';
import { imageHandlers } from './images-service.ts';
import { streamLogs } from './logs.ts';
import { peersHandlers } from './peers-service.ts';
import { serviceError } from './service-error.ts';

/** What the servers need. */
export interface AgentServerOptions {
  readonly config: AgentConfig;
  readonly workers: PodWorkers;
  readonly runtime: Runtime;
  readonly images: ImageStore;
  readonly log: AgentLog;
  readonly imagesChanged: () => void;
  /** What it serves with; the files of the config as they are, unless given. */
  readonly identity?: NodeCertificate;
  /** What sends to pods from this node, for the agents of others that ask. */
  readonly withdrawals?: readonly ServiceWithdrawal[];
}

const SERVER_OPTIONS = { 'grpc.max_receive_message_length': 8 * 1024 * 1024, 'grpc.max_send_message_length': -1 };

/** Starts both; `done` resolves after `signal` aborts and both are closed. Rejects when a port or file cannot be had. */
export async function startAgentServer(options: AgentServerOptions, signal: AbortSignal): Promise<AgentServing> {
  const { config, images, imagesChanged } = options;
  const streams = new Server(SERVER_OPTIONS);
  streams.addService(streamsv1.StreamsService, streamHandlers(options));
  streams.addService(peersv1.PeersService, peersHandlers(options.withdrawals ?? [], isNode));
  const port = await bind(
    streams,
    `${bracketed(config.listen.host)}:${config.listen.port}`,
    servingCredentials(options.identity ?? NodeCertificate.read(config)),
  );
  const local = new Server(SERVER_OPTIONS);
  local.addService(agentv1.ImagesService, imageHandlers(images, imagesChanged));
  const { socket } = nodePaths(config.root);
  await rm(socket, { force: true });
  await bind(local, `unix:${socket}`, ServerCredentials.createInsecure());
  await chmod(socket, 0o600);
  const done = new Promise<void>((resolve) => {
    const close = (): void => {
      // Streams that follow would keep a polite shutdown waiting for ever.
      streams.forceShutdown();
      local.forceShutdown();
      rm(socket, { force: true }).then(resolve, () => resolve());
    };
    if (signal.aborted) close();
    else signal.addEventListener('abort', close, { once: true });
  });
  return { port, done };
}

function bind(server: Server, address: string, creds: ServerCredentials): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync(address, creds, (err, port) => {
      if (err === null) resolve(port);
      else reject(new Error(`Cannot listen on ${address}: ${err.message}`, { cause: err }));
    });
  });
}

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}

type Authenticated = Pick<ServerWritableStream<unknown, unknown>, 'getAuthContext'>;

/** Whether the caller showed the control plane's certificate; TLS has proven that the cluster's CA signed it. */
function isControlPlane(call: Authenticated): boolean {
  const raw = call.getAuthContext().sslPeerCertificate?.raw;
  if (raw === undefined) return false;
  return new X509Certificate(raw).subject.split('\n').includes(`CN=${AGENT_CALLER}`);
}

/** Whether the caller showed the certificate of a node of this cluster. */
function isNode(call: Authenticated): boolean {
  const raw = call.getAuthContext().sslPeerCertificate?.raw;
  return raw !== undefined && new X509Certificate(raw).subject.split('\n').includes(`O=${NODES_GROUP}`);
}

const REFUSED = Object.assign(new Error('only the control plane may call this'), {
  code: status.PERMISSION_DENIED,
  details: 'only the control plane may call this',
});

function streamHandlers({ workers, runtime, log }: AgentServerOptions): UntypedServiceImplementation {
  const logs = (call: ServerWritableStream<streamsv1.LogsRequest, streamsv1.LogsReply>): void => {
    if (!isControlPlane(call)) {
      call.emit('error', REFUSED);
      return;
    }
    const gone = new AbortController();
    call.on('cancelled', () => gone.abort());
    const send = async (): Promise<void> => {
      for await (const data of streamLogs(workers, runtime, call.request, gone.signal)) {
        if (!call.write({ data })) {
          await new Promise<void>((resolve) => {
            call.once('drain', resolve);
            gone.signal.addEventListener('abort', () => resolve(), { once: true });
          });
        }
      }
    };
    send().then(
      () => call.end(),
      (err: unknown) => {
        if (!gone.signal.aborted) call.emit('error', serviceError(err));
      },
    );
  };
  const exec = (call: Parameters<typeof serveExec>[0]): void => {
    if (!isControlPlane(call)) {
      call.emit('error', REFUSED);
      return;
    }
    serveExec(call, { workers, runtime }, (err) => call.emit('error', serviceError(err))).catch((err: unknown) => {
      log.error({ err }, 'exec failed');
    });
  };
  return { logs, exec };
}
