import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { build } from 'esbuild';
import { CgroupTree } from '../../node-agent/cgroups/cgroup-tree.ts';
import { ConmonCrunRuntime } from '../../node-agent/runtime/conmon-crun/conmon-crun-runtime.ts';
import type { ContainerConfig, Sandbox, SandboxConfig, StepListener } from '../../node-agent/runtime/runtime.ts';

const PROGRAMS = ['crun', 'conmon', 'busybox', 'unshare', 'ip'];
const APPLETS =
  'sh ls cat echo sleep true false id hostname mount ps kill dd yes head stty tty seq touch env ip wget httpd nc ping pwd setsid';

/** Why tests with real containers cannot run here, or null. */
export function whyNoContainers(): string | null {
  if (process.getuid?.() !== 0) {
    return 'needs root';
  }
  const folders = (process.env.PATH ?? '').split(':').concat('/usr/sbin', '/sbin');
  const missing = PROGRAMS.filter((name) => !folders.some((folder) => existsSync(join(folder, name))));
  return missing.length > 0 ? `needs ${missing.join(', ')}` : null;
}

/** Options of the runtime under test. */
export interface RuntimeHostOptions {
  readonly onStep?: StepListener;
  readonly resyncMs?: number;
  readonly ociRuntime?: 'crun' | 'runc';
}

/** One machine in small: a root folder and a cgroup root of its own, and a root filesystem with busybox. */
export class RuntimeHost {
  readonly runId: string;
  readonly root: string;
  readonly rootfs: string;
  readonly cgroups: CgroupTree;
  readonly runtime: ConmonCrunRuntime;
  readonly warnings: string[] = [];
  #next = 0;

  constructor(options: RuntimeHostOptions = {}) {
    this.runId = Math.random().toString(36).slice(2, 8);
    this.root = mkdtempSync(join(tmpdir(), `skiff-rt-${this.runId}-`));
    this.rootfs = join(this.root, 'rootfs');
    makeRootfs(this.rootfs);
    this.cgroups = new CgroupTree(`skiff-${this.runId}`);
    this.runtime = this.newRuntime(options);
  }

  /** Another runtime on the same files, as after a restart. */
  newRuntime(options: RuntimeHostOptions = {}): ConmonCrunRuntime {
    return new ConmonCrunRuntime({
      root: this.root,
      cgroups: this.cgroups,
      onWarning: (warning) => this.warnings.push(warning),
      ...options,
    });
  }

  sandboxConfig(changes: Partial<SandboxConfig> = {}): SandboxConfig {
    this.#next += 1;
    const podUid = changes.podUid ?? `${this.runId}-${this.#next}`;
    return {
      podUid,
      podName: `pod-${this.#next}`,
      podNamespace: 'default',
      hostname: `pod-${this.#next}`,
      namespaces: { hostNetwork: false, hostPID: false, hostIPC: false, shareProcessNamespace: false },
      cgroupPath: `${this.cgroups.root}/burstable/pod${podUid}`,
      ...changes,
    };
  }

  containerConfig(sandbox: Sandbox, argv: readonly string[], changes: Partial<ContainerConfig> = {}): ContainerConfig {
    this.#next += 1;
    const id = changes.id ?? `${sandbox.podUid}-c${this.#next}`;
    return {
      id,
      podUid: sandbox.podUid,
      podName: sandbox.podName,
      podNamespace: sandbox.podNamespace,
      name: 'main',
      attempt: 0,
      rootfsPath: this.rootfs,
      argv,
      env: ['PATH=/bin'],
      uid: 0,
      gid: 0,
      cgroupPath: `${sandbox.cgroupPath}/${id}`,
      logPath: join(this.root, 'logs', `${id}.log`),
      ...changes,
    };
  }

  /** Removes everything, and returns what nevertheless stayed (nothing, when all is well). */
  async close(): Promise<readonly string[]> {
    for (const sandbox of await this.runtime.listSandboxes()) {
      await this.runtime.removeSandbox(sandbox.podUid);
    }
    await this.cgroups.remove(this.cgroups.root);
    const left = this.leftovers();
    rmSync(this.root, { recursive: true, force: true });
    return left;
  }

