/**
 * The Runtime port: what the agent may ask of the machine about sandboxes (the namespaces of a pod) and containers.
 *
 * Plain data, independent of the API's objects. Every fact it reports comes from files and from the kernel, never from
 * memory alone, so that a new process with the same root folder sees the same world: the caller may be killed at any
 * instruction and started again.
 *
 *   createSandbox → createContainer → startContainer → (exit) → removeContainer → removeSandbox
 *
 * Callers: the pod workers, one per pod. Calls about *different* pods may run concurrently; calls about one pod or one
 * container are the caller's to serialize (exec, inspect, list and kill excepted: those may come at any time).
 * Every mutating call is idempotent: repeating it after it succeeded, or after it was cut short, ends in the same state.
 * Errors: {@link RuntimeError}; its `code` says what the caller can do, its message names the object and the cause.
 */

import { createHash } from 'node:crypto';
import type { ProcessRef } from '../../lib/process.ts';

/** Stable classes of failure. `MissingTool` and `Unsupported` stay until somebody changes the machine. */
export type RuntimeErrorCode =
  /** No such sandbox or container. */
  | 'NotFound'
  /** The object exists with other content, or is in a state that does not allow the call (start after exit). */
  | 'Conflict'
  /** The image or the config cannot be run: command not found, bad working folder, unknown user. Kubernetes: RunContainerError. */
  | 'CannotRun'
  /** A needed program is not installed; the message names its Debian package. */
  | 'MissingTool'
  /** The machine cannot do this (a seccomp profile that does not exist, a kernel without a feature). */
  | 'Unsupported'
  /** The call did not end in time; whatever it started has been killed. */
  | 'Timeout'
  /** Anything else the tools reported. Trying again may help. */
  | 'Failed';

/** A failure of the runtime. The message is whole: what could not be done, to which object, why. */
export class RuntimeError extends Error {
  readonly code: RuntimeErrorCode;

