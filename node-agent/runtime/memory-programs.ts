import { PassThrough } from 'node:stream';
import type { ExecOptions, ExecSession, ExecStatus } from './runtime.ts';

/** How a command behaves in a `MemoryRuntime`. */
export interface MemoryProgram {
  /** Ends by itself with this code; absent: runs until it is killed. */
  readonly exitCode?: number;
  /** After how long. Default 0. */
  readonly afterMs?: number;
  readonly stdout?: string;
  readonly stderr?: string;
  /** Exit code upon SIGTERM; absent: ignored, as by a first process without a handler. */
  readonly onTerm?: number;
}

/** Maps a command line to a behaviour; null when there is no such program. */
export type MemoryInterpreter = (argv: readonly string[], containerId: string) => MemoryProgram | null;

/** The few commands that tests of both runtimes use. */
export function interpret(argv: readonly string[]): MemoryProgram | null {
  const [program, ...args] = argv;
  switch (program?.split('/').at(-1)) {
    case 'true':
      return { exitCode: 0 };
    case 'false':
      return { exitCode: 1 };
    case 'echo':
      return { exitCode: 0, stdout: `${args.join(' ')}\n` };
    case 'sleep':
      return { exitCode: 0, afterMs: Number(args[0] ?? 0) * 1000 };
    case 'sh':
      return interpretScript(args.at(-1) ?? '');
    default:
      return null;
  }
}

function interpretScript(script: string): MemoryProgram {
  const echo = /(?:^|; )echo (\S+?)(?:;|$)/.exec(script)?.[1];
  const complaint = /echo (\S+) >&2/.exec(script)?.[1];
  const trap = /trap ['"]exit (\d+)['"] TERM/.exec(script)?.[1];
  const exit = /(?:^|; )exit (\d+)$/.exec(script)?.[1];
  const sleep = /(?:^|; )(?:exec )?sleep (\d+(?:\.\d+)?)/.exec(script)?.[1];
  const endless = script.includes('while :');
  return {
    ...(echo === undefined ? {} : { stdout: `${echo}\n` }),
    ...(complaint === undefined ? {} : { stderr: `${complaint}\n` }),
    ...(trap === undefined ? {} : { onTerm: Number(trap) }),
    ...(endless ? {} : { exitCode: Number(exit ?? 0), afterMs: endless ? 0 : Number(sleep ?? 0) * 1000 }),
  };
}

/** An exec that ends as its program says. */
export function memoryExec(program: MemoryProgram | null, options: ExecOptions): ExecSession {
  const stdout = new PassThrough();
  const stderr = new PassThrough();
  let finish: (status: ExecStatus) => void = () => undefined;
  const done = new Promise<ExecStatus>((resolve) => {
    finish = resolve;
  });
  const end = (status: ExecStatus): void => {
    clearTimeout(timeout);
    clearTimeout(natural);
    stdout.end();
    stderr.end();
    // After the streams' own events, as with a real process.
    setImmediate(() => finish(status));
  };
  const timeout =
    options.timeoutMs === undefined
      ? undefined
      : setTimeout(() => end({ exitCode: 137, timedOut: true }), options.timeoutMs);
  stdout.write(program?.stdout ?? '');
  stderr.write(program === null ? `executable file \`${options.argv[0]}\` not found` : (program.stderr ?? ''));
  const exitCode = program === null ? 127 : program.exitCode;
  const natural =
    exitCode === undefined ? undefined : setTimeout(() => end({ exitCode, timedOut: false }), program?.afterMs ?? 0);
  options.signal?.addEventListener('abort', () => end({ exitCode: 137, timedOut: false }), { once: true });
  return {
    stdin: options.stdin === true ? new PassThrough().resume() : null,
    stdout,
    stderr,
    resize: () => Promise.resolve(),
    kill: () => Promise.resolve(end({ exitCode: 137, timedOut: false })),
    done,
  };
}
