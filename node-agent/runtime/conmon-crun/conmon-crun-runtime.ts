import type { CgroupTree } from '../../cgroups/cgroup-tree.ts';
import type { NodeFacts } from '../oci-spec.ts';
import {
  type ContainerConfig,
  type ContainerExit,
  type ContainerFacts,
  type ContainerResources,
  type ExecOptions,
  type ExecResult,
  type ExecSession,
  type Runtime,
  RuntimeError,
  type RuntimeInventory,
  type RuntimeVersion,
  type Sandbox,
  type SandboxConfig,
  type StepListener,
} from '../runtime.ts';
import { attachToContainer } from './attach.ts';
import { Containers } from './containers.ts';
import { collect, killLeftoverExecs, startExec } from './exec-session.ts';
import { ExitWatch } from './exit-watch.ts';
import { asRuntimeError, Launcher } from './launcher.ts';
import { reopenMonitorLog } from './monitor-control.ts';
import { readNodeFacts } from './node-facts.ts';
import { chooseOciRuntime, type OciRuntimeChoice } from './oci-runtime-choice.ts';
import { listFolder, RuntimePaths, removePath } from './records.ts';
import { Sandboxes } from './sandboxes.ts';
import { SeccompCache } from './seccomp-cache.ts';

/** How to make a {@link ConmonCrunRuntime}. */
export interface ConmonCrunOptions {
  /** Everything is kept under `<root>/run/skiff`. */
  readonly root: string;
  readonly cgroups: CgroupTree;
  /** Default: crun where it can run, else runc. */
  readonly ociRuntime?: 'crun' | 'runc';
  /** How often exits and monitors are looked at without a hint. Default 10,000. */
  readonly resyncMs?: number;
  /** Steps of each call, timed. */
  readonly onStep?: StepListener;
  /** Something could not be granted or had to be worked around, in plain words; each text once. */
  readonly onWarning?: (warning: string) => void;
}

/** The beginning of an id that carries a pod's uid. */
const UID_FIRST = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}-/;
const DEFAULT_RESYNC_MS = 10_000;
const WAIT_RECHECK_MS = 1000;
const DEFAULT_MAX_OUTPUT_BYTES = 64 * 1024;

/** Why a wait is over. */
type Hint = 'hinted' | 'everything' | 'timeout';

/** Somebody who waits for news of one container, or of any. */
interface Waiter {
  readonly id: string | null;
  readonly wake: (hint: Hint) => void;
}

/**
 * The Runtime port on crun (or runc) under conmon. conmon, not this process, is the parent of each container and writes
 * its log and exit file; all state is in files, so this class may be thrown away and made again at any time.
 */
export class ConmonCrunRuntime implements Runtime {
  readonly #paths: RuntimePaths;
  readonly #cgroups: CgroupTree;
  readonly #launcher: Launcher;
  readonly #sandboxes: Sandboxes;
  readonly #containers: Containers;
  readonly #exitWatch: ExitWatch;
  readonly #listeners = new Set<(exit: ContainerExit) => void>();
  readonly #waiters = new Set<Waiter>();
  /** Containers that hints were about since the last look at them. */
  readonly #suspects = new Set<string>();
  #reporting = false;
  readonly #reported = new Set<string>();
  readonly #warned = new Set<string>();
  readonly #resyncMs: number;
  readonly #onWarning: (warning: string) => void;
  readonly #only: 'crun' | 'runc' | undefined;
  #facts: NodeFacts | null = null;
  #choice: Promise<OciRuntimeChoice> | null = null;
  #prepared = false;

  constructor(options: ConmonCrunOptions) {
    this.#paths = new RuntimePaths(options.root);
    this.#cgroups = options.cgroups;
    this.#resyncMs = options.resyncMs ?? DEFAULT_RESYNC_MS;
    this.#onWarning = options.onWarning ?? (() => undefined);
    const onStep = options.onStep ?? (() => undefined);
    this.#only = options.ociRuntime;
    const launcher = new Launcher(`${this.#paths.run}/shells/runtime`);
    this.#launcher = launcher;
    const shared = { paths: this.#paths, cgroups: options.cgroups, launcher, onStep };
    this.#sandboxes = new Sandboxes(shared);
    this.#containers = new Containers({
      ...shared,
      facts: () => Promise.resolve(this.#nodeFacts()),
      ociRuntime: () => this.#ociRuntime(),
      seccompCache: new SeccompCache(`${this.#paths.run}/seccomp`),
      onWarning: (warning) => this.#warn(warning),
      waitForExit: (id, timeoutMs) => this.#waitForExit(id, timeoutMs),
    });
    this.#exitWatch = new ExitWatch({ folder: this.#paths.exits, onHint: (name) => this.#hint(name) });
  }

  async createSandbox(config: SandboxConfig): Promise<Sandbox> {
    this.#prepare();
    return this.#sandboxes.create(config);
  }

  async removeSandbox(podUid: string): Promise<void> {
    const containers = await this.listContainers(podUid);
    await Promise.all(containers.map((container) => this.removeContainer(container.id)));
    await this.#sandboxes.remove(podUid);
  }

