import { containerCapabilities } from './capabilities.ts';
import type { ContainerConfig, ContainerMount, ContainerResources, Sandbox } from './runtime.ts';
import { runtimeDefaultSeccomp, type SeccompSpec } from './seccomp.ts';

/** A device node of the machine. */
export interface DeviceNode {
  readonly path: string;
  readonly type: 'c' | 'b';
  readonly major: number;
  readonly minor: number;
  /** Permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/** What the spec depends on besides the container: read once at start, given in tests. */
export interface NodeFacts {
  readonly cgroupVersion: 1 | 2;
  /** As in `process.arch`. */
  readonly arch: string;
  /** Names of the capabilities this process can hand on. */
  readonly capabilities: readonly string[];
  /** The hard limit on open files that this process can hand on. */
  readonly openFilesLimit: number;
  /** The lowest oom_score_adj this process can give: -1000 with CAP_SYS_RESOURCE, otherwise its own. */
  readonly minOomScoreAdj: number;
  /** Whether the kernel can filter system calls. */
  readonly seccomp: boolean;
  /** Whether the kernel can end a cgroup as a whole when its memory runs out (`memory.oom.group` of cgroup v2). */
  readonly oomGroup: boolean;
}

/** What the caller has read from the machine for this one container. */
export interface SpecInputs {
  readonly config: ContainerConfig;
  readonly sandbox: Sandbox;
  readonly facts: NodeFacts;
  /** The parsed profile, when `config.seccomp` names a file. */
  readonly seccompProfile?: SeccompSpec;
  /** The device nodes behind `config.devices` (same order), or all of the node's for a privileged container. */
  readonly deviceNodes?: readonly DeviceNode[];
}

/** A mount in an OCI runtime spec. */
export interface OciMount {
  readonly destination: string;
  readonly type: string;
  readonly source: string;
  readonly options: readonly string[];
}

/** The parts of an OCI runtime spec that we write. */
export interface OciSpec {
  readonly ociVersion: string;
  readonly process: {
    readonly terminal: boolean;
    readonly user: { readonly uid: number; readonly gid: number; readonly additionalGids?: readonly number[] };
    readonly args: readonly string[];
    readonly env: readonly string[];
    readonly cwd: string;
    readonly capabilities: Readonly<
      Record<'bounding' | 'effective' | 'permitted' | 'inheritable' | 'ambient', readonly string[]>
    >;
    readonly rlimits: readonly { readonly type: string; readonly hard: number; readonly soft: number }[];
    readonly noNewPrivileges: boolean;
    readonly oomScoreAdj?: number;
  };
  readonly root: { readonly path: string; readonly readonly: boolean };
  readonly hostname?: string;
  readonly mounts: readonly OciMount[];
  readonly annotations: Readonly<Record<string, string>>;
  readonly linux: {
    readonly cgroupsPath: string;
    readonly namespaces: readonly { readonly type: string; readonly path?: string }[];
    readonly resources: OciResources;
    readonly devices?: readonly {
      readonly path: string;
      readonly type: string;
      readonly major: number;
      readonly minor: number;
      readonly fileMode: number;
      readonly uid: number;
      readonly gid: number;
    }[];
    readonly maskedPaths: readonly string[];
    readonly readonlyPaths: readonly string[];
    readonly rootfsPropagation?: string;
    readonly seccomp?: SeccompSpec;
  };
}

/** `linux.resources` of an OCI runtime spec. */
export interface OciResources {
  readonly devices?: readonly {
    readonly allow: boolean;
    readonly type?: string;
    readonly major?: number;
    readonly minor?: number;
    readonly access: string;
  }[];
  readonly cpu?: { readonly shares?: number; readonly quota?: number; readonly period?: number };
  readonly memory?: { readonly limit: number };
  readonly pids?: { readonly limit: number };
  /** Files of cgroup v2 by name. */
  readonly unified?: Readonly<Record<string, string>>;
}

/** Parts of /proc and /sys that tell about, or reach, the machine rather than the container. */
export const MASKED_PATHS: readonly string[] = [
  '/proc/acpi',
  '/proc/asound',
  '/proc/interrupts',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/sys/devices/virtual/powercap',
  '/sys/firmware',
];

/** Readable, but never written from a container. */
export const READONLY_PATHS: readonly string[] = [
  '/proc/bus',
  '/proc/fs',
  '/proc/irq',
  '/proc/sys',
  '/proc/sysrq-trigger',
];

/** null, zero, full, random, urandom, tty, console, ptmx and the pseudo-terminals; creating nodes is harmless without opening them. */
const DEFAULT_DEVICE_RULES: NonNullable<OciResources['devices']> = [
  { allow: false, access: 'rwm' },
  { allow: true, type: 'c', access: 'm' },
  { allow: true, type: 'b', access: 'm' },
  ...(
    [
      [1, 3],
      [1, 5],
      [1, 7],
      [1, 8],
      [1, 9],
      [5, 0],
      [5, 1],
      [5, 2],
    ] as const
  ).map(([major, minor]) => ({ allow: true, type: 'c', major, minor, access: 'rwm' })),
  { allow: true, type: 'c', major: 136, access: 'rwm' },
];

/** Open files per process at most; more only slows programs that close every possible descriptor. */
const MAX_OPEN_FILES = 1_048_576;

/**
 * The OCI runtime spec of a container, and in plain words what of the config could not be granted on this machine. Pure:
 * equal inputs give equal specs.
 */
export function buildOciSpec(inputs: SpecInputs): { readonly spec: OciSpec; readonly warnings: readonly string[] } {
  const { config, sandbox, facts } = inputs;
  const warnings: string[] = [];
  const privileged = config.privileged ?? false;
  const { granted, refused } = containerCapabilities({
    add: config.capabilitiesAdd ?? [],
    drop: config.capabilitiesDrop ?? [],
    privileged,
    grantable: facts.capabilities,
  });
  if (refused.length > 0) {
    warnings.push(`the agent itself lacks ${refused.join(', ')} and cannot give it to a container`);
  }
  const oomScoreAdj = config.oomScoreAdj === undefined ? undefined : Math.max(config.oomScoreAdj, facts.minOomScoreAdj);
  if (oomScoreAdj !== undefined && oomScoreAdj !== config.oomScoreAdj) {
    warnings.push('the agent may not lower oom_score_adj (no CAP_SYS_RESOURCE); containers keep its own');
  }
  const seccomp = seccompOf(inputs, granted, warnings);
  const groups = [
    ...new Set([...(config.additionalGids ?? []), ...(config.fsGroup === undefined ? [] : [config.fsGroup])]),
  ];
  const openFiles = Math.min(facts.openFilesLimit, MAX_OPEN_FILES);
  const devices = inputs.deviceNodes ?? [];
  const propagation = rootPropagation(config.mounts ?? []);
  const spec: OciSpec = {
    ociVersion: '1.0.2',
    process: {
      terminal: config.terminal ?? false,
      user: { uid: config.uid, gid: config.gid, ...(groups.length > 0 ? { additionalGids: groups } : {}) },
      args: config.argv,
      env: lastOfEach(config.env),
      cwd: config.cwd === undefined || config.cwd === '' ? '/' : config.cwd,
      // Nothing inheritable and nothing ambient: a program that is not root gains no capability by executing another.
      capabilities: { bounding: granted, effective: granted, permitted: granted, inheritable: [], ambient: [] },
      rlimits: [{ type: 'RLIMIT_NOFILE', hard: openFiles, soft: openFiles }],
      noNewPrivileges: config.noNewPrivileges ?? false,
      ...(oomScoreAdj === undefined ? {} : { oomScoreAdj }),
    },
    root: { path: config.rootfsPath, readonly: config.readOnlyRootfs ?? false },
    ...(sandbox.utsnsPath === null ? {} : { hostname: sandbox.hostname }),
    mounts: [...systemMounts(sandbox, privileged), ...(config.mounts ?? []).map(ociMount)],
    annotations: {},
    linux: {
      cgroupsPath: `/${config.cgroupPath}`,
      namespaces: namespacesOf(sandbox, facts, privileged),
      resources: {
        devices: privileged
          ? [{ allow: true, access: 'rwm' }]
          : [
              ...DEFAULT_DEVICE_RULES,
              ...devices.map((device, index) => ({
                allow: true,
                type: device.type,
                major: device.major,
                minor: device.minor,
                access: config.devices?.[index]?.permissions ?? 'rwm',
              })),
            ],
        ...ociResources(config.resources ?? {}),
        // As the kubelet does under v2: half a container, its worker killed and its parent alive, helps nobody.
        ...(facts.oomGroup ? { unified: { 'memory.oom.group': '1' } } : {}),
      },
      ...(devices.length === 0
        ? {}
        : {
            devices: devices.map((device, index) => ({
              path: (privileged ? undefined : config.devices?.[index]?.containerPath) ?? device.path,
              type: device.type,
              major: device.major,
              minor: device.minor,
              fileMode: device.mode,
              uid: device.uid,
              gid: device.gid,
            })),
          }),
      maskedPaths: privileged ? [] : (config.maskedPaths ?? MASKED_PATHS),
      readonlyPaths: privileged ? [] : (config.readonlyPaths ?? READONLY_PATHS),
      ...(propagation === undefined ? {} : { rootfsPropagation: propagation }),
      ...(seccomp === undefined ? {} : { seccomp }),
    },
  };
  return { spec, warnings };
}

/** Limits in the words of the OCI spec. */
export function ociResources(resources: ContainerResources): OciResources {
  const { cpuShares, cpuQuotaUs, memoryLimitBytes, pidsLimit } = resources;
  const cpu = {
    ...(cpuShares === undefined ? {} : { shares: cpuShares }),
    ...(cpuQuotaUs === undefined ? {} : { quota: cpuQuotaUs, period: resources.cpuPeriodUs ?? 100_000 }),
  };
  return {
    ...(Object.keys(cpu).length === 0 ? {} : { cpu }),
    ...(memoryLimitBytes === undefined ? {} : { memory: { limit: memoryLimitBytes } }),
    ...(pidsLimit === undefined ? {} : { pids: { limit: pidsLimit } }),
  };
}

function seccompOf(inputs: SpecInputs, capabilities: readonly string[], warnings: string[]): SeccompSpec | undefined {
  const profile = inputs.config.seccomp ?? 'RuntimeDefault';
  if (inputs.config.privileged === true || profile === 'Unconfined') {
    return undefined;
  }
  if (!inputs.facts.seccomp) {
    warnings.push('this kernel has no seccomp; containers run without a system call filter');
    return undefined;
  }
  return profile === 'RuntimeDefault' ? runtimeDefaultSeccomp(inputs.facts.arch, capabilities) : inputs.seccompProfile;
}

function namespacesOf(sandbox: Sandbox, facts: NodeFacts, privileged: boolean): OciSpec['linux']['namespaces'] {
  const namespaces: { type: string; path?: string }[] = [{ type: 'mount' }];
  if (sandbox.pidnsPath !== null) {
    namespaces.push({ type: 'pid', path: sandbox.pidnsPath });
  } else if (!sandbox.namespaces.hostPID) {
    namespaces.push({ type: 'pid' });
  }
  for (const [type, path] of [
    ['network', sandbox.netnsPath],
    ['ipc', sandbox.ipcnsPath],
    ['uts', sandbox.utsnsPath],
  ] as const) {
    if (path !== null) {
      namespaces.push({ type, path });
    }
  }
  // Under v1 a cgroup namespace hides the limits that programs look for in /sys/fs/cgroup; the CRI default is the same.
  if (facts.cgroupVersion === 2 && !privileged) {
    namespaces.push({ type: 'cgroup' });
  }
  return namespaces;
}

function systemMounts(sandbox: Sandbox, privileged: boolean): OciMount[] {
  const access = privileged ? 'rw' : 'ro';
  return [
    { destination: '/proc', type: 'proc', source: 'proc', options: ['nosuid', 'noexec', 'nodev'] },
    {
      destination: '/dev',
      type: 'tmpfs',
      source: 'tmpfs',
      options: ['nosuid', 'strictatime', 'mode=755', 'size=65536k'],
    },
    {
      destination: '/dev/pts',
      type: 'devpts',
      source: 'devpts',
      options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', 'gid=5'],
    },
    { destination: '/dev/mqueue', type: 'mqueue', source: 'mqueue', options: ['nosuid', 'noexec', 'nodev'] },
    { destination: '/sys', type: 'sysfs', source: 'sysfs', options: ['nosuid', 'noexec', 'nodev', access] },
    {
      destination: '/sys/fs/cgroup',
      type: 'cgroup',
      source: 'cgroup',
      options: ['nosuid', 'noexec', 'nodev', 'relatime', access],
    },
    {
      destination: '/dev/shm',
      type: 'bind',
      source: sandbox.shmPath ?? '/dev/shm',
      options: ['rbind', 'rprivate', 'rw', 'nosuid', 'nodev', 'noexec'],
    },
  ];
}

function ociMount(mount: ContainerMount): OciMount {
  if (mount.type === 'tmpfs') {
    return {
      destination: mount.destination,
      type: 'tmpfs',
      source: 'tmpfs',
      options: [
        'nosuid',
        'nodev',
        ...(mount.readOnly === true ? ['ro'] : []),
        ...(mount.mode === undefined ? [] : [`mode=${mount.mode.toString(8)}`]),
        ...(mount.sizeBytes === undefined ? [] : [`size=${mount.sizeBytes}`]),
      ],
    };
  }
  return {
    destination: mount.destination,
    type: 'bind',
    source: mount.source ?? '',
    options: ['rbind', `r${mount.propagation ?? 'private'}`, mount.readOnly === true ? 'ro' : 'rw'],
  };
}

/** A mount can only receive or send events when the container's root does not cut them off. */
function rootPropagation(mounts: readonly ContainerMount[]): string | undefined {
  if (mounts.some((mount) => mount.propagation === 'shared')) {
    return 'rshared';
  }
  return mounts.some((mount) => mount.propagation === 'slave') ? 'rslave' : undefined;
}

/** A name given twice means its last value, at its last place. */
function lastOfEach(env: readonly string[]): readonly string[] {
  const byName = new Map<string, string>();
  for (const entry of env) {
    const name = entry.slice(0, entry.indexOf('=') < 0 ? entry.length : entry.indexOf('='));
    byName.delete(name);
    byName.set(name, entry);
  }
  return [...byName.values()];
}
