import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { CPU_PERIOD_US, cpuWeightFromShares, MAX_SHARES, MIN_SHARES, SHARES_PER_CPU } from './calculations.ts';
import { hasCode, keyed, number, readOr, removeFolder, subfolders, writeQuietly } from './cgroup-files.ts';
import { ClassWeight } from './class-weight.ts';
import { type CgroupLayout, readCgroupLayout } from './layout.ts';

/** Limits of one cgroup; absent ones are left as they are. */
export interface CgroupLimits {
  readonly cpuShares?: number;
  readonly cpuQuotaUs?: number;
  readonly cpuPeriodUs?: number;
  readonly memoryLimitBytes?: number;
  readonly pidsLimit?: number;
}

/** What a cgroup has used, read in one go. Zero where the kernel does not say. */
export interface CgroupUsage {
  readonly cpuUsageNs: number;
  readonly memoryUsageBytes: number;
  /** Usage without the file cache that can be given back at once: what eviction and `top` look at. */
  readonly memoryWorkingSetBytes: number;
  readonly pids: number;
  readonly oomKills: number;
}

/** Controllers that the v2 tree hands down to pods and containers, where the kernel has them. */
const WANTED_CONTROLLERS = ['cpuset', 'cpu', 'io', 'memory', 'pids', 'hugetlb'];
const REMOVE_DEADLINE_MS = 10_000;
const REMOVE_RETRY_MS = 5;
/** The usual place to meet it: Raspberry Pi OS. */
const MEMORY_HINT = ' (add cgroup_enable=memory to its command line; on a Raspberry Pi in /boot/firmware/cmdline.txt)';
const MIN_WEIGHT = 1;
const MAX_WEIGHT = 10_000;
/** Below the largest v1 page counter; a larger number there means "no limit". */
const NO_LIMIT_ABOVE = 2 ** 60;

/**
 * The cgroups under one root name (`skiff`), by plain file writes: no process is started. Paths are relative, as
 * `skiff/burstable/pod<uid>`, and mean one folder in the v2 tree or one in each v1 hierarchy. Writes are synchronous on
 * purpose: cgroupfs answers in microseconds, and a hop through the thread pool costs more than the write.
 *
 *   <root>                 no process here, nor in any inner node (a rule of v2)
 *   ├── monitors           every conmon: out of reach of a service manager that stops the agent's unit, and not charged to pods
 *   ├── pod<uid>/<id>      guaranteed
 *   ├── burstable/pod<uid>/<id>
 *   └── besteffort/pod<uid>/<id>
 */
export class CgroupTree {
  readonly layout: CgroupLayout;
  readonly root: string;
  readonly #burstable: ClassWeight;