  constructor(code: RuntimeErrorCode, message: string, options: { readonly cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'RuntimeError';
    this.code = code;
  }
}

/** Which namespaces a pod shares with the node, and whether its containers share one PID namespace. */
export interface SandboxNamespaces {
  readonly hostNetwork: boolean;
  readonly hostPID: boolean;
  readonly hostIPC: boolean;
  readonly shareProcessNamespace: boolean;
}

/** What makes a pod's sandbox. Immutable once made. */
export interface SandboxConfig {
  readonly podUid: string;
  readonly podName: string;
  readonly podNamespace: string;
  /** Set in the pod's own UTS namespace; ignored with `hostNetwork`, where the node's name shows. At most 64 bytes. */
  readonly hostname: string;
  readonly namespaces: SandboxNamespaces;
  /** Namespaced sysctls, as `net.ipv4.ip_unprivileged_port_start`: written inside the new namespaces. */
  readonly sysctls?: Readonly<Record<string, string>>;
  /** Size of the one `/dev/shm` that the pod's containers share. Default 64 MiB. */
  readonly shmSizeBytes?: number;
  /** The pod's cgroup as given by `podCgroupPath`, e.g. `skiff/burstable/pod<uid>`; made with `resources` when absent. */
  readonly cgroupPath: string;
  /** Limits of the pod's cgroup as a whole. */
  readonly resources?: ContainerResources;
  /** Free for the caller; returned unchanged. */
  readonly labels?: Readonly<Record<string, string>>;
}

/** An existing sandbox. Paths are null where the pod uses the node's own namespace. */
export interface Sandbox {
  readonly podUid: string;
  readonly podName: string;
  readonly podNamespace: string;
  readonly hostname: string;
  readonly namespaces: SandboxNamespaces;
  readonly netnsPath: string | null;
  readonly ipcnsPath: string | null;
  readonly utsnsPath: string | null;
  /** Only with `shareProcessNamespace`: the holder's PID namespace. */
  readonly pidnsPath: string | null;
  /** The tmpfs bind-mounted as `/dev/shm` into each container; null with `hostIPC`. */
  readonly shmPath: string | null;
  readonly cgroupPath: string;
  readonly labels: Readonly<Record<string, string>>;
  /** RFC 3339. */
  readonly createdAt: string;
  /** False when something of it is gone (a namespace file not mounted, a dead holder): remove it and make a new one. */
  readonly ready: boolean;
}

/** Limits as the kernel takes them. Absent means unlimited (or the kernel's default weight). */
export interface ContainerResources {
  /** cgroup v1 cpu.shares, 2..262144; converted to a weight under v2. */
  readonly cpuShares?: number;
  /** Microseconds per `cpuPeriodUs`. */
  readonly cpuQuotaUs?: number;
  /** Default 100000. */
  readonly cpuPeriodUs?: number;
  readonly memoryLimitBytes?: number;
  readonly pidsLimit?: number;
}

/** A mount of a container, in the order given (parents first). */
export interface ContainerMount {
  readonly type: 'bind' | 'tmpfs';
  /** Absolute path on the node; for `tmpfs` ignored. */
  readonly source?: string;
  /** Absolute path in the container. */
  readonly destination: string;
  readonly readOnly?: boolean;
  /** Kubernetes: None → `private`, HostToContainer → `slave`, Bidirectional → `shared`. Default private. */
  readonly propagation?: 'private' | 'slave' | 'shared';
  /** tmpfs only. */
  readonly sizeBytes?: number;
  /** tmpfs only; octal number such as 0o1777. */
  readonly mode?: number;
}

/** A device node of the host to make visible in a container. */
export interface ContainerDevice {
  readonly hostPath: string;
  readonly containerPath: string;
  /** Any of `r`, `w`, `m`. Default `rwm`. */
  readonly permissions?: string;
}

/** `RuntimeDefault` is containerd's list; an absolute path names a profile in OCI JSON. */
export type SeccompProfile = 'RuntimeDefault' | 'Unconfined' | { readonly localhostPath: string };

/** Everything that makes one container. Immutable once created. */
export interface ContainerConfig {
  /** Unique on the node for ever; `containerId()` makes one. At most 64 characters of `[a-zA-Z0-9_.-]`. */
  readonly id: string;
  readonly podUid: string;
  readonly podName: string;
  readonly podNamespace: string;
  /** The container's name in the pod spec. */
  readonly name: string;
  /** Restart count of this instance, from 0. */
  readonly attempt: number;
  /** Absolute path of a ready (mounted) folder, as the image store gives it. The runtime never unmounts or deletes it. */
  readonly rootfsPath: string;
  /** The whole command line; never empty. A name without a slash is looked up in the PATH of `env`. */
  readonly argv: readonly string[];
  /** `NAME=value`; later ones win. */
  readonly env: readonly string[];
  /** Default `/`; made when absent in the image. */
  readonly cwd?: string;
  readonly uid: number;
  readonly gid: number;
  readonly additionalGids?: readonly number[];
  /** Added to the groups of the process. */
  readonly fsGroup?: number;
  readonly terminal?: boolean;
  /** Keeps the container's standard input open for attach; otherwise it is /dev/null. */
  readonly stdin?: boolean;
  /** Names with or without `CAP_`; `ALL` is understood. Drop applies to the default 14, then add. */
  readonly capabilitiesAdd?: readonly string[];
  readonly capabilitiesDrop?: readonly string[];
  readonly privileged?: boolean;
  readonly readOnlyRootfs?: boolean;
  readonly noNewPrivileges?: boolean;
  /** Default `RuntimeDefault`; a privileged container is unconfined. */
  readonly seccomp?: SeccompProfile;
  /** Default: the usual lists; empty with `procMount: Unmasked`. */
  readonly maskedPaths?: readonly string[];
  readonly readonlyPaths?: readonly string[];
  readonly devices?: readonly ContainerDevice[];
  readonly mounts?: readonly ContainerMount[];
  readonly resources?: ContainerResources;
  /** e.g. `skiff/burstable/pod<uid>/<id>`: a child of the sandbox's `cgroupPath`. */
  readonly cgroupPath: string;
  /** Absolute path of the CRI log file; its folder is made. */
  readonly logPath: string;
  /** Linux -1000..1000. Lowering is skipped, with one warning, where the process may not. */
  readonly oomScoreAdj?: number;
  /** From the image, e.g. `SIGQUIT`; kept as a fact for whoever stops the container. */
  readonly stopSignal?: string;
  readonly labels?: Readonly<Record<string, string>>;
}

/**
 * `creating`: cut short before the runtime knew it; remove it. `created`: not started. `running`. `exited`: see `exitCode`.
 * `lost`: its monitor is gone while the process may still run: nobody reads its output and no exit code will come.
 */
export type ContainerState = 'creating' | 'created' | 'running' | 'exited' | 'lost';

/** What is known of a container, read from its files and the kernel at the time of the call. */
export interface ContainerFacts {
  readonly id: string;
  readonly podUid: string;
  readonly podName: string;
  readonly podNamespace: string;
  readonly name: string;
  readonly attempt: number;
  readonly state: ContainerState;
  /** The container's first process, as the node sees it. Null before create ended and after exit. */
  readonly process: ProcessRef | null;
  /** 0..255; 128 + signal for a killed process. Null unless exited with a known code. */
  readonly exitCode: number | null;
  /** Whether the kernel killed a process of this container for memory. Final once exited. */
  readonly oomKilled: boolean;
  /** RFC 3339. */
  readonly createdAt: string;
  readonly startedAt: string | null;
  readonly finishedAt: string | null;
  readonly logPath: string;
  readonly cgroupPath: string;
  readonly stopSignal: string | null;
  readonly labels: Readonly<Record<string, string>>;
}

/** Options of an exec in a running container. */
export interface ExecOptions {
  readonly argv: readonly string[];
  readonly tty?: boolean;
  /** Added to the container's own environment. */
  readonly env?: readonly string[];
  readonly cwd?: string;
  /** Default: the container's own uid and gid. */
  readonly user?: { readonly uid: number; readonly gid: number };
  /** When false (default) standard input is empty. */
  readonly stdin?: boolean;
  /** Kills the command and everything it started when it lasts longer. */
  readonly timeoutMs?: number;
  /** Kills the same way. */
  readonly signal?: AbortSignal;
  /** With `tty`: the first size. */
  readonly size?: TerminalSize;
}

/** In characters. */
export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

/** How an exec ended. */
export interface ExecStatus {
  /** 0..255; 126 and 127 as a shell gives them. */
  readonly exitCode: number;
  /** The command was killed because of `timeoutMs`. */
  readonly timedOut: boolean;
}

/** A running exec. With a tty everything arrives on `stdout`. The streams must be read (or resumed), or the command blocks. */
export interface ExecSession {
  /** Null unless `stdin` was asked for. Ending it closes the command's input. */
  readonly stdin: NodeJS.WritableStream | null;
  readonly stdout: NodeJS.ReadableStream;
  readonly stderr: NodeJS.ReadableStream;
  /** No-op without a tty or after the end. */
  resize(size: TerminalSize): Promise<void>;
  /** Kills the command and everything it started. Idempotent. */
  kill(): Promise<void>;
  /** Settles when the command ended and nothing of it is left; rejects with a {@link RuntimeError} when it could not start. */
  readonly done: Promise<ExecStatus>;
}

/** What a finished `execSync` printed, each stream cut at `maxOutputBytes`. */
export interface ExecResult extends ExecStatus {
  readonly stdout: string;
  readonly stderr: string;
}

/** A container ended, or its monitor was lost. A hint: read the facts with `inspect`. May be given more than once. */
export interface ContainerExit {
  readonly id: string;
  readonly podUid: string;
}

/** What a start-up sweep found. Everything listed exists; what was beyond use has been undone already. */
export interface RuntimeInventory {
  readonly sandboxes: readonly Sandbox[];
  readonly containers: readonly ContainerFacts[];
  /** Plain words about what the sweep undid: half-made containers, mounts without an owner, … for the log. */
  readonly undone: readonly string[];
}

/** One timed step of a call, e.g. `('sandbox.unshare', 3.4)`, with the pod's uid. For benchmarks and traces. */
export type StepListener = (step: string, durationMs: number, podUid: string) => void;

/** Name and version of what runs the containers, for the Node object (`crun://1.8.1`). */
export interface RuntimeVersion {
  readonly name: string;
  readonly version: string;
}

/** The machine's containers, seen through one root folder and one cgroup root. */
export interface Runtime {
  /** Makes the pod's namespaces, `/dev/shm` and cgroup; returns the existing one when it is there and whole. */
  createSandbox(config: SandboxConfig): Promise<Sandbox>;
  /**
   * Removes the sandbox with everything the runtime made for it, its containers included (killed first). No error when
   * there is none. The pod's network must have been torn down before: the namespace file goes away here.
   */
  removeSandbox(podUid: string): Promise<void>;
  /** Never throws for an unknown pod: null. */
  inspectSandbox(podUid: string): Promise<Sandbox | null>;
  listSandboxes(): Promise<readonly Sandbox[]>;

