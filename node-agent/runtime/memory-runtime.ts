import { aborted } from '../../lib/aborted.ts';
import { interpret, type MemoryInterpreter, type MemoryProgram, memoryExec } from './memory-programs.ts';
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
} from './runtime.ts';

interface MemoryContainer {
  readonly config: ContainerConfig;
  readonly createdAt: string;
  program: MemoryProgram;
  facts: ContainerFacts;
  timer: NodeJS.Timeout | undefined;
  log: string;
  resources: ContainerResources;
}

/**
 * The Runtime port in memory, with the semantics of the real one: states, idempotence, errors and exits are the same, only
 * nothing runs. Commands are interpreted: `true`, `false`, `sleep N`, `echo …` and `sh -c` with `exit N`, `echo X`,
 * `trap 'exit N' TERM` and endless loops; tests may give an interpreter of their own, and end a container with `exit`.
 */
export class MemoryRuntime implements Runtime {
  /** Tried first; null falls back to the built-in one. */
  interpreter: MemoryInterpreter = () => null;
  /** Every mutating call in order, as `createContainer <id>`, for assertions about what did *not* happen. */
  readonly calls: string[] = [];
  readonly #sandboxes = new Map<string, Sandbox>();
  readonly #containers = new Map<string, MemoryContainer>();
  readonly #listeners = new Set<(exit: ContainerExit) => void>();
  readonly #failures = new Map<string, RuntimeError>();
  #waiters: (() => void)[] = [];
  #nextPid = 1000;

  /** Makes the next call of a method fail, e.g. `failNext('createContainer', new RuntimeError(…))`. */
  failNext(method: keyof Runtime, error: RuntimeError): void {
    this.#failures.set(method, error);
  }

  /** Ends a running container as its process would; `oomKilled` as the kernel would. */
  exit(id: string, exitCode: number, options: { readonly oomKilled?: boolean } = {}): void {
    const container = this.#containers.get(id);
    if (container === undefined || container.facts.state !== 'running') {
      throw new Error(`Cannot end container ${id}: it does not run`);
    }
    this.#end(container, { state: 'exited', exitCode, oomKilled: options.oomKilled ?? false });
  }

  /** What a killed monitor leaves: the process runs on and no exit will be told. */
  loseMonitor(id: string): void {
    const container = this.#containers.get(id);
    if (container !== undefined) {
      this.#end(container, { state: 'lost' });
    }
  }

  /** What the container has printed. */
  log(id: string): string {
    return this.#containers.get(id)?.log ?? '';
  }