  constructor(root: string, layout: CgroupLayout = readCgroupLayout()) {
    this.root = root;
    this.layout = layout;
    this.#burstable = new ClassWeight({
      readPods: () => this.#podWeights(`${root}/burstable`),
      write: (weight) => this.#writeWeight(`${root}/burstable`, weight),
    });
  }

  get version(): 1 | 2 {
    return this.layout.version;
  }

  /** Where monitors live. */
  get monitorsPath(): string {
    return `${this.root}/monitors`;
  }

  /**
   * Makes the root, the classes and the monitors' cgroup. Idempotent. Throws when the tree cannot be written. Best effort as a
   * whole weighs the least there is. Under v2 nothing in the tree is swapped out, which is also the kubelet's default: a
   * container over its memory limit ends instead of slowing the machine down.
   */
  prepare(): void {
    for (const path of [this.root, `${this.root}/burstable`, `${this.root}/besteffort`]) {
      this.create(path);
    }
    if (this.version === 1) {
      // There all pods together would weigh as much as one process of the node's. Under v2 they stand beside whole slices of them.
      this.#writeWeight(this.root, availableParallelism() * SHARES_PER_CPU);
    }
    this.#writeWeight(`${this.root}/besteffort`, 0);
    this.#burstable.update();
    writeQuietly(`${this.layout.unified ?? '/nowhere'}/${this.root}/memory.swap.max`, '0');
    for (const hierarchy of this.layout.hierarchies) {
      mkdirSync(`${hierarchy}/${this.monitorsPath}`, { recursive: true });
    }
  }

  /** Makes an inner cgroup (root, class or pod) with limits. Idempotent; limits are written again. */
  create(path: string, limits: CgroupLimits = {}): void {
    if (this.layout.unified !== null) {
      let parent = this.layout.unified;
      for (const part of path.split('/')) {
        this.#handDownControllers(parent);
        parent = `${parent}/${part}`;
        mkdirSync(parent, { recursive: true });
      }
      this.#handDownControllers(parent);
    } else {
      for (const folder of this.#limitFolders()) {
        mkdirSync(`${folder}/${path}`, { recursive: true });
      }
    }
    this.setLimits(path, limits);
  }

  /** Changes the limits of an existing cgroup. A `cpuQuotaUs` of -1 or a `memoryLimitBytes` of -1 lifts the limit. */
  setLimits(path: string, limits: CgroupLimits): void {
    const { cpuShares, cpuQuotaUs, memoryLimitBytes, pidsLimit } = limits;
    const burstablePod = this.#burstablePod(path);
    if (burstablePod !== null && cpuShares !== undefined) {
      this.#burstable.update(burstablePod, this.version === 2 ? cpuWeightFromShares(cpuShares) : cpuShares);
    }
    const period = limits.cpuPeriodUs ?? CPU_PERIOD_US;
    const max = (value: number): string => (value < 0 ? 'max' : String(value));
    const write = (file: string, value: number | undefined, format: (value: number) => string = String): void =>
      this.#writeLimit(path, file, value === undefined ? null : format(value));
    if (this.version === 2) {
      write('cpu.weight', cpuShares, (shares) => String(cpuWeightFromShares(shares)));
      write('cpu.max', cpuQuotaUs, (quota) => `${max(quota)} ${period}`);
      write('memory.max', memoryLimitBytes, max);
    } else {
      write('cpu.shares', cpuShares);
      write('cpu.cfs_period_us', cpuQuotaUs === undefined ? undefined : period);
      write('cpu.cfs_quota_us', cpuQuotaUs);
      write('memory.limit_in_bytes', memoryLimitBytes);
    }
    write('pids.max', pidsLimit, max);
  }

  /** Whether the cgroup is there (in any hierarchy). */
  exists(path: string): boolean {
    return this.layout.hierarchies.some((hierarchy) => existsSync(`${hierarchy}/${path}`));
  }

  /** Files to write a pid to, so that this process lives in the cgroup: what a launching shell does just before `exec`. */
  joinFiles(path: string): readonly string[] {
    const cpuset = this.layout.controllers.get('cpuset');
    // A new v1 cpuset has no CPUs until somebody gives it some, and refuses processes until then.
    return this.layout.hierarchies
      .filter((hierarchy) => hierarchy !== cpuset)
      .map((hierarchy) => `${hierarchy}/${path}/cgroup.procs`);
  }

  /** All processes in the cgroup and below it, each once. Empty when it is gone. */
  processes(path: string): readonly number[] {
    const pids = new Set<number>();
    const visit = (folder: string): void => {
      for (const line of readOr(`${folder}/cgroup.procs`, '').split('\n')) {
        if (line !== '' && line !== '0') {
          pids.add(Number(line));
        }
      }
      for (const name of subfolders(folder)) {
        visit(`${folder}/${name}`);
      }
    };
    visit(this.#processFolder(path));
    return [...pids];
  }

  /** Sends SIGKILL to every process in the cgroup and below. One pass; returns how many there were. */
  killAll(path: string): number {
    const killFile = this.layout.unified === null ? null : `${this.layout.unified}/${path}/cgroup.kill`;
    const pids = this.processes(path);
    if (pids.length === 0) {
      return 0;
    }
    if (killFile !== null && existsSync(killFile)) {
      writeFileSync(killFile, '1');
      return pids.length;
    }
    for (const pid of pids) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch (err) {
        if (!hasCode(err, 'ESRCH')) {
          throw err;
        }
      }
    }
    return pids.length;
  }

  /**
   * Kills what lives in the cgroup and removes it with everything below, in every hierarchy. Resolves when it is gone; a
   * missing one is fine. Throws after 10 s, naming the processes that would not die (state D, usually).
   */
  async remove(path: string): Promise<void> {
    const deadline = performance.now() + REMOVE_DEADLINE_MS;
    for (;;) {
      const left = this.layout.hierarchies
        .map((hierarchy) => `${hierarchy}/${path}`)
        .filter((folder) => !removeFolder(folder));
      if (left.length === 0) {
        const burstablePod = this.#burstablePod(path);
        if (burstablePod !== null) {
          this.#burstable.update(burstablePod);
        }
        return;
      }
      const killed = this.killAll(path);
      if (performance.now() > deadline) {
        const pids = this.processes(path).join(', ');
        throw new Error(
          `Cannot remove cgroup ${path}: it is still busy${pids === '' ? '' : ` with processes ${pids}`}`,
        );
      }
      // The kernel lets go of a dying process a little after its parent was told.
      await delay(killed > 0 ? REMOVE_RETRY_MS : REMOVE_RETRY_MS * 2);
    }
  }

  /** Names of the cgroups directly below, over all hierarchies, sorted. */
  children(path: string): readonly string[] {
    const names = new Set<string>();
    for (const hierarchy of this.layout.hierarchies) {
      for (const name of subfolders(`${hierarchy}/${path}`)) {
        names.add(name);
      }
    }
    return [...names].sort();
  }

  /** Cgroups of pods, as paths, wherever in the tree. */
  podPaths(): readonly string[] {
    return [this.root, `${this.root}/burstable`, `${this.root}/besteffort`].flatMap((parent) =>
      this.children(parent)
        .filter((name) => name.startsWith('pod'))
        .map((name) => `${parent}/${name}`),
    );
  }

  /** How many processes the kernel killed in this cgroup for memory. 0 when it is gone. */
  oomKills(path: string): number {
    const file =
      this.layout.unified === null
        ? `${this.#folder('memory', path)}/memory.oom_control`
        : `${this.layout.unified}/${path}/memory.events`;
    return keyed(readOr(file, ''), 'oom_kill');
  }

  /** Usage now, or null when the cgroup is gone. */
  usage(path: string): CgroupUsage | null {
    if (this.layout.unified !== null) {
      const folder = `${this.layout.unified}/${path}`;
      if (!existsSync(folder)) {
        return null;
      }
      const memoryUsageBytes = number(readOr(`${folder}/memory.current`, '0'));
      const inactive = keyed(readOr(`${folder}/memory.stat`, ''), 'inactive_file');
      return {
        cpuUsageNs: keyed(readOr(`${folder}/cpu.stat`, ''), 'usage_usec') * 1000,
        memoryUsageBytes,
        memoryWorkingSetBytes: Math.max(0, memoryUsageBytes - inactive),
        pids: number(readOr(`${folder}/pids.current`, '0')),
        oomKills: this.oomKills(path),
      };
    }
    const memory = this.#folder('memory', path);
    if (!existsSync(memory)) {
      return null;
    }
    const memoryUsageBytes = number(readOr(`${memory}/memory.usage_in_bytes`, '0'));
    const inactive = keyed(readOr(`${memory}/memory.stat`, ''), 'total_inactive_file');
    return {
      cpuUsageNs: number(readOr(`${this.#folder('cpuacct', path)}/cpuacct.usage`, '0')),
      memoryUsageBytes,
      memoryWorkingSetBytes: Math.max(0, memoryUsageBytes - inactive),
      pids: number(readOr(`${this.#folder('pids', path)}/pids.current`, '0')),
      oomKills: this.oomKills(path),
    };
  }

  /** The memory limit in force, or null for none. */
  memoryLimitBytes(path: string): number | null {
    const file =
      this.layout.unified === null
        ? `${this.#folder('memory', path)}/memory.limit_in_bytes`
        : `${this.layout.unified}/${path}/memory.max`;
    const value = Number(readOr(file, 'max').trim());
    return Number.isFinite(value) && value < NO_LIMIT_ABOVE ? value : null;
  }

  /** The pod's own name, when the path is that of a burstable pod. */
  #burstablePod(path: string): string | null {
    const name = path.startsWith(`${this.root}/burstable/`) ? path.slice(`${this.root}/burstable/`.length) : '';
    return name.startsWith('pod') && !name.includes('/') ? name : null;
  }

  #weightFile(path: string): string {
    return this.layout.unified === null
      ? `${this.#folder('cpu', path)}/cpu.shares`
      : `${this.layout.unified}/${path}/cpu.weight`;
  }

  #podWeights(classPath: string): ReadonlyMap<string, number> {
    const pods = this.children(classPath).filter((name) => name.startsWith('pod'));
    return new Map(pods.map((name) => [name, number(readOr(this.#weightFile(`${classPath}/${name}`), '0'))]));
  }

  /** Writes one limit, or nothing for null. The file's name begins with its controller's. */
  #writeLimit(path: string, file: string, value: string | null): void {
    if (value === null) {
      return;
    }
    const controller = file.slice(0, file.indexOf('.'));
    const folder = this.layout.unified === null ? this.#folder(controller, path) : `${this.layout.unified}/${path}`;
    try {
      writeFileSync(`${folder}/${file}`, value);
    } catch (err) {
      const because = this.#whyNotAvailable(controller) ?? (err instanceof Error ? err.message : String(err));
      throw new Error(`Cannot set ${file} of cgroup ${path} to ${value}: ${because}`, { cause: err });
    }
  }

  /** Why this machine cannot limit what a controller limits; null when it can. */
  #whyNotAvailable(controller: string): string | null {
    const { unified, controllers } = this.layout;
    const listed = (file: string): boolean => readOr(`${unified}/${file}`, '').trim().split(/\s+/).includes(controller);
    if (unified === null ? !controllers.has(controller) : !listed('cgroup.controllers')) {
      const hint = controller === 'memory' ? MEMORY_HINT : '';
      return `the kernel's ${controller} controller is switched off on this machine${hint}`;
    }
    if (unified !== null && !listed('cgroup.subtree_control')) {
      return `the ${controller} controller cannot be handed down from ${unified}, usually because processes sit there, as in a container: move them to a cgroup of their own first`;
    }
    return null;
  }

  /** As near to `weight` as the kernel allows. Where it cannot be written at all, the pods' own limits say so. */
  #writeWeight(path: string, weight: number): void {
    const [least, most] = this.version === 2 ? [MIN_WEIGHT, MAX_WEIGHT] : [MIN_SHARES, MAX_SHARES];
    writeQuietly(this.#weightFile(path), String(Math.min(most, Math.max(least, weight))));
  }

  #folder(controller: string, path: string): string {
    return `${this.layout.controllers.get(controller) ?? `/nowhere/${controller}`}/${path}`;
  }

  #processFolder(path: string): string {
    const first = this.layout.unified ?? this.layout.controllers.get('pids') ?? this.layout.controllers.get('cpu');
    return `${first ?? this.layout.hierarchies[0] ?? ''}/${path}`;
  }

  #limitFolders(): readonly string[] {
    const folders = ['cpu', 'cpuacct', 'memory', 'pids'].flatMap((name) => this.layout.controllers.get(name) ?? []);
    return [...new Set(folders)];
  }

  #handDownControllers(folder: string): void {
    const available = readOr(`${folder}/cgroup.controllers`, '').trim().split(/\s+/);
    const enabled = new Set(readOr(`${folder}/cgroup.subtree_control`, '').trim().split(/\s+/));
    const missing = WANTED_CONTROLLERS.filter((name) => available.includes(name) && !enabled.has(name));
    if (missing.length === 0) {
      return;
    }
    try {
      writeFileSync(`${folder}/cgroup.subtree_control`, missing.map((name) => `+${name}`).join(' '));
    } catch {
      // All or none: one that this kernel will not hand down (cpu beside realtime processes) must not cost the others.
      for (const name of missing) {
        try {
          writeFileSync(`${folder}/cgroup.subtree_control`, `+${name}`);
        } catch {
          // A limit that needs it will say so when it is written.
        }
      }
    }
  }
}