  /**
   * Prepares a container up to, not including, its command. `CannotRun` when the image or config is at fault; the caller
   * then need not remove anything. Repeating it for a created container returns its facts.
   */
  createContainer(config: ContainerConfig): Promise<ContainerFacts>;
  /** Runs the command. No error when it already runs; `Conflict` when it has exited, `CannotRun` when it cannot be executed. */
  startContainer(id: string): Promise<ContainerFacts>;
  /**
   * Sends `signal` (a name such as `SIGTERM`, or a number) to the first process; `SIGKILL` goes to every process in the
   * container. No error when it is gone. Does not wait.
   */
  killContainer(id: string, signal: string | number): Promise<void>;
  /** Kills what runs, then removes the container and its cgroup; the root folder and the log stay. No error when gone. */
  removeContainer(id: string): Promise<void>;
  /** Changes the limits of a running container. */
  updateResources(id: string, resources: ContainerResources): Promise<void>;

  /** Null when unknown. */
  inspect(id: string): Promise<ContainerFacts | null>;
  /** All of them, or those of one pod. */
  listContainers(podUid?: string): Promise<readonly ContainerFacts[]>;
  /** Resolves when the container is no longer running (or unknown); rejects only when `signal` aborts. */
  waitExit(id: string, signal?: AbortSignal): Promise<ContainerFacts | null>;

