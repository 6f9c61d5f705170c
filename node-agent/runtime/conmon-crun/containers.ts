import { closeSync, constants, mkdirSync, openSync, readFileSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { errorMessage } from '../../../lib/errors.ts';
import { isAlive, type ProcessRef, processRef, signalProcess } from '../../../lib/process.ts';
import type { CgroupTree } from '../../cgroups/cgroup-tree.ts';
import { checkRootfs } from '../../images/rootfs-check.ts';
import { buildOciSpec, type DeviceNode, type NodeFacts, type OciSpec } from '../oci-spec.ts';
import {
  type ContainerConfig,
  type ContainerFacts,
  type ContainerResources,
  RuntimeError,
  type Sandbox,
  type StepListener,
} from '../runtime.ts';
import type { SeccompSpec } from '../seccomp.ts';
import { findProcesses, readContainerFacts, readExit } from './container-facts.ts';
import { type Launcher, missingTool } from './launcher.ts';
import { readAllDeviceNodes, readDeviceNode } from './node-facts.ts';
import type { OciRuntimeChoice } from './oci-runtime-choice.ts';
import { listFolder, type RuntimePaths, readContainerRecord, readText, removePath, writeRecord } from './records.ts';
import type { SeccompCache } from './seccomp-cache.ts';

/** Which program makes containers here, and the cgroup driver's parts. */
export interface ContainerTools {
  readonly paths: RuntimePaths;
  readonly cgroups: CgroupTree;
  readonly launcher: Launcher;
  readonly facts: () => Promise<NodeFacts>;
  /** crun or runc, found and able to run. */
  readonly ociRuntime: () => Promise<OciRuntimeChoice>;
  readonly seccompCache: SeccompCache;
  readonly onStep: StepListener;
  /** Plain words about something that could not be granted; the same words only once. */
  readonly onWarning: (warning: string) => void;
  /** Resolves when the container has an exit file, is gone, or the deadline passed. */
  readonly waitForExit: (id: string, timeoutMs: number) => Promise<void>;
}

const CREATE_TIMEOUT_MS = 60_000;
const KILL_DEADLINE_MS = 10_000;
/** The kernel's own words, as the runtime repeats them, for a command or folder that is not in the image. */
const CANNOT_RUN =
  /not found|no such file|permission denied|exec format|is a directory|not a directory|cannot find|chdir/i;

/** Makes, starts, signals and removes containers: crun under conmon, facts in files. */
export class Containers {
  readonly #tools: ContainerTools;

  constructor(tools: ContainerTools) {
    this.#tools = tools;
  }

  inspect(id: string): ContainerFacts | null {
    return readContainerFacts(this.#tools.paths, this.#tools.cgroups, id);
  }

  /** Ids of everything that has a folder, whole or not. */
  ids(): readonly string[] {
    return listFolder(this.#tools.paths.containers);
  }

  /** What the container's own process was started with. */
  processSpec(id: string): OciSpec['process'] {
    const text = readText(`${this.#tools.paths.bundle(id)}/config.json`);
    if (text === null) {
      throw new RuntimeError('NotFound', `Cannot find container ${id}: there is no such container`);
    }
    const spec: OciSpec = JSON.parse(text);
    return spec.process;
  }

  async create(config: ContainerConfig, sandbox: Sandbox): Promise<ContainerFacts> {
    const existing = this.inspect(config.id);
    if (existing !== null && existing.state !== 'creating') {
      return existing;
    }
    if (existing !== null || readText(`${this.#tools.paths.bundle(config.id)}/config.json`) !== null) {
      await this.remove(config.id);
    }
    const { paths, cgroups, launcher } = this.#tools;
    const bundle = paths.bundle(config.id);
    let started = performance.now();
    await refuseUnfitRootfs(config);
    const built = buildOciSpec({
      config,
      sandbox,
      facts: await this.#tools.facts(),
      ...seccompProfileOf(config),
      ...deviceNodesOf(config),
    });
    for (const warning of built.warnings) {
      this.#tools.onWarning(warning);
    }
    const ociRuntime = await this.#tools.ociRuntime();
    const spec = this.#tools.seccompCache.apply(built.spec, ociRuntime);
    mkdirSync(bundle, { recursive: true, mode: 0o700 });
    mkdirSync(dirname(config.logPath), { recursive: true, mode: 0o755 });
    const createdAt = new Date().toISOString();
    writeRecord(`${bundle}/container.json`, { config, createdAt, process: null, monitor: null });
    writeFileSync(`${bundle}/config.json`, JSON.stringify(spec), { mode: 0o600 });
    this.#tools.onStep('container.bundle', performance.now() - started, config.podUid);
    started = performance.now();
    const failure = `Cannot create container ${config.name} of pod ${config.podNamespace}/${config.podName}`;
    const report = await launcher.monitor({
      joinFiles: cgroups.joinFiles(cgroups.monitorsPath),
      argv: monitorArgv(config, { bundle, paths, ociRuntime: ociRuntime.path }),
      folder: bundle,
      errorFile: `${bundle}/monitor.err`,
      timeoutMs: CREATE_TIMEOUT_MS,
      failure,
    });
    if (report.pid === null) {
      const message = report.message || (readText(`${bundle}/monitor.err`) ?? '').trim();
      await this.remove(config.id);
      if (report.exitCode === 127) {
        throw missingTool('conmon', failure);
      }
      throw new RuntimeError(CANNOT_RUN.test(message) ? 'CannotRun' : 'Failed', `${failure}: ${message}`);
    }
    this.#tools.seccompCache.learn(spec, ociRuntime, `${paths.state}/${config.id}`);
    const monitorPid = Number(readText(`${bundle}/conmon.pid`)?.trim() || Number.NaN);
    writeRecord(`${bundle}/container.json`, {
      config,
      createdAt,
      process: processRef(report.pid),
      monitor: Number.isSafeInteger(monitorPid) ? processRef(monitorPid) : null,
    });
    this.#tools.onStep('container.create', performance.now() - started, config.podUid);
    const facts = this.inspect(config.id);
    if (facts === null) {
      throw new RuntimeError('Failed', `${failure}: its record disappeared`);
    }
    return facts;
  }

  async start(id: string): Promise<ContainerFacts> {
    const facts = this.#known(id);
    if (facts.state === 'running') {
      return facts;
    }
    if (facts.state !== 'created') {
      throw new RuntimeError('Conflict', `Cannot start container ${id}: it is ${facts.state}, not created`);
    }
    const started = performance.now();
    const { paths, launcher } = this.#tools;
    const ociRuntime = await this.#tools.ociRuntime();
    const before = facts.process === null ? null : programOf(facts.process.pid);
    if (ociRuntime.name !== 'crun' || !releaseByFifo(paths.startFifo(id))) {
      await launcher.program(
        ociRuntime.path,
        [`--root=${paths.state}`, 'start', id],
        `Cannot start container ${facts.name} of pod ${facts.podNamespace}/${facts.podName}`,
      );
    }
    if (facts.process !== null && before !== null) {
      await becameItsCommand(facts.process, before);
    }
    writeFileSync(`${paths.bundle(id)}/started`, new Date().toISOString(), { mode: 0o600 });
    this.#tools.onStep('container.start', performance.now() - started, facts.podUid);
    return this.#known(id);
  }

  /** See the port. Signals go straight to the kernel: the process is known by pid and start time. */
  kill(id: string, signal: string | number): void {
    const record = readContainerRecord(this.#tools.paths, id);
    if (record === null || readExit(this.#tools.paths, id) !== null) {
      return;
    }
    const { container } = findProcesses(this.#tools.paths, id, record);
    if (signal === 'SIGKILL' || signal === 'KILL' || signal === 9) {
      this.#tools.cgroups.killAll(record.config.cgroupPath);
    }
    if (container !== null) {
      signalProcess(container, signalNumber(signal));
    }
  }

  async remove(id: string): Promise<void> {
    const { paths, cgroups } = this.#tools;
    const record = readContainerRecord(paths, id);
    const started = performance.now();
    if (record !== null) {
      const { container, monitor } = findProcesses(paths, id, record);
      if (container !== null && isAlive(container)) {
        this.kill(id, 'SIGKILL');
        await this.#tools.waitForExit(id, KILL_DEADLINE_MS);
      }
      if (monitor !== null && isAlive(monitor)) {
        // It has nothing left to watch and ends by itself in a moment; one that does not is stuck.
        signalProcess(monitor, 'SIGKILL');
      }
      await cgroups.remove(record.config.cgroupPath);
    }
    // What `crun delete` would do beyond this is to remove the cgroup; a process less per container.
    removePath(`${paths.state}/${id}`);
    removePath(paths.bundle(id));
    removePath(paths.exitFile(id));
    this.#tools.onStep('container.remove', performance.now() - started, record?.config.podUid ?? '');
  }

  updateResources(id: string, resources: ContainerResources): void {
    const facts = this.#known(id);
    if (facts.state === 'exited') {
      throw new RuntimeError('Conflict', `Cannot change the limits of container ${id}: it has exited`);
    }
    try {
      this.#tools.cgroups.setLimits(facts.cgroupPath, resources);
    } catch (err) {
      throw new RuntimeError('Failed', `Cannot change the limits of container ${id}: ${String(err)}`, { cause: err });
    }
  }

  #known(id: string): ContainerFacts {
    const facts = this.inspect(id);
    if (facts === null) {
      throw new RuntimeError('NotFound', `Cannot find container ${id}: there is no such container`);
    }
    return facts;
  }
}

function monitorArgv(
  config: ContainerConfig,
  where: { readonly bundle: string; readonly paths: RuntimePaths; readonly ociRuntime: string },
): readonly string[] {
  const { bundle, paths } = where;
  return [
    'conmon',
    ...['--cid', config.id, '--cuuid', config.id, '--name', config.id],
    ...['--runtime', where.ociRuntime, '--runtime-arg', `--root=${paths.state}`],
    ...['--bundle', bundle, '--persist-dir', bundle],
    ...['--container-pidfile', `${bundle}/pid`, '--conmon-pidfile', `${bundle}/conmon.pid`],
    ...['--log-path', `k8s-file:${config.logPath}`, '--log-level', 'error'],
    ...['--exit-dir', paths.exits, '--full-attach', '--no-sync-log'],
    ...(config.terminal === true ? ['--terminal'] : []),
    ...(config.stdin === true ? ['--stdin', '--leave-stdin-open'] : []),
  ];
}

/**
 * Lets a created container go, as `crun start` does: a byte into the pipe at which its first process waits, and the pipe's
 * name removed. Saves a process per container. A pipe with a name but without a reader was let go by somebody who was
 * killed before removing the name. False when there is no pipe and the program itself must judge.
 */
function releaseByFifo(fifo: string): boolean {
  let fd: number | null = null;
  try {
    // Without a reader this fails at once instead of waiting for one.
    fd = openSync(fifo, constants.O_WRONLY | constants.O_NONBLOCK);
  } catch (err) {
    if (!(err instanceof Error && 'code' in err && err.code === 'ENXIO')) {
      return false;
    }
  }
  if (fd !== null) {
    try {
      writeSync(fd, '0');
    } finally {
      closeSync(fd);
    }
  }
  removePath(fifo);
  return true;
}

/** How long a process that was let go may take to become the container's command on a busy machine. */
const EXEC_DEADLINE_MS = 2000;
const EXEC_LOOK_MS = 1;

/**
 * Resolves when the process is no longer the runtime's own program: it runs the container's command, or has ended. Only then
 * it is true that the container runs. Mostly that is so at the first look.
 */
async function becameItsCommand(process: ProcessRef, before: string): Promise<void> {
  const deadline = performance.now() + EXEC_DEADLINE_MS;
  while (programOf(process.pid) === before && isAlive(process) && performance.now() < deadline) {
    await delay(EXEC_LOOK_MS);
  }
}

/** Which file a process is running, as device and inode; null when it has ended. */
function programOf(pid: number): string | null {
  try {
    const { dev, ino } = statSync(`/proc/${pid}/exe`);
    return `${dev}:${ino}`;
  } catch {
    return null;
  }
}

/** An image may not put a symlink where the runtime will mount: it would be followed, on the node. */
async function refuseUnfitRootfs({ name, podNamespace, podName, rootfsPath }: ContainerConfig): Promise<void> {
  try {
    await checkRootfs(rootfsPath);
  } catch (err) {
    const failure = `Cannot create container ${name} of pod ${podNamespace}/${podName}`;
    throw new RuntimeError('CannotRun', `${failure}: ${errorMessage(err)}`, { cause: err });
  }
}

function seccompProfileOf(config: ContainerConfig): { readonly seccompProfile?: SeccompSpec } {
  if (typeof config.seccomp !== 'object') {
    return {};
  }
  const { localhostPath } = config.seccomp;
  try {
    const seccompProfile: SeccompSpec = JSON.parse(readFileSync(localhostPath, 'utf8'));
    return { seccompProfile };
  } catch (err) {
    throw new RuntimeError('Unsupported', `Cannot use the seccomp profile ${localhostPath}: ${String(err)}`, {
      cause: err,
    });
  }
}

function deviceNodesOf(config: ContainerConfig): { readonly deviceNodes?: readonly DeviceNode[] } {
  if (config.privileged === true) {
    return { deviceNodes: readAllDeviceNodes() };
  }
  if (config.devices === undefined || config.devices.length === 0) {
    return {};
  }
  try {
    return { deviceNodes: config.devices.map((device) => readDeviceNode(device.hostPath)) };
  } catch (err) {
    throw new RuntimeError('CannotRun', `Cannot create container ${config.name}: ${String(err)}`, { cause: err });
  }
}

const SIGNAL_NUMBERS: Readonly<Record<string, number>> = {
  HUP: 1,
  INT: 2,
  QUIT: 3,
  ILL: 4,
  TRAP: 5,
  ABRT: 6,
  BUS: 7,
  FPE: 8,
  KILL: 9,
  USR1: 10,
  SEGV: 11,
  USR2: 12,
  PIPE: 13,
  ALRM: 14,
  TERM: 15,
  STKFLT: 16,
  CHLD: 17,
  CONT: 18,
  STOP: 19,
  TSTP: 20,
  TTIN: 21,
  TTOU: 22,
  URG: 23,
  XCPU: 24,
  XFSZ: 25,
  VTALRM: 26,
  PROF: 27,
  WINCH: 28,
  IO: 29,
  PWR: 30,
  SYS: 31,
};

/** `SIGTERM`, `TERM`, `15`, `SIGRTMIN+3` → number; unknown names mean SIGTERM, as an image may say anything. */
export function signalNumber(signal: string | number): number {
  const text = String(signal).toUpperCase().replace(/^SIG/, '');
  const plain = SIGNAL_NUMBERS[text] ?? Number(text);
  if (Number.isInteger(plain) && plain >= 1 && plain <= 64) {
    return plain;
  }
  const realTime = /^RTM(IN|AX)(?:([+-])(\d+))?$/.exec(text);
  if (realTime !== null) {
    const offset = Number(realTime[3] ?? 0) * (realTime[2] === '-' ? -1 : 1);
    return (realTime[1] === 'IN' ? 34 : 64) + offset;
  }
  return 15;
}
