import { spawn } from 'node:child_process';
import { startError } from '../../lib/exec.ts';
import { TableEvents, type TableTouch } from './table-events.ts';

/**
 * socat joins the notification group of nf_tables (family 16 is netlink, protocol 12 netfilter, group 7 is bit 6) and hands on what the
 * kernel says. It ends when its input does, so it does not outlive us however we end. The buffer is what the kernel allows at most.
 */
const ARGUMENTS = [
  '-d',
  '-d',
  '-b',
  '262144',
  'STDIO',
  'SOCKET-DATAGRAM:16:3:12:x000000000000000000000000,bind=x0000x00000000x40000000,rcvbuf=8388608',
];

/** What socat says, told so by two `-d`, once it has joined. */
const LISTENING = 'starting data transfer';

/** What a {@link watchTable} is told. */
export interface TableWatchOptions {
  readonly table: string;
  /** Goes before the program. */
  readonly enter: readonly string[];
  readonly onTouch: (touch: TableTouch) => void;
  /** Once events are heard; what happened before is unknown. */
  readonly onListening: () => void;
}

/**
 * Says which transactions touched the table until `signal` aborts (resolves) or no more can be heard (rejects: not installed, ended,
 * or the kernel had more to say than the buffer holds, as after a very large transaction). Nothing is held when it settles.
 */
export function watchTable(options: TableWatchOptions, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const events = new TableEvents(options.table);
    const [program = 'socat', ...argv] = [...options.enter, 'socat', ...ARGUMENTS];
    const child = spawn(program, argv, { stdio: ['pipe', 'pipe', 'pipe'] });
    let failure: Error | undefined;
    let said = '';
    let listening = false;
    const stop = (): void => void child.kill('SIGKILL');
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
    child.stdin.on('error', () => undefined);
    child.stderr.on('data', (chunk: Buffer) => {
      said = `${said}${chunk.toString('utf8')}`.slice(-500);
      if (listening || !said.includes(LISTENING)) return;
      listening = true;
      options.onListening();
    });
    child.stdout.on('data', (chunk: Buffer) => {
      try {
        events.push(chunk).forEach(options.onTouch);
      } catch (err) {
        failure = err instanceof Error ? err : new Error(String(err));
        stop();
      }
    });
    child.once('error', (err) => {
      failure = startError(program, err);
      // Without a process there is no 'close'.
      if (child.pid === undefined) settle();
    });
    child.once('close', settle);
    function settle(): void {
      signal.removeEventListener('abort', stop);
      if (signal.aborted) resolve();
      else reject(failure ?? new Error(`Cannot hear the kernel's rule events: socat ended: ${said.trim()}`));
    }
  });
}
