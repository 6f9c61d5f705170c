import { readFileSync } from 'node:fs';

/** Where this machine's cgroups are. */
export interface CgroupLayout {
  /** 1 also for hybrid machines: what limits containers there is v1. */
  readonly version: 1 | 2;
  /** v2: the one mount. v1: null. */
  readonly unified: string | null;
  /** v1: mount point of each controller (`cpu`, `memory`, …); co-mounted controllers share one. Empty under v2. */
  readonly controllers: ReadonlyMap<string, string>;
  /** Every mount once, those without a controller (`name=systemd`, the v2 tree of a hybrid machine) included. */
  readonly hierarchies: readonly string[];
  /** Controllers that a hybrid machine keeps in its v2 tree, where crun refuses to work. */
  readonly hybridControllers: readonly string[];
}

/** Reads the layout from the kernel. Throws when no cgroups are mounted. */
export function readCgroupLayout(): CgroupLayout {
  return parseCgroupLayout(readFileSync('/proc/self/mounts', 'utf8'), (mountPoint) => {
    try {
      return readFileSync(`${mountPoint}/cgroup.controllers`, 'utf8');
    } catch {
      return '';
    }
  });
}

/** The layout that a mount table describes; `readControllers` gives `cgroup.controllers` of a v2 mount. Pure. */
export function parseCgroupLayout(mounts: string, readControllers: (mountPoint: string) => string): CgroupLayout {
  const controllers = new Map<string, string>();
  const hierarchies: string[] = [];
  let unified: string | null = null;
  for (const line of mounts.split('\n')) {
    const [, mountPoint, type, options] = line.split(' ');
    if (mountPoint === undefined || options === undefined || (type !== 'cgroup' && type !== 'cgroup2')) {
      continue;
    }
    if (type === 'cgroup2') {
      unified ??= mountPoint;
      hierarchies.push(mountPoint);
      continue;
    }
    const names = options.split(',').filter((name) => KNOWN_CONTROLLERS.has(name));
    const isNew = names.length === 0 || names.some((name) => !controllers.has(name));
    for (const name of names) {
      if (!controllers.has(name)) {
        controllers.set(name, mountPoint);
      }
    }
    if (isNew) {
      hierarchies.push(mountPoint);
    }
  }
  if (hierarchies.length === 0) {
    throw new Error('Cannot find cgroups on this machine: nothing of type cgroup or cgroup2 is mounted');
  }
  const version = controllers.size > 0 ? 1 : 2;
  const unifiedControllers = unified === null ? [] : readControllers(unified).trim().split(/\s+/).filter(Boolean);
  return {
    version,
    unified: version === 2 ? unified : null,
    controllers,
    hierarchies,
    hybridControllers: version === 1 ? unifiedControllers : [],
  };
}

const KNOWN_CONTROLLERS: ReadonlySet<string> = new Set([
  'blkio',
  'cpu',
  'cpuacct',
  'cpuset',
  'devices',
  'freezer',
  'hugetlb',
  'memory',
  'misc',
  'net_cls',
  'net_prio',
  'perf_event',
  'pids',
  'rdma',
]);
