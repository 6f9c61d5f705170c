import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import type { Socket } from 'node:net';

/** How a command ended. */
export interface ShellResult {
  readonly exitCode: number;
  /** Both streams, at most the last 64 KiB. */
  readonly output: string;
  /** The line that `awaitLine` waited for; null when the command failed before one came. */
  readonly line: string | null;
}

/** One command for the worker. */
export interface ShellJob {
  /** Run in a subshell of its own, with `argv` as its positional parameters. Must not read standard input. */
  readonly script: string;
  readonly argv: readonly string[];
  readonly timeoutMs: number;
  /** Besides the end of the command, wait for one line written to descriptor 3 (by something it left behind, perhaps). */
  readonly awaitLine?: boolean;
}

/** Marks our own lines among what commands print; no program writes this byte. */
const MARK = '\u0001';
const MAX_OUTPUT = 64 * 1024;

/**
 * A shell that stays and runs one command after the other. Starting a process from Node costs milliseconds of its main
 * thread, more the larger it has grown; a shell of one megabyte forks in a fraction of one. The shell ends by itself when
 * this process does, since its input then ends.
 */
export class ShellWorker {
  readonly #onStart: (pid: number) => void;
  #child: ChildProcessWithoutNullStreams | null = null;
  #text = '';
  #pending: { readonly finish: (result: ShellResult | Error) => void; readonly awaitLine: boolean } | null = null;
  #exitCode: number | null = null;
  #line: string | null = null;
  #output = '';

  /** `onStart` is told the pid of each shell, which is also its process group. */
  constructor(onStart: (pid: number) => void) {
    this.#onStart = onStart;
  }

  /** Runs a command. One at a time. Rejects when it does not end in time (it is killed then) or the shell is lost. */
  run(job: ShellJob): Promise<ShellResult> {
    if (this.#pending !== null) {
      return Promise.reject(new Error('Cannot run a command in this shell: it is running one'));
    }
    return new Promise((resolve, reject) => {
      const child = this.#shell();
      this.#exitCode = null;
      this.#line = null;
      this.#output = '';
      const timer = setTimeout(() => {
        this.#kill();
        this.#pending?.finish(new Error(`it did not end within ${job.timeoutMs} ms`));
      }, job.timeoutMs);
      setHeld(child, true);
      this.#pending = {
        awaitLine: job.awaitLine === true,
        finish: (result) => {
          clearTimeout(timer);
          this.#pending = null;
          setHeld(child, false);
          if (result instanceof Error) {
            reject(result);
          } else {
            resolve(result);
          }
        },
      };
      // Descriptor 3 is our pipe; the command's own streams come back through it too, between the marks.
      child.stdin.write(
        `( set -- ${job.argv.map(quote).join(' ')}\n${job.script}\n) </dev/null 3>&1 2>&1\nprintf '\\n${MARK}%s\\n' "$?"\n`,
      );
    });
  }

  #shell(): ChildProcessWithoutNullStreams {
    if (this.#child !== null) {
      return this.#child;
    }
    const child = spawn('sh', ['-s'], { stdio: 'pipe', detached: true, env: { ...process.env, LC_ALL: 'C' } });
    const lost = (why: string): void => {
      if (this.#child === child) {
        this.#child = null;
        this.#text = '';
        this.#pending?.finish(new Error(why));
      }
    };
    child.on('error', (err) => lost(`the shell could not be started: ${err.message}`));
    child.on('exit', () => lost('the shell ended'));
    child.stdin.on('error', () => undefined);
    child.stderr.resume();
    child.stdout.setEncoding('utf8');
    child.stdout.on('data', (text: string) => {
      if (this.#child === child) {
        this.#read(text);
      }
    });
    this.#child = child;
    if (child.pid !== undefined) {
      this.#onStart(child.pid);
    }
    return child;
  }

  #read(text: string): void {
    this.#text += text;
    for (let end = this.#text.indexOf('\n'); end >= 0; end = this.#text.indexOf('\n')) {
      const line = this.#text.slice(0, end);
      this.#text = this.#text.slice(end + 1);
      if (line.startsWith(MARK)) {
        this.#exitCode = Number(line.slice(1));
      } else if (this.#pending?.awaitLine === true && line.startsWith('{')) {
        this.#line = line;
      } else if (line !== '') {
        this.#output = `${this.#output}${line}\n`.slice(-MAX_OUTPUT);
      }
    }
    if (this.#exitCode !== null && this.#pending !== null) {
      const enough = !this.#pending.awaitLine || this.#line !== null || this.#exitCode !== 0;
      if (enough) {
        this.#pending.finish({ exitCode: this.#exitCode, output: this.#output.trim(), line: this.#line });
      }
    }
  }

  #kill(): void {
    const child = this.#child;
    this.#child = null;
    this.#text = '';
    if (child?.pid !== undefined) {
      try {
        process.kill(-child.pid, 'SIGKILL');
      } catch {
        // It ended at the same moment.
      }
    }
  }
}

/** Whether a waiting job keeps this process alive; an idle shell must not. */
function setHeld(child: ChildProcessWithoutNullStreams, held: boolean): void {
  const handles = [
    child,
    child.stdin as unknown as Socket,
    child.stdout as unknown as Socket,
    child.stderr as unknown as Socket,
  ];
  for (const handle of handles) {
    if (held) {
      handle.ref();
    } else {
      handle.unref();
    }
  }
}

function quote(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}
