import type {
  ClientDuplexStream,
  ClientReadableStream,
  handleBidiStreamingCall,
  handleServerStreamingCall,
  ServerDuplexStream,
  ServerWritableStream,
  ServiceError,
} from '@grpc/grpc-js';
import { statusToApiError } from '../../../lib/client/grpc-status.ts';
import { ApiError } from '../../../lib/errors.ts';
import { type corev1, KINDS, streamsv1 } from '../../../proto/index.ts';
import { badRequest, conflict } from '../api-errors.ts';
import { checkAccess } from '../authorization/check-access.ts';
import { getObject } from '../read/get.ts';
import { resolveTarget } from '../request/target.ts';
import type { ApiServices } from '../services.ts';
import type { AgentCalls } from '../streams/agent-calls.ts';
import { chooseContainer, type Purpose } from '../streams/choose-container.ts';
import { callerOf } from './authenticate.ts';
import { type CallEnvironment, endWithError, reportRefused } from './call.ts';

/** What both kinds of server calls have, as far as it is used here. */
interface ServerCall {
  readonly destroyed: boolean;
  getPath(): string;
  getAuthContext(): ReturnType<ServerWritableStream<unknown, unknown>['getAuthContext']>;
  emit(event: 'error', err: Error): boolean;
  end(): unknown;
  on(event: 'cancelled', listener: () => void): unknown;
  once(event: 'drain', listener: () => void): unknown;
}

/** The side of it that takes replies. */
interface ReplyCall<Reply> extends ServerCall {
  write(reply: Reply): boolean;
}

/** Streams.Logs and Streams.Exec: checked here, carried out by the agent of the pod's node. */
export function streamHandlers(
  env: CallEnvironment,
  services: ApiServices,
  agents: AgentCalls,
): {
  logs: handleServerStreamingCall<streamsv1.LogsRequest, streamsv1.LogsReply>;
  exec: handleBidiStreamingCall<streamsv1.ExecRequest, streamsv1.ExecReply>;
} {
  const fail = (call: ServerCall, err: unknown): void => {
    reportRefused(env, err);
    if (!(err instanceof ApiError)) env.log.error({ err, path: call.getPath() }, 'request failed');
    endWithError(call, err);
  };
  return {
    logs: (call) => {
      openLogs(services, agents, call)
        .then((upstream) => relay(env, call, upstream, fail))
        .catch((err: unknown) => fail(call, err));
    },
    exec: (call) => serveExec(env, { services, agents }, call, fail),
  };
}

interface Backend {
  readonly services: ApiServices;
  readonly agents: AgentCalls;
}

type Fail = (call: ServerCall, err: unknown) => void;

async function openLogs(
  services: ApiServices,
  agents: AgentCalls,
  call: ServerWritableStream<streamsv1.LogsRequest, streamsv1.LogsReply>,
): Promise<ClientReadableStream<streamsv1.LogsReply>> {
  const { request } = call;
  const pod = await findPod(services, call, { ...request, subresource: 'log' });
  const purpose: Purpose = request.previous === true ? 'previous logs' : 'logs';
  const container = chooseContainer(pod, request.container ?? '', purpose);
  const { requestSerialize, responseDeserialize, path } = streamsv1.StreamsService.logs;
  const client = agents.clientFor(services, nodeOf(pod));
  return client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, { ...request, container });
}

interface PodRequest {
  readonly namespace?: string | undefined;
  readonly pod?: string | undefined;
  readonly subresource: string;
}

async function findPod(
  services: ApiServices,
  call: ServerCall,
  { namespace, pod, subresource }: PodRequest,
): Promise<corev1.Pod> {
  const { apiVersion, kind } = KINDS.Pod;
  const target = resolveTarget({ apiVersion, kind, namespace, name: pod }, services.registry);
  const verb = subresource === 'log' ? 'get' : 'create';
  await checkAccess(services, callerOf(call), { verb, target: { ...target, subresource } });
  const { object } = await getObject(services, target);
  return object as corev1.Pod;
}

function nodeOf(pod: corev1.Pod): string {
  const node = pod.spec?.nodeName ?? '';
  const name = pod.metadata?.name ?? '';
  if (node === '') throw conflict(KINDS.Pod, name, `pod ${name} does not have a host assigned`);
  return node;
}

function serveExec(
  env: CallEnvironment,
  { services, agents }: Backend,
  call: ServerDuplexStream<streamsv1.ExecRequest, streamsv1.ExecReply>,
  fail: Fail,
): void {
  let upstream: Promise<ClientDuplexStream<streamsv1.ExecRequest, streamsv1.ExecReply>> | undefined;
  let ended = false;
  const open = async (
    start: streamsv1.ExecStart,
  ): Promise<ClientDuplexStream<streamsv1.ExecRequest, streamsv1.ExecReply>> => {
    const pod = await findPod(services, call, { ...start, subresource: 'exec' });
    if ((start.command ?? []).length === 0) throw badRequest('you must specify at least one command for the container');
    const container = chooseContainer(pod, start.container ?? '', 'exec');
    const { requestSerialize, responseDeserialize, path } = streamsv1.StreamsService.exec;
    const client = agents.clientFor(services, nodeOf(pod));
    const stream = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize);
    relay(env, call, stream, fail);
    stream.write({ start: { ...start, container } });
    return stream;
  };
  call.on('data', (request: streamsv1.ExecRequest) => {
    if (upstream === undefined) {
      if (request.start === undefined) {
        fail(call, badRequest('the first message of an exec must say what to start'));
        return;
      }
      upstream = open(request.start);
      // Reading waits until the agent is connected, and then for the agent to take each message.
      call.pause();
      upstream.then(
        (stream) => {
          call.resume();
          if (ended) stream.end();
        },
        (err: unknown) => fail(call, err),
      );
      return;
    }
    void upstream.then(
      (stream) => {
        if (!stream.write(request)) {
          call.pause();
          stream.once('drain', () => call.resume());
        }
      },
      () => undefined,
    );
  });
  call.on('end', () => {
    ended = true;
    upstream?.then((stream) => stream.end()).catch(() => undefined);
  });
}

/** Passes the agent's replies on at the client's pace, and each side's end to the other. */
function relay<Reply>(
  env: CallEnvironment,
  call: ReplyCall<Reply>,
  upstream: ClientReadableStream<Reply>,
  fail: (call: ServerCall, err: unknown) => void,
): void {
  const cancel = (): void => upstream.cancel();
  call.on('cancelled', cancel);
  env.stopping.addEventListener('abort', cancel, { once: true });
  const release = (): void => env.stopping.removeEventListener('abort', cancel);
  upstream.on('data', (reply: Reply) => {
    if (!call.write(reply)) {
      upstream.pause();
      call.once('drain', () => upstream.resume());
    }
  });
  upstream.on('error', (err: ServiceError) => {
    release();
    fail(
      call,
      env.stopping.aborted
        ? new ApiError('ServiceUnavailable', 'the server is stopping')
        : statusToApiError(err, 'the agent'),
    );
  });
  upstream.on('end', () => {
    release();
    // An error, if there is one, follows the end; without one the call is over.
    setImmediate(() => {
      if (!call.destroyed) call.end();
    });
  });
}