  /** Processes, mounts and cgroups that carry this run's name. */
  leftovers(): readonly string[] {
    const mounts = readFileSync('/proc/self/mounts', 'utf8').split('\n');
    return [
      ...mounts.filter((line) => line.includes(this.root)).map((line) => `mount ${line}`),
      ...processesNaming(this.root).map((line) => `process ${line}`),
      ...this.cgroups.layout.hierarchies
        .map((hierarchy) => `${hierarchy}/${this.cgroups.root}`)
        .filter((folder) => existsSync(folder))
        .map((folder) => `cgroup ${folder}`),
    ];
  }
}

/** Command lines that name `text`, this process's own left out. */
export function processesNaming(text: string): readonly string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .flatMap((pid) => {
      try {
        const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
        return line.includes(text) ? [`${pid} ${line}`] : [];
      } catch {
        return [];
      }
    });
}

/** Waits until `condition` gives something, and names what was waited for when it does not in time. */
export async function eventually<T>(
  what: string,
  condition: () => T | null | undefined | false | Promise<T | null | undefined | false>,
  timeoutMs = 15_000,
): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const value = await condition();
    if (value !== null && value !== undefined && value !== false) {
      return value;
    }
    if (Date.now() > deadline) {
      throw new Error(`Waited ${timeoutMs} ms in vain for ${what}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** A root filesystem with a statically linked busybox under its usual names. */
export function makeRootfs(folder: string): void {
  for (const name of ['bin', 'proc', 'sys', 'dev', 'tmp', 'etc']) {
    mkdirSync(join(folder, name), { recursive: true });
  }
  const busybox = ['/bin/busybox', '/usr/bin/busybox'].find((path) => existsSync(path)) ?? 'busybox';
  copyFileSync(busybox, join(folder, 'bin/busybox'));
  for (const applet of APPLETS.split(' ')) {
    symlinkSync('busybox', join(folder, 'bin', applet));
  }
}

/** A driver process (see runtime-driver.ts) and its calls. */
export class RuntimeDriver {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #waiting = new Map<
    number,
    { readonly resolve: (value: unknown) => void; readonly reject: (err: unknown) => void }
  >();
  #nextId = 1;

  private constructor(child: ChildProcessWithoutNullStreams) {
    this.#child = child;
    createInterface({ input: child.stdout }).on('line', (line) => {
      const message: { id: number; result?: unknown; error?: { message: string; code?: string } } = JSON.parse(line);
      const waiting = this.#waiting.get(message.id);
      this.#waiting.delete(message.id);
      if (message.error === undefined) {
        waiting?.resolve(message.result);
      } else {
        waiting?.reject(Object.assign(new Error(message.error.message), { code: message.error.code }));
      }
    });
    child.stderr.on('data', (chunk: Buffer) => process.stderr.write(chunk));
    child.once('exit', () => {
      for (const { reject } of this.#waiting.values()) {
        reject(new Error('the driver ended'));
      }
    });
  }

  /** Bundles the driver once per folder and starts it, in a network namespace when one is given. */
  static async start(options: {
    readonly folder: string;
    readonly config: object;
    readonly netns?: string;
  }): Promise<RuntimeDriver> {
    const outfile = join(options.folder, 'driver.mjs');
    if (!existsSync(outfile)) {
      await build({
        entryPoints: [join(import.meta.dirname, 'runtime-driver.ts')],
        bundle: true,
        platform: 'node',
        format: 'esm',
        outfile,
        logLevel: 'silent',
      });
    }
    const command = [process.execPath, outfile, JSON.stringify(options.config)];
    const argv = options.netns === undefined ? command : ['nsenter', `--net=${options.netns}`, ...command];
    const driver = new RuntimeDriver(spawn(argv[0] ?? '', argv.slice(1), { stdio: 'pipe' }));
    await driver.#expect(0);
    return driver;
  }

  get pid(): number {
    return this.#child.pid ?? -1;
  }

  call<T>(target: 'runtime' | 'network', method: string, ...args: readonly unknown[]): Promise<T> {
    const id = this.#nextId++;
    const answered = this.#expect(id);
    this.#child.stdin.write(`${JSON.stringify({ id, target, method, args })}\n`);
    return answered as Promise<T>;
  }

  /** Ends the driver as hard as can be, and waits until it is gone. Its pending calls reject. */
  async kill(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      this.#child.kill('SIGKILL');
      await once(this.#child, 'exit');
    }
  }

  #expect(id: number): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
    });
  }
}
