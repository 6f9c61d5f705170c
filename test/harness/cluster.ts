/**
 * A whole one-node cluster as a user runs it, built product and all, in a world of its own: network namespace, state folder,
 * cgroup tree, link names. Started by `skiff up`, ended by `skiff down --purge`, and proven gone.
 */
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ProcessRef } from '../../lib/process.ts';
import { processRef } from '../../lib/process.ts';
import { forgetRun, newRun, type TestRun } from './run.ts';
import { cgroupRoot, findTraces, netnsName, removeTraces } from './traces.ts';
import { waitFor } from './wait.ts';

const project = join(import.meta.dirname, '../..');
const launcher = join(project, 'bin/skiff');

/** What a command printed and how it ended. */
export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Options of one command. */
export interface CommandOptions {
  readonly stdin?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
  /** Told what is printed on standard output, as it comes. */
  readonly onOutput?: (text: string) => void;
  /** Sends SIGINT when it aborts. */
  readonly interrupt?: AbortSignal;
}

/** Why clusters cannot run here; undefined when they can. Tests skip with this reason. */
export function clusterUnavailable(): string | undefined {
  if (process.getuid?.() !== 0) return 'needs root';
  if (!existsSync(join(project, 'dist/cli.cjs'))) return 'needs the built product (npm run build)';
  for (const tool of ['etcd', 'crun', 'conmon', 'nft', 'ip', 'nsenter']) {
    try {
      execFileSync('sh', ['-c', `command -v ${tool}`], { stdio: 'ignore' });
    } catch {
      return `needs ${tool}`;
    }
  }
  return undefined;
}

/** How a world is made. */
export interface WorldOptions {
  readonly upArgs?: readonly string[];
  readonly runOnTmpfs?: boolean;
  /** `node-1` unless given. */
  readonly nodeName?: string;
  /** Connects the new network namespace with others. */
  readonly connect?: (netns: string) => void;
  /** Makes the machine part of a cluster; `skiff up` unless given. */
  readonly begin?: (cluster: TestCluster) => Promise<unknown>;
  /** What ends it: a machine that joined leaves. */
  readonly end?: 'down' | 'leave';
}

/** A running cluster; or one machine of several, see `machines.ts`. */
export class TestCluster {
  readonly run: TestRun;
  readonly netns: string;
  readonly nodeName: string;
  readonly #end: 'down' | 'leave';
  #tmpfs: string | undefined;

  private constructor(run: TestRun, { nodeName = 'node-1', end = 'down' }: WorldOptions) {
    this.run = run;
    this.netns = netnsName(run);
    this.nodeName = nodeName;
    this.#end = end;
  }

