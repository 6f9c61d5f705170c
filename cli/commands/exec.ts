import { spawnSync } from 'node:child_process';
import type { Readable } from 'node:stream';
import type { streamsv1 } from '../../proto/api.ts';
import type { DuplexCall } from '../connection/grpc-connection.ts';
import { CliError, ExitError } from '../errors/cli-error.ts';
import { textAt } from '../resources/fields.ts';
import { chooseContainer, findPods } from '../resources/find-pods.ts';
import { addConnectionOptions, type ConnectionOptions, type Session, withSession } from '../session.ts';
import { addExamples, type Verb } from '../verb.ts';

interface ExecOptions extends ConnectionOptions {
  readonly container?: string;
  readonly stdin?: boolean;
  readonly tty?: boolean;
  readonly quiet?: boolean;
}

/** `skiff exec` */
export const exec: Verb = {
  configure(command, { terminal }) {
    addConnectionOptions(command)
      .argument('<pod>', 'a pod, or kind/name of what has pods, such as deploy/web')
      .argument('[command...]', 'after --: the command and its arguments')
      .option('-c, --container <name>', 'this container')
      .option('-i, --stdin', 'pass standard input on')
      .option('-t, --tty', 'give the command a terminal')
      .option('-q, --quiet', 'print only what the command prints')
      .action((pod: string, argv: string[], options: ExecOptions) =>
        withSession(terminal, options, (session) => runExec(session, pod, argv, options)),
      );
    addExamples(command, [
      ['Run a command', 'skiff exec web-1 -- date'],
      ['A shell', 'skiff exec -it deploy/web -- sh'],
      ['Pass a file in', 'skiff exec -i web-1 -- sh -c "cat > /tmp/x" < x'],
    ]);
  },
};

/** A terminal's input, which can be told to pass every key on. */
interface RawInput extends Readable {
  setRawMode?(raw: boolean): unknown;
}

async function runExec(session: Session, name: string, argv: readonly string[], options: ExecOptions): Promise<void> {
  const { api, terminal } = session;
  if (argv.length === 0)
    throw new CliError('you must specify at least one command for the container', {
      hint: 'Write it after --, such as: skiff exec POD -- date',
    });
  const [pod] = await findPods(session, name);
  if (pod === undefined) throw new CliError(`${name} has no pods`);
  const { container, note } = chooseContainer(pod, options.container);
  if (note !== undefined && options.quiet !== true) terminal.stderr.write(`${note}\n`);
  const stdin = options.stdin === true ? (terminal.stdin as RawInput & { isTTY?: boolean }) : undefined;
  let tty = options.tty === true;
  if (tty && stdin?.isTTY !== true) {
    if (stdin !== undefined && options.quiet !== true)
      terminal.stderr.write('Unable to use a TTY - input is not a terminal or the right kind of file\n');
    tty = false;
  }
  const call = api.exec();
  await call.send({
    start: {
      namespace: textAt(pod, 'metadata', 'namespace'),
      pod: textAt(pod, 'metadata', 'name'),
      container,
      command: [...argv],
      stdin: stdin !== undefined,
      tty,
      ...(tty ? { size: terminalSize() } : {}),
    },
  });
  const restore = tty && stdin !== undefined ? makeRaw(stdin, call) : undefined;
  const input = stdin === undefined ? undefined : forwardInput(stdin, call);
  if (stdin === undefined) call.end();
  let exit: streamsv1.ExecExit | undefined;
  try {
    for await (const reply of call.replies) {
      if (reply.stdout !== undefined && reply.stdout.length > 0) terminal.stdout.write(reply.stdout);
      if (reply.stderr !== undefined && reply.stderr.length > 0) terminal.stderr.write(reply.stderr);
      exit = reply.exit ?? exit;
    }
  } finally {
    restore?.();
    stdin?.destroy();
    await input;
  }
  finish(exit, session, options);
}

function finish(exit: streamsv1.ExecExit | undefined, { terminal }: Session, options: ExecOptions): void {
  if (exit === undefined) throw new CliError('the command ended without an exit code');
  if ((exit.message ?? '') !== '')
    throw new CliError(exit.message ?? '', { exitCode: exit.code === 0 ? 1 : (exit.code ?? 1) });
  const code = exit.code ?? 0;
  if (code === 0) return;
  if (options.quiet !== true) terminal.stderr.write(`command terminated with exit code ${code}\n`);
  throw new ExitError(code);
}

type ExecCall = DuplexCall<streamsv1.ExecRequest, streamsv1.ExecReply>;

/** Every key goes to the command, and so does every change of the window's size. */
function makeRaw(stdin: RawInput, call: ExecCall): () => void {
  const onResize = (): void => void call.send({ resize: terminalSize() });
  stdin.setRawMode?.(true);
  // Node leaves the terminal turning "\n" into "\r\n" on output, but here the other end's terminal does that already. Switching
  // raw mode off restores this too.
  if (stdin === process.stdin) spawnSync('stty', ['-opost'], { stdio: ['inherit', 'ignore', 'ignore'] });
  process.stdout.on('resize', onResize);
  return () => {
    process.stdout.off('resize', onResize);
    stdin.setRawMode?.(false);
  };
}

function terminalSize(): streamsv1.TerminalSize {
  return { columns: process.stdout.columns ?? 80, rows: process.stdout.rows ?? 24 };
}

/** Settles when the input has ended or was destroyed; never rejects: the call tells what went wrong. */
async function forwardInput(stdin: Readable, call: ExecCall): Promise<void> {
  try {
    for await (const piece of stdin as AsyncIterable<Buffer | string>) await call.send({ stdin: Buffer.from(piece) });
    await call.send({ stdinClosed: true });
  } catch {
    // Destroyed because the command has ended.
  }
  call.end();
}
