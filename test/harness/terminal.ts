/** A command on a real terminal, as a person at a keyboard has it; `script` of util-linux makes the terminal. */
import { type ChildProcessByStdio, execFileSync, spawn } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import type { TestCluster } from './cluster.ts';
import { waitFor } from './wait.ts';

/** Why there are no terminals here; undefined when there are. Tests skip with this reason. */
export function terminalUnavailable(): string | undefined {
  for (const tool of ['script', 'stty']) {
    try {
      execFileSync('sh', ['-c', `command -v ${tool}`], { stdio: 'ignore' });
    } catch {
      return `needs ${tool}`;
    }
  }
  return undefined;
}

/** A shell script running on a terminal of its own, inside the cluster's network. `skiff` is a command there. */
export class TerminalSession {
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #ended: Promise<number>;
  #output = '';

  /** Starts `script` with sh on a terminal of this size. */
  constructor(cluster: TestCluster, script: string, size: { readonly rows: number; readonly columns: number }) {
    const skiff = `skiff() { ${cluster.skiffArgv([]).join(' ')} "$@"; }`;
    const line = `stty rows ${size.rows} cols ${size.columns}; ${skiff}; ${script}`;
    this.#child = spawn(
      'nsenter',
      [`--net=/run/netns/${cluster.netns}`, 'script', '--quiet', '--flush', '--return', '--command', line, '/dev/null'],
      {
        env: {
          ...process.env,
          HOME: join(cluster.run.dir, 'home'),
          SKIFF_CONFIG: cluster.configFile,
          TERM: 'xterm',
          SHELL: '/bin/sh',
        },
        stdio: ['pipe', 'pipe', 'pipe'],
      },
    );
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.#output += text;
      });
    }
    this.#child.stdin.on('error', () => {});
    this.#ended = new Promise((resolve, reject) => {
      this.#child.on('error', reject).on('close', (code) => resolve(code ?? 128));
    });
  }

  /** Everything printed so far, control sequences and all. */
  get output(): string {
    return this.#output;
  }

  /** Presses these keys. */
  type(keys: string): void {
    this.#child.stdin.write(keys);
  }

  /** Waits until what is printed from `from` on (an offset into {@link output}) matches. */
  async until(pattern: RegExp, from = 0): Promise<string> {
    await waitFor(`the terminal to show ${pattern}`, () => {
      if (pattern.test(this.#output.slice(from))) return true;
      throw new Error(JSON.stringify(this.#output.slice(from)));
    });
    return this.#output.slice(from);
  }

  /** Types a line and waits until the answer matches. */
  ask(line: string, pattern: RegExp): Promise<string> {
    const from = this.#output.length;
    this.type(`${line}\r`);
    return this.until(pattern, from);
  }

  /** Changes the size of the window. */
  resize(rows: number, columns: number): void {
    const device = this.#device(this.#child.pid ?? 0);
    if (device === undefined) throw new Error('the terminal is not there');
    execFileSync('stty', ['-F', device, 'rows', String(rows), 'cols', String(columns)]);
  }

  /** The exit code, once the script has ended. Kills it after 20 s. */
  async exitCode(): Promise<number> {
    const timer = setTimeout(() => this.kill(), 20_000);
    const code = await this.#ended;
    clearTimeout(timer);
    return code;
  }

  /** Ends everything on the terminal. */
  kill(): void {
    this.#child.kill('SIGKILL');
  }

  /** The terminal that a descendant of the process reads from. */
  #device(pid: number): string | undefined {
    for (const child of childrenOf(pid)) {
      const input = readLink(`/proc/${child}/fd/0`);
      const found = input.startsWith('/dev/pts/') ? input : this.#device(child);
      if (found !== undefined) return found;
    }
    return undefined;
  }
}

function childrenOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((task) =>
      readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number),
    );
  } catch {
    return [];
  }
}

function readLink(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}