  /**
   * Makes the world and runs `skiff up` in it, without the demo application. With `runOnTmpfs`, what a reboot clears lies in memory, as
   * `/run` does on a real machine.
   */
  static async start(options: WorldOptions = {}): Promise<TestCluster> {
    const cluster = new TestCluster(newRun(), options);
    if (options.runOnTmpfs === true) {
      mkdirSync(join(cluster.run.dir, 'run'));
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'mode=755', 'skiff-test', join(cluster.run.dir, 'run')]);
      cluster.#tmpfs = join(cluster.run.dir, 'run');
    }
    mkdirSync(join(cluster.run.dir, 'home'), { recursive: true });
    execFileSync('ip', ['netns', 'add', cluster.netns]);
    execFileSync('nsenter', [`--net=/run/netns/${cluster.netns}`, 'ip', 'link', 'set', 'lo', 'up']);
    try {
      options.connect?.(cluster.netns);
      await (options.begin ?? ((made) => made.up(options.upArgs)))(cluster);
    } catch (err) {
      const logs = cluster.logs();
      await cluster.stop().catch(() => {});
      throw new Error(`the test cluster did not start\n${logs}`, { cause: err });
    }
    return cluster;
  }

  /** Runs `skiff up` (again). */
  async up(args: readonly string[] = []): Promise<CommandResult> {
    const named = ['--node-name', this.nodeName];
    return this.ok(['up', '--no-demo', ...this.world, ...named, ...args], { timeoutMs: 120_000 });
  }

  /** The options that say what on this machine is its own. */
  get world(): readonly string[] {
    const { id, dir } = this.run;
    return ['--root', dir, '--cgroup-root', cgroupRoot(this.run), '--link-prefix', `k${id}`];
  }

  /** `skiff <args>` inside the world; its result whatever the exit code. */
  skiff(args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
    return this.command(this.skiffArgv(args), options);
  }

  /** The words that start `skiff <args>`. */
  skiffArgv(args: readonly string[]): string[] {
    return [process.execPath, launcher, ...args];
  }

  /** Any command inside the world's network namespace. */
  command(argv: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
    return new Promise((resolve, reject) => {
      const child = spawn('nsenter', [`--net=/run/netns/${this.netns}`, ...argv], {
        env: {
          ...process.env,
          NO_COLOR: '1',
          HOME: join(this.run.dir, 'home'),
          SKIFF_CONFIG: this.configFile,
          ...options.env,
        },
        stdio: ['pipe', 'pipe', 'pipe'],
      });
      const timer = setTimeout(() => child.kill('SIGKILL'), options.timeoutMs ?? 60_000);
      let stdout = '';
      let stderr = '';
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        stdout += text;
        options.onOutput?.(text);
      });
      child.stderr.setEncoding('utf8').on('data', (text: string) => {
        stderr += text;
      });
      child.on('error', reject);
      child.on('close', (code, signal) => {
        clearTimeout(timer);
        resolve({ code: code ?? 128, stdout, stderr: signal === null ? stderr : `${stderr}\n(ended by ${signal})` });
      });
      options.interrupt?.addEventListener('abort', () => child.kill('SIGINT'), { once: true });
      child.stdin.on('error', () => {});
      child.stdin.end(options.stdin ?? '');
    });
  }

  /** `skiff <args>`, which must succeed. */
  async ok(args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
    const result = await this.skiff(args, options);
    if (result.code !== 0)
      throw new Error(`skiff ${args.join(' ')} ended with ${result.code}\n${result.stderr}${result.stdout}`);
    return result;
  }

  /** `skiff get … -o json`, parsed. */
  async json<T>(...args: readonly string[]): Promise<T> {
    return JSON.parse((await this.ok(['get', ...args, '-o', 'json'])).stdout) as T;
  }

  /** The cluster's admin configuration. */
  get configFile(): string {
    return join(this.run.dir, 'home/.skiff/config');
  }

  /** A file inside the world, with text. */
  path(...parts: readonly string[]): string {
    return join(this.run.dir, ...parts);
  }

  /** The process of the server or agent, from the pid file its keeper writes. */
  process(name: 'server' | 'agent'): ProcessRef | undefined {
    const file = this.path('run/skiff', `${name}.pid`);
    return existsSync(file) ? (processRef(Number(readFileSync(file, 'utf8'))) ?? undefined) : undefined;
  }

  /** The last lines of the programs' logs. */
  logs(): string {
    return ['server', 'agent', 'etcd']
      .map((name) => this.path('var/log/skiff', `${name}.log`))
      .filter((file) => existsSync(file))
      .map((file) => `--- ${file}\n${readFileSync(file, 'utf8').split('\n').slice(-30).join('\n')}`)
      .join('\n');
  }

  /** `skiff down`: everything stops and the data stays, until {@link up}. */
  async down(): Promise<CommandResult> {
    return this.ok(['down', ...this.world], { timeoutMs: 90_000 });
  }

  /** `skiff down --purge` or `skiff leave`, the namespace removed, and the proof that nothing stayed. Throws with what did. */
  async stop(): Promise<void> {
    const end = this.#end === 'down' ? ['down', '--purge'] : ['leave'];
    const down = await this.skiff([...end, ...this.world], { timeoutMs: 90_000 });
    if (this.#tmpfs !== undefined) execFileSync('umount', ['-l', this.#tmpfs]);
    const before = findTraces(this.run).filter((line) => !line.startsWith('network namespace'));
    execFileSync('ip', ['netns', 'del', this.netns]);
    let left: string[] = before;
    try {
      left = await waitFor(
        'the traces to go',
        () => {
          const traces = findTraces(this.run);
          return traces.length === 0 ? traces : undefined;
        },
        { timeoutMs: 3000 },
      );
    } catch {
      left = findTraces(this.run);
    }
    const problem = down.code !== 0 || left.length > 0;
    removeTraces(this.run);
    forgetRun(this.run);
    if (problem)
      throw new Error(
        `skiff ${end[0]} ended with ${down.code} and left:\n${left.join('\n')}\n${down.stdout}${down.stderr}`,
      );
  }
}