  createSandbox(config: SandboxConfig): Promise<Sandbox> {
    return this.#do('createSandbox', config.podUid, () => {
      const existing = this.#sandboxes.get(config.podUid);
      if (existing?.ready === true) {
        return existing;
      }
      const { namespaces } = config;
      const folder = `/memory/sandboxes/${config.podUid}`;
      const sandbox: Sandbox = {
        podUid: config.podUid,
        podName: config.podName,
        podNamespace: config.podNamespace,
        hostname: config.hostname,
        namespaces,
        netnsPath: namespaces.hostNetwork ? null : `${folder}/net`,
        utsnsPath: namespaces.hostNetwork ? null : `${folder}/uts`,
        ipcnsPath: namespaces.hostIPC ? null : `${folder}/ipc`,
        pidnsPath: namespaces.shareProcessNamespace && !namespaces.hostPID ? `${folder}/pid` : null,
        shmPath: namespaces.hostIPC ? null : `${folder}/shm`,
        cgroupPath: config.cgroupPath,
        labels: config.labels ?? {},
        createdAt: new Date().toISOString(),
        ready: true,
      };
      this.#sandboxes.set(config.podUid, sandbox);
      return sandbox;
    });
  }

  removeSandbox(podUid: string): Promise<void> {
    return this.#do('removeSandbox', podUid, () => {
      for (const container of [...this.#containers.values()]) {
        if (container.config.podUid === podUid) {
          this.#remove(container.config.id);
        }
      }
      this.#sandboxes.delete(podUid);
    });
  }

  inspectSandbox(podUid: string): Promise<Sandbox | null> {
    return Promise.resolve(this.#sandboxes.get(podUid) ?? null);
  }

  listSandboxes(): Promise<readonly Sandbox[]> {
    return Promise.resolve([...this.#sandboxes.values()]);
  }

  createContainer(config: ContainerConfig): Promise<ContainerFacts> {
    return this.#do('createContainer', config.id, () => {
      const what = `Cannot create container ${config.name} of pod ${config.podNamespace}/${config.podName}`;
      const existing = this.#containers.get(config.id);
      if (existing !== undefined) {
        return existing.facts;
      }
      if (this.#sandboxes.get(config.podUid)?.ready !== true) {
        throw new RuntimeError('NotFound', `${what}: the pod has no sandbox`);
      }
      const program = config.argv.length === 0 ? null : this.#interpret(config.argv, config.id);
      if (program === null) {
        const why =
          config.argv.length === 0 ? 'no command specified' : `executable file \`${config.argv[0]}\` not found`;
        throw new RuntimeError('CannotRun', `${what}: ${why}`);
      }
      const container: MemoryContainer = {
        config,
        createdAt: new Date().toISOString(),
        program,
        facts: initialFacts(config, { pid: this.#nextPid++, startTime: this.#nextPid }),
        timer: undefined,
        log: '',
        resources: config.resources ?? {},
      };
      this.#containers.set(config.id, container);
      return container.facts;
    });
  }

  startContainer(id: string): Promise<ContainerFacts> {
    return this.#do('startContainer', id, () => {
      const container = this.#known(id);
      if (container.facts.state === 'running') {
        return container.facts;
      }
      if (container.facts.state !== 'created') {
        throw new RuntimeError('Conflict', `Cannot start container ${id}: it is ${container.facts.state}, not created`);
      }
      const { exitCode, afterMs, stdout, stderr } = container.program;
      container.facts = { ...container.facts, state: 'running', startedAt: new Date().toISOString() };
      container.log = `${stdout ?? ''}${stderr ?? ''}`;
      if (exitCode !== undefined) {
        container.timer = setTimeout(() => this.#end(container, { state: 'exited', exitCode }), afterMs ?? 0);
      }
      return container.facts;
    });
  }

  killContainer(id: string, signal: string | number): Promise<void> {
    return this.#do('killContainer', `${id} ${signal}`, () => {
      const container = this.#containers.get(id);
      if (container === undefined || (container.facts.state !== 'running' && container.facts.state !== 'created')) {
        return;
      }
      const text = String(signal).replace(/^SIG/, '');
      if (text === 'KILL' || text === '9') {
        this.#end(container, { state: 'exited', exitCode: 137 });
      } else if ((text === 'TERM' || text === '15') && container.program.onTerm !== undefined) {
        this.#end(container, { state: 'exited', exitCode: container.program.onTerm });
      }
    });
  }

  removeContainer(id: string): Promise<void> {
    return this.#do('removeContainer', id, () => this.#remove(id));
  }

  updateResources(id: string, resources: ContainerResources): Promise<void> {
    return this.#do('updateResources', id, () => {
      const container = this.#known(id);
      if (container.facts.state === 'exited') {
        throw new RuntimeError('Conflict', `Cannot change the limits of container ${id}: it has exited`);
      }
      container.resources = { ...container.resources, ...resources };
    });
  }

  inspect(id: string): Promise<ContainerFacts | null> {
    return Promise.resolve(this.#containers.get(id)?.facts ?? null);
  }

  listContainers(podUid?: string): Promise<readonly ContainerFacts[]> {
    const all = [...this.#containers.values()].map((container) => container.facts);
    return Promise.resolve(podUid === undefined ? all : all.filter((facts) => facts.podUid === podUid));
  }

  async waitExit(id: string, signal?: AbortSignal): Promise<ContainerFacts | null> {
    for (;;) {
      signal?.throwIfAborted();
      const facts = this.#containers.get(id)?.facts ?? null;
      if (facts === null || facts.state === 'exited' || facts.state === 'lost') {
        return facts;
      }
      await new Promise<void>((resolve, reject) => {
        this.#waiters.push(resolve);
        signal?.addEventListener('abort', () => reject(signal.reason), { once: true });
      });
    }
  }

  exec(id: string, options: ExecOptions): Promise<ExecSession> {
    const container = this.#containers.get(id);
    if (container?.facts.state !== 'running') {
      const why = container === undefined ? 'there is no such container' : `it is ${container.facts.state}`;
      return Promise.reject(new RuntimeError('NotFound', `Cannot run a command in container ${id}: ${why}`));
    }
    return Promise.resolve(memoryExec(this.#interpret(options.argv, id), options));
  }

  async execSync(
    id: string,
    options: ExecOptions & { readonly input?: string; readonly maxOutputBytes?: number },
  ): Promise<ExecResult> {
    const failure = this.#failures.get('execSync');
    this.#failures.delete('execSync');
    if (failure !== undefined) {
      throw failure;
    }
    const session = await this.exec(id, { ...options, stdin: options.input !== undefined });
    const texts = { stdout: '', stderr: '' };
    session.stdout.on('data', (chunk: Buffer) => {
      texts.stdout += chunk.toString('utf8');
    });
    session.stderr.on('data', (chunk: Buffer) => {
      texts.stderr += chunk.toString('utf8');
    });
    session.stdin?.end(options.input ?? '');
    const status = await session.done;
    const limit = options.maxOutputBytes ?? 64 * 1024;
    return { ...status, stdout: texts.stdout.slice(0, limit), stderr: texts.stderr.slice(0, limit) };
  }

  attach(id: string): Promise<ExecSession> {
    const container = this.#containers.get(id);
    if (container?.facts.state !== 'running') {
      return Promise.reject(new RuntimeError('NotFound', `Cannot attach to container ${id}: it does not run`));
    }
    const session = memoryExec({}, { argv: ['attach'], stdin: true });
    return Promise.resolve(session);
  }

  reopenLog(): Promise<void> {
    return Promise.resolve();
  }

  onExit(listener: (exit: ContainerExit) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  run(signal: AbortSignal): Promise<void> {
    return aborted(signal);
  }

  adopt(): Promise<RuntimeInventory> {
    return Promise.resolve({
      sandboxes: [...this.#sandboxes.values()],
      containers: [...this.#containers.values()].map((container) => container.facts),
      undone: [],
    });
  }

  version(): Promise<RuntimeVersion> {
    return Promise.resolve({ name: 'memory', version: '1' });
  }

  #do<T>(method: keyof Runtime, subject: string, work: () => T): Promise<T> {
    this.calls.push(`${method} ${subject}`);
    const failure = this.#failures.get(method);
    this.#failures.delete(method);
    if (failure !== undefined) {
      return Promise.reject(failure);
    }
    try {
      return Promise.resolve(work());
    } catch (err) {
      return Promise.reject(err instanceof Error ? err : new Error(String(err)));
    }
  }

  #interpret(argv: readonly string[], id: string): MemoryProgram | null {
    return this.interpreter(argv, id) ?? interpret(argv);
  }

  #known(id: string): MemoryContainer {
    const container = this.#containers.get(id);
    if (container === undefined) {
      throw new RuntimeError('NotFound', `Cannot find container ${id}: there is no such container`);
    }
    return container;
  }

  #end(
    container: MemoryContainer,
    how: { readonly state: 'exited' | 'lost'; readonly exitCode?: number; readonly oomKilled?: boolean },
  ): void {
    clearTimeout(container.timer);
    const exited = how.state === 'exited';
    container.facts = {
      ...container.facts,
      state: how.state,
      process: exited ? null : container.facts.process,
      exitCode: how.exitCode ?? null,
      oomKilled: how.oomKilled ?? false,
      finishedAt: exited ? new Date().toISOString() : null,
    };
    const { id, podUid } = container.config;
    for (const listener of this.#listeners) {
      listener({ id, podUid });
    }
    this.#wake();
  }

  #remove(id: string): void {
    clearTimeout(this.#containers.get(id)?.timer);
    this.#containers.delete(id);
    this.#wake();
  }

  #wake(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const wake of waiters) {
      wake();
    }
  }
}

function initialFacts(config: ContainerConfig, process: ContainerFacts['process']): ContainerFacts {
  return {
    id: config.id,
    podUid: config.podUid,
    podName: config.podName,
    podNamespace: config.podNamespace,
    name: config.name,
    attempt: config.attempt,
    state: 'created',
    process,
    exitCode: null,
    oomKilled: false,
    createdAt: new Date().toISOString(),
    startedAt: null,
    finishedAt: null,
    logPath: config.logPath,
    cgroupPath: config.cgroupPath,
    stopSignal: config.stopSignal ?? null,
    labels: config.labels ?? {},
  };
}