  inspectSandbox(podUid: string): Promise<Sandbox | null> {
    return Promise.resolve(this.#sandboxes.inspect(podUid));
  }

  listSandboxes(): Promise<readonly Sandbox[]> {
    return Promise.resolve(this.#sandboxes.list());
  }

  async createContainer(config: ContainerConfig): Promise<ContainerFacts> {
    this.#prepare();
    const sandbox = this.#sandboxes.inspect(config.podUid);
    if (sandbox === null || !sandbox.ready) {
      throw new RuntimeError(
        'NotFound',
        `Cannot create container ${config.name} of pod ${config.podNamespace}/${config.podName}: the pod has no sandbox`,
      );
    }
    if (config.argv.length === 0) {
      throw new RuntimeError(
        'CannotRun',
        `Cannot create container ${config.name} of pod ${config.podNamespace}/${config.podName}: no command specified`,
      );
    }
    return this.#containers.create(config, sandbox);
  }

  startContainer(id: string): Promise<ContainerFacts> {
    return this.#containers.start(id);
  }

  killContainer(id: string, signal: string | number): Promise<void> {
    return attempt(() => this.#containers.kill(id, signal));
  }

  removeContainer(id: string): Promise<void> {
    this.#reported.delete(id);
    return this.#containers.remove(id);
  }

  updateResources(id: string, resources: ContainerResources): Promise<void> {
    return attempt(() => this.#containers.updateResources(id, resources));
  }

  inspect(id: string): Promise<ContainerFacts | null> {
    return Promise.resolve(this.#containers.inspect(id));
  }

  listContainers(podUid?: string): Promise<readonly ContainerFacts[]> {
    // Ids made by containerId() begin with their pod's uid: of those only the pod's own need to be read.
    const ids = this.#containers.ids();
    const candidates = podUid === undefined ? ids : ids.filter((id) => id.startsWith(podUid) || !UID_FIRST.test(id));
    const all = candidates.flatMap((id) => this.#containers.inspect(id) ?? []);
    return Promise.resolve(podUid === undefined ? all : all.filter((facts) => facts.podUid === podUid));
  }

  async waitExit(id: string, signal?: AbortSignal): Promise<ContainerFacts | null> {
    for (;;) {
      signal?.throwIfAborted();
      const facts = this.#containers.inspect(id);
      if (facts === null || facts.state === 'exited' || facts.state === 'lost') {
        return facts;
      }
      await this.#nextHint(id, WAIT_RECHECK_MS, signal);
    }
  }

  async exec(id: string, options: ExecOptions): Promise<ExecSession> {
    const facts = this.#containers.inspect(id);
    if (facts === null || (facts.state !== 'running' && facts.state !== 'lost') || facts.process === null) {
      const why = facts === null ? 'there is no such container' : `it is ${facts.state}`;
      throw new RuntimeError('NotFound', `Cannot run a command in container ${id}: ${why}`);
    }
    const { path } = await this.#ociRuntime();
    return startExec(
      {
        id,
        runtime: [path, `--root=${this.#paths.state}`],
        folder: `${this.#paths.bundle(id)}/execs`,
        process: this.#containers.processSpec(id),
        listPids: () => this.#cgroups.processes(facts.cgroupPath),
      },
      options,
    );
  }

  async execSync(
    id: string,
    options: ExecOptions & { readonly input?: string; readonly maxOutputBytes?: number },
  ): Promise<ExecResult> {
    const session = await this.exec(id, { ...options, stdin: options.input !== undefined });
    const limit = options.maxOutputBytes ?? DEFAULT_MAX_OUTPUT_BYTES;
    const stdout = collect(session.stdout, limit);
    const stderr = collect(session.stderr, limit);
    session.stdin?.end(options.input ?? '');
    const status = await session.done;
    return { ...status, stdout: stdout(), stderr: stderr() };
  }

  attach(id: string, options: { readonly stdin?: boolean; readonly signal?: AbortSignal }): Promise<ExecSession> {
    const facts = this.#containers.inspect(id);
    if (facts === null || facts.state === 'exited') {
      return Promise.reject(new RuntimeError('NotFound', `Cannot attach to container ${id}: it does not run`));
    }
    return Promise.resolve(
      attachToContainer(
        { facts, socket: `${this.#paths.bundle(id)}/attach`, exited: (s) => this.waitExit(id, s) },
        options,
      ),
    );
  }

  reopenLog(id: string): Promise<void> {
    reopenMonitorLog(`${this.#paths.bundle(id)}/ctl`);
    return Promise.resolve();
  }

  onExit(listener: (exit: ContainerExit) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async run(signal: AbortSignal): Promise<void> {
    this.#prepare();
    const release = this.#exitWatch.hold();
    try {
      this.#reporting = true;
      let everything = true;
      while (!signal.aborted) {
        const ids = everything ? this.#containers.ids() : [...this.#suspects];
        this.#suspects.clear();
        this.#reportEnded(ids);
        everything = await this.#nextHint(null, this.#resyncMs, signal).then(
          (hint) => hint !== 'hinted',
          () => true,
        );
      }
    } finally {
      this.#reporting = false;
      this.#suspects.clear();
      release();
    }
  }

  async adopt(): Promise<RuntimeInventory> {
    this.#prepare();
    await this.#launcher.killLeftovers();
    const undone: string[] = [];
    for (const id of this.#containers.ids()) {
      const facts = this.#containers.inspect(id);
      if (facts === null || facts.state === 'creating') {
        await this.#containers.remove(id);
        undone.push(`container ${id} was half made`);
        continue;
      }
      const folder = `${this.#paths.bundle(id)}/execs`;
      const killed = await killLeftoverExecs(folder, listFolder(folder), () =>
        this.#cgroups.processes(facts.cgroupPath),
      );
      if (killed > 0) {
        undone.push(`${killed} commands in container ${id} had lost their caller`);
      }
    }
    const known = new Set(this.#containers.ids());
    for (const name of [...listFolder(this.#paths.exits), ...listFolder(this.#paths.state)]) {
      if (!known.has(name)) {
        removePath(this.#paths.exitFile(name));
        removePath(`${this.#paths.state}/${name}`);
      }
    }
    for (const podUid of this.#sandboxes.podUids()) {
      if (this.#sandboxes.inspect(podUid) === null) {
        await this.#sandboxes.remove(podUid);
        undone.push(`the sandbox of pod ${podUid} was half made`);
      }
    }
    const sandboxes = this.#sandboxes.list();
    await this.#removeOwnerlessCgroups(sandboxes, undone);
    return { sandboxes, containers: await this.listContainers(), undone };
  }

  async version(): Promise<RuntimeVersion> {
    const { name, version } = await this.#ociRuntime();
    return { name, version };
  }

  async #removeOwnerlessCgroups(sandboxes: readonly Sandbox[], undone: string[]): Promise<void> {
    const owned = new Set(sandboxes.map((sandbox) => sandbox.cgroupPath));
    for (const path of this.#cgroups.podPaths()) {
      if (!owned.has(path)) {
        await this.#cgroups.remove(path);
        undone.push(`the cgroup ${path} had no pod`);
      }
    }
  }

  #prepare(): void {
    if (this.#prepared) {
      return;
    }
    this.#paths.prepare();
    this.#cgroups.prepare();
    this.#prepared = true;
  }

  #nodeFacts(): NodeFacts {
    this.#facts ??= readNodeFacts(this.#cgroups.layout);
    return this.#facts;
  }

  #ociRuntime(): Promise<OciRuntimeChoice> {
    this.#choice ??= chooseOciRuntime({
      layout: this.#cgroups.layout,
      onWarning: (warning) => this.#warn(warning),
      ...(this.#only === undefined ? {} : { only: this.#only }),
    }).catch((err: unknown) => {
      // Somebody may install it meanwhile: look again at the next call.
      this.#choice = null;
      throw asRuntimeError(err, 'Cannot find a container runtime');
    });
    return this.#choice;
  }

  #warn(warning: string): void {
    if (!this.#warned.has(warning)) {
      this.#warned.add(warning);
      this.#onWarning(warning);
    }
  }

  /** Something may have happened to the container of that name; to any when it is null. */
  #hint(name: string | null): void {
    if (name !== null && this.#reporting) {
      this.#suspects.add(name);
    }
    for (const waiter of [...this.#waiters]) {
      if (name === null || waiter.id === null || waiter.id === name) {
        waiter.wake(name === null ? 'everything' : 'hinted');
      }
    }
  }

  /** Resolves at the next hint about the container, or about any when `id` is null, or after `timeoutMs`; rejects when aborted. */
  #nextHint(id: string | null, timeoutMs: number, signal?: AbortSignal): Promise<Hint> {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      const release = this.#exitWatch.hold();
      const end = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', abort);
        this.#waiters.delete(waiter);
        release();
      };
      const wake = (hint: Hint): void => {
        end();
        resolve(hint);
      };
      const abort = (): void => {
        end();
        reject(signal?.reason as Error);
      };
      const waiter: Waiter = { id, wake };
      const timer = setTimeout(wake, timeoutMs, 'timeout');
      signal?.addEventListener('abort', abort, { once: true });
      this.#waiters.add(waiter);
    });
  }

  async #waitForExit(id: string, timeoutMs: number): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const facts = this.#containers.inspect(id);
      if (facts === null || facts.state === 'exited' || facts.process === null || performance.now() > deadline) {
        return;
      }
      await this.#nextHint(id, Math.min(50, timeoutMs));
    }
  }

  #reportEnded(ids: readonly string[]): void {
    for (const id of ids) {
      if (this.#reported.has(id)) {
        continue;
      }
      const facts = this.#containers.inspect(id);
      if (facts?.state === 'exited' || facts?.state === 'lost') {
        this.#reported.add(id);
        for (const listener of this.#listeners) {
          listener({ id, podUid: facts.podUid });
        }
      }
    }
  }
}

/** Synchronous work behind an asynchronous port: a failure is a rejection. */
function attempt(work: () => void): Promise<void> {
  return new Promise((resolve) => {
    work();
    resolve();
  });
}
