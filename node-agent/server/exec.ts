/** Streams.Exec: a command in a running container, both ways. */
import type { ServerDuplexStream } from '@grpc/grpc-js';
import { ApiError, errorMessage } from '../../lib/errors.ts';
import type { streamsv1 } from '../../proto/index.ts';
import type { PodWorkers } from '../pods/pod-workers.ts';
import { type ExecSession, type Runtime, RuntimeError, type TerminalSize } from '../runtime/runtime.ts';
import { findContainer } from './container-target.ts';

type ExecCall = ServerDuplexStream<streamsv1.ExecRequest, streamsv1.ExecReply>;

/** Serves one call to its end. `fail` ends the call with an error. When the caller goes, the command is killed. */
export async function serveExec(
  call: ExecCall,
  { workers, runtime }: { readonly workers: PodWorkers; readonly runtime: Runtime },
  fail: (err: unknown) => void,
): Promise<void> {
  const gone = new AbortController();
  call.on('cancelled', () => gone.abort());
  call.on('error', () => gone.abort());
  try {
    const start = await firstMessage(call, gone.signal);
    const target = findContainer(workers, start);
    const { current } = target.slot;
    if (current?.state !== 'running') throw new ApiError('BadRequest', `${target.text} is not running`);
    const session = await runtime.exec(current.id, {
      argv: start.command ?? [],
      tty: start.tty === true,
      stdin: start.stdin === true,
      signal: gone.signal,
      ...(start.size === undefined ? {} : { size: sizeOf(start.size) }),
      ...(start.tty === true ? { env: ['TERM=xterm'] } : {}),
    });
    takeInput(call, session);
    await Promise.all([sendOutput(call, session.stdout, 'stdout'), sendOutput(call, session.stderr, 'stderr')]);
    const { exitCode } = await session.done;
    call.write({ exit: { code: exitCode } });
    call.end();
  } catch (err) {
    if (gone.signal.aborted) return;
    if (err instanceof RuntimeError && err.code === 'CannotRun') {
      call.write({ exit: { code: 126, message: errorMessage(err) } });
      call.end();
      return;
    }
    fail(err);
  }
}

function firstMessage(call: ExecCall, signal: AbortSignal): Promise<streamsv1.ExecStart> {
  return new Promise((resolve, reject) => {
    call.once('data', (request: streamsv1.ExecRequest) => {
      call.pause();
      if (request.start === undefined) reject(new ApiError('BadRequest', 'the first message must say what to run'));
      else resolve(request.start);
    });
    call.once('end', () => reject(new ApiError('BadRequest', 'the call ended before it said what to run')));
    signal.addEventListener('abort', () => reject(new Error('the caller has gone')), { once: true });
  });
}

function takeInput(call: ExecCall, session: ExecSession): void {
  const { stdin } = session;
  stdin?.on('error', () => undefined);
  call.on('data', (request: streamsv1.ExecRequest) => {
    if (request.resize !== undefined) session.resize(sizeOf(request.resize)).catch(() => undefined);
    if (request.stdin !== undefined && request.stdin.length > 0 && stdin !== null && !stdin.write(request.stdin)) {
      call.pause();
      stdin.once('drain', () => call.resume());
    }
    if (request.stdinClosed === true) stdin?.end();
  });
  call.on('end', () => stdin?.end());
  call.resume();
}

function sendOutput(call: ExecCall, stream: NodeJS.ReadableStream, name: 'stdout' | 'stderr'): Promise<void> {
  return new Promise((resolve) => {
    stream.on('data', (chunk: Buffer) => {
      if (call.write(name === 'stdout' ? { stdout: chunk } : { stderr: chunk })) return;
      stream.pause();
      call.once('drain', () => stream.resume());
    });
    stream.once('end', resolve);
    stream.once('close', resolve);
    stream.once('error', () => resolve());
  });
}

function sizeOf({ columns = 80, rows = 24 }: streamsv1.TerminalSize): TerminalSize {
  return { columns, rows };
}
