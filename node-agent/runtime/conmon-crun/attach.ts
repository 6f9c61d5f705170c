import { spawn } from 'node:child_process';
import { PassThrough } from 'node:stream';
import { errorMessage } from '../../../lib/errors.ts';
import { readLog } from '../log-reader.ts';
import { type ContainerFacts, type ExecSession, type ExecStatus, RuntimeError } from '../runtime.ts';

/** What an attach needs to know of its container. */
export interface AttachTarget {
  readonly facts: ContainerFacts;
  /** The monitor's attach socket. */
  readonly socket: string;
  /** Resolves when the container ended. */
  readonly exited: (signal: AbortSignal) => Promise<ContainerFacts | null>;
}

/**
 * Attaches to a container's own streams. Its output is read from its log from now on (the monitor writes every byte there
 * at once, and the log keeps the two streams apart); input goes to the monitor's socket, which is of a kind Node cannot
 * speak (SOCK_SEQPACKET), by way of socat. Detaching, by abort or `kill`, leaves the container running.
 */
export function attachToContainer(
  target: AttachTarget,
  options: { readonly stdin?: boolean; readonly signal?: AbortSignal },
): ExecSession {
  const stop = new AbortController();
  const signal = options.signal === undefined ? stop.signal : AbortSignal.any([options.signal, stop.signal]);
  const stdout = new PassThrough();
  const stderr = new PassThrough();
  const input =
    options.stdin === true
      ? spawn('socat', ['-u', '-', `UNIX-CONNECT:${target.socket},type=5`], { stdio: ['pipe', 'ignore', 'ignore'] })
      : null;
  input?.on('error', () => stop.abort(new RuntimeError('MissingTool', 'Cannot attach: socat is not installed')));
  input?.stdin?.on('error', () => undefined);
  signal.addEventListener('abort', () => input?.kill('SIGKILL'), { once: true });
  const copy = async (): Promise<ExecStatus> => {
    try {
      const lines = readLog(target.facts.logPath, {
        follow: true,
        tailLines: 0,
        signal,
        raw: true,
        ended: async () => void (await target.exited(signal)),
      });
      for await (const line of lines) {
        const stream = line.stream === 'stderr' ? stderr : stdout;
        if (!stream.write(line.content)) {
          await new Promise((resolve) => stream.once('drain', resolve));
        }
      }
      const facts = await target.exited(signal);
      return { exitCode: facts?.exitCode ?? 255, timedOut: false };
    } catch (err) {
      if (signal.aborted) {
        return { exitCode: 0, timedOut: false };
      }
      throw new RuntimeError('Failed', `Cannot attach to container ${target.facts.id}: ${errorMessage(err)}`, {
        cause: err,
      });
    } finally {
      stop.abort();
      stdout.end();
      stderr.end();
    }
  };
  const done = copy();
  done.catch(() => undefined);
  return {
    stdin: input?.stdin ?? null,
    stdout,
    stderr,
    resize: () => Promise.resolve(),
    kill: () => Promise.resolve(stop.abort()),
    done,
  };
}
