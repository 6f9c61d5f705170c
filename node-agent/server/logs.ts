/** Streams.Logs: a container's log as bytes. */
import { existsSync } from 'node:fs';
import { ApiError } from '../../lib/errors.ts';
import type { corev1, streamsv1 } from '../../proto/index.ts';
import type { Instance } from '../pods/pod-state.ts';
import type { PodWorkers } from '../pods/pod-workers.ts';
import { logPath } from '../pods/start-container.ts';
import { readLog } from '../runtime/log-reader.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { findContainer } from './container-target.ts';

/** Lines are gathered into messages of about this size. */
const CHUNK_BYTES = 32 * 1024;

/** The log asked for, in chunks. Throws `ApiError`; ends without an error when `signal` aborts. */
export async function* streamLogs(
  workers: PodWorkers,
  runtime: Runtime,
  request: streamsv1.LogsRequest,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  const { worker, slot, name, text } = findContainer(workers, request);
  const { pod, paths } = worker;
  const previous = request.previous === true;
  const attempt = attemptToRead(slot, statusOf(pod, name), previous);
  const instance = previous ? slot.previous : slot.current;
  const path = attempt === null ? '' : logPath({ pod, paths }, name, attempt);
  if (attempt === null || (instance === null && !existsSync(path))) {
    if (previous) throw new ApiError('BadRequest', `previous terminated ${text} not found`);
    if (attempt !== null) throw new ApiError('NotFound', `unable to retrieve the logs of ${text}: they are gone`);
    const why = slot.problem?.reason ?? 'ContainerCreating';
    throw new ApiError('BadRequest', `${text} is waiting to start: ${why}`);
  }
  const since = sinceOf(request);
  const lines = readLog(path, {
    signal,
    ...(request.follow === true && instance !== null
      ? {
          follow: true,
          ended: async () => {
            await runtime.waitExit(instance.id, signal).catch(() => null);
          },
        }
      : {}),
    ...(request.tailLines === undefined ? {} : { tailLines: request.tailLines }),
    ...(since === undefined ? {} : { since }),
    ...(request.limitBytes === undefined ? {} : { limitBytes: request.limitBytes }),
  });
  yield* gather(lines, request);
}

/**
 * Which run's log is meant; null when there was none. What the runtime knows counts; of runs that it has forgotten, because the
 * machine was started anew, the status still tells, and their logs are still on the disk.
 */
export function attemptToRead(
  slot: { readonly current: Pick<Instance, 'attempt'> | null; readonly previous: Pick<Instance, 'attempt'> | null },
  status: corev1.ContainerStatus | undefined,
  previous: boolean,
): number | null {
  const hasRun = status?.containerID !== undefined && status.containerID !== '';
  const current = slot.current?.attempt ?? (hasRun ? (status.restartCount ?? 0) : null);
  if (!previous || current === null) return previous ? null : current;
  const before = slot.previous?.attempt ?? current - 1;
  return before < 0 ? null : before;
}

function statusOf(pod: corev1.Pod, container: string): corev1.ContainerStatus | undefined {
  const { containerStatuses = [], initContainerStatuses = [] } = pod.status ?? {};
  return [...containerStatuses, ...initContainerStatuses].find(({ name }) => name === container);
}

function sinceOf(request: streamsv1.LogsRequest): Date | undefined {
  if (request.sinceSeconds !== undefined) return new Date(Date.now() - request.sinceSeconds * 1000);
  if (request.sinceTime === undefined || request.sinceTime === '') return undefined;
  const time = new Date(request.sinceTime);
  if (Number.isNaN(time.getTime()))
    throw new ApiError('BadRequest', `sinceTime ${JSON.stringify(request.sinceTime)} is not RFC 3339`);
  return time;
}

/** A followed log is sent line by line as it comes; one that is read to its end in larger pieces. */
async function* gather(
  lines: AsyncIterable<{ readonly time: string; readonly content: Buffer }>,
  request: streamsv1.LogsRequest,
): AsyncGenerator<Buffer> {
  let parts: Buffer[] = [];
  let size = 0;
  for await (const { time, content } of lines) {
    if (request.timestamps === true) {
      const stamp = Buffer.from(`${inUtc(time)} `);
      parts.push(stamp);
      size += stamp.length;
    }
    parts.push(content);
    size += content.length;
    if (size >= CHUNK_BYTES || request.follow === true) {
      yield Buffer.concat(parts);
      parts = [];
      size = 0;
    }
  }
  if (size > 0) yield Buffer.concat(parts);
}

/** The monitor writes the node's own time zone; people compare nodes, so all is printed in UTC. The nanoseconds stay. */
function inUtc(time: string): string {
  const [, seconds, fraction = '', offset] = /^([^.]+?)(\.\d+)?([+-]\d\d:\d\d)$/.exec(time) ?? [];
  if (seconds === undefined || offset === undefined) return time;
  const date = new Date(`${seconds}${offset}`);
  return Number.isNaN(date.getTime()) ? time : `${date.toISOString().slice(0, 19)}${fraction}Z`;
}