  /** Starts a command in a running container. `NotFound` when it does not run. */
  exec(id: string, options: ExecOptions): Promise<ExecSession>;
  /** Runs a command to its end, for probes and hooks. A timeout is a result (`timedOut`), not an error. */
  execSync(
    id: string,
    options: ExecOptions & { readonly input?: string; readonly maxOutputBytes?: number },
  ): Promise<ExecResult>;
  /** The container's own streams (with `stdin`/`terminal` as it was created). Detaching leaves the container running. */
  attach(id: string, options: { readonly stdin?: boolean; readonly signal?: AbortSignal }): Promise<ExecSession>;
  /** Tells the monitor to reopen its log file, after the file was renamed. */
  reopenLog(id: string): Promise<void>;

  /** Registers for exits; returns how to unregister. Heard only while {@link run} runs. */
  onExit(listener: (exit: ContainerExit) => void): () => void;
  /** Watches for exits and lost monitors until aborted; resolves once nothing of it is left. Call once. */
  run(signal: AbortSignal): Promise<void>;

  /** The start-up sweep, before anything else is called: undoes what was cut short and lists what is there. */
  adopt(): Promise<RuntimeInventory>;
  version(): Promise<RuntimeVersion>;
}

/**
 * A container id that tells a person what it is and never repeats: `<pod uid>-<attempt>-<name>`. A name too long for the
 * 64 characters keeps its beginning and gets a checksum of the whole.
 */
export function containerId(podUid: string, name: string, attempt: number): string {
  const whole = `${podUid}-${attempt}-${name}`.replace(/[^a-zA-Z0-9_.-]/g, '_');
  if (whole.length <= 64) {
    return whole;
  }
  return `${whole.slice(0, 55)}-${createHash('sha256').update(whole).digest('hex').slice(0, 8)}`;
}
