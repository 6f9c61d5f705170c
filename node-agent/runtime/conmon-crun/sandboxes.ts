import { mkdirSync, statfsSync, statSync, writeFileSync } from 'node:fs';
import { isAlive, type ProcessRef, processRef, readProcessStat, signalProcess } from '../../../lib/process.ts';
import type { CgroupTree } from '../../cgroups/cgroup-tree.ts';
import { RuntimeError, type Sandbox, type SandboxConfig, type StepListener } from '../runtime.ts';
import type { Launcher } from './launcher.ts';
import {
  listFolder,
  type RuntimePaths,
  readSandboxRecord,
  readText,
  removePath,
  type SandboxRecord,
  writeRecord,
} from './records.ts';

/** Something may have been mounted while we removed; after this many looks it is more than that. */
const REMOVE_TURNS = 3;
const DEFAULT_SHM_BYTES = 64 * 1024 * 1024;
/** linux/magic.h: NSFS_MAGIC, what a mounted namespace file shows. */
const NSFS_MAGIC = 0x6e736673;

/**
 * One shell for everything a sandbox needs: the shared memory, the namespaces held by bind mounts, and, inside them, the
 * loopback link, the host name and the sysctls. $1 folder, $2 size of /dev/shm or empty, $3 host name or empty, $4
 * namespaces to make, then sysctl paths and values in turn.
 */
const CREATE = `
d=$1 shm=$2 host=$3 make=$4; shift 4
if [ -n "$shm" ]; then mount -t tmpfs -o nosuid,nodev,noexec,mode=1777,size="$shm" shm "$d/shm"; fi
[ -n "$make" ] || exit 0
set -- sh -ec '
  case $1 in *net*) ip link set lo up;; esac
  if [ -n "$2" ]; then echo "$2" >/proc/sys/kernel/hostname; fi
  shift 2
  while [ $# -gt 0 ]; do echo "$2" >"/proc/sys/$1" || { echo "sysctl $1 refused the value $2" >&2; exit 1; }; shift 2; done
' sh "$make" "$host" "$@"
for n in $make; do set -- "--$n=$d/$n" "$@"; done
exec unshare "$@"`;

/** PID 1 of a shared PID namespace: waits for ever and buries whatever the containers leave behind. */
const HOLDER = 'trap "exit 0" TERM; while :; do sleep 2147483647 & wait; done';

/** $1 folder, $2 what the holder runs, then the files to join its cgroup by. Leaves the holder's pid in `holder`. */
const START_HOLDER = `
d=$1 hold=$2; shift 2
for file; do echo $$ >"$file"; done
setsid unshare --pid="$d/pid" --fork sh -c "$hold" </dev/null >/dev/null 2>&1 &
parent=$!; pid=
for turn in 1 2 3 4 5 6 7 8 9 10; do
  read -r pid rest <"/proc/$parent/task/$parent/children" || true
  [ -z "$pid" ] || break
  sleep 0.02
done
echo "$pid" >"$d/holder"`;

/** Makes, reads and removes the namespaces of pods. */
export class Sandboxes {
  readonly #paths: RuntimePaths;
  readonly #cgroups: CgroupTree;
  readonly #launcher: Launcher;
  readonly #onStep: StepListener;

  constructor(parts: {
    readonly paths: RuntimePaths;
    readonly cgroups: CgroupTree;
    readonly launcher: Launcher;
    readonly onStep: StepListener;
  }) {
    this.#paths = parts.paths;
    this.#cgroups = parts.cgroups;
    this.#launcher = parts.launcher;
    this.#onStep = parts.onStep;
  }

  async create(config: SandboxConfig): Promise<Sandbox> {
    const existing = this.inspect(config.podUid);
    if (existing?.ready === true) {
      return existing;
    }
    if (existing !== null || listFolder(this.#paths.sandbox(config.podUid)).length > 0) {
      await this.#removeFolder(config.podUid);
    }
    try {
      return await this.#make(config);
    } catch (err) {
      // Nothing half-made stays; should this fail as well, the next call or the sweep finds the folder.
      await this.remove(config.podUid).catch(() => undefined);
      await this.#cgroups.remove(config.cgroupPath).catch(() => undefined);
      throw err;
    }
  }

  async #make(config: SandboxConfig): Promise<Sandbox> {
    let started = performance.now();
    const folder = this.#paths.sandbox(config.podUid);
    const { hostNetwork, hostIPC, hostPID, shareProcessNamespace } = config.namespaces;
    const make = [...(hostNetwork ? [] : ['net', 'uts']), ...(hostIPC ? [] : ['ipc'])];
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    for (const name of make) {
      writeFileSync(`${folder}/${name}`, '');
    }
    if (!hostIPC) {
      mkdirSync(`${folder}/shm`);
    }
    this.#cgroups.create(config.cgroupPath, config.resources ?? {});
    this.#onStep('sandbox.cgroup', performance.now() - started, config.podUid);
    started = performance.now();
    await this.#launcher.script(
      CREATE,
      [
        folder,
        hostIPC ? '' : String(config.shmSizeBytes ?? DEFAULT_SHM_BYTES),
        hostNetwork ? '' : config.hostname,
        make.join(' '),
        ...Object.entries(config.sysctls ?? {}).flatMap(([name, value]) => [name.replaceAll('.', '/'), value]),
      ],
      `Cannot make the namespaces of pod ${config.podNamespace}/${config.podName}`,
    );
    const holder = shareProcessNamespace && !hostPID ? await this.#startHolder(config, folder) : null;
    const sandbox: SandboxRecord['sandbox'] = {
      podUid: config.podUid,
      podName: config.podName,
      podNamespace: config.podNamespace,
      hostname: config.hostname,
      namespaces: config.namespaces,
      netnsPath: hostNetwork ? null : `${folder}/net`,
      utsnsPath: hostNetwork ? null : `${folder}/uts`,
      ipcnsPath: hostIPC ? null : `${folder}/ipc`,
      pidnsPath: holder === null ? null : `${folder}/pid`,
      shmPath: hostIPC ? null : `${folder}/shm`,
      cgroupPath: config.cgroupPath,
      labels: config.labels ?? {},
      createdAt: new Date().toISOString(),
    };
    writeRecord(`${folder}/sandbox.json`, { sandbox, config, holder });
    this.#onStep('sandbox.namespaces', performance.now() - started, config.podUid);
    return { ...sandbox, ready: true };
  }

  inspect(podUid: string): Sandbox | null {
    const record = readSandboxRecord(this.#paths, podUid);
    return record === null ? null : { ...record.sandbox, ready: isWhole(record) };
  }

  list(): readonly Sandbox[] {
    return this.podUids().flatMap((podUid) => this.inspect(podUid) ?? []);
  }

  /** Every pod with a folder here, whole or not. */
  podUids(): readonly string[] {
    return listFolder(this.#paths.sandboxes);
  }

  /** Removes namespaces, shared memory, cgroup and record. The containers must be gone. */
  async remove(podUid: string): Promise<void> {
    const record = readSandboxRecord(this.#paths, podUid);
    await this.#removeFolder(podUid);
    if (record !== null) {
      await this.#cgroups.remove(record.sandbox.cgroupPath);
    }
  }

  async #removeFolder(podUid: string): Promise<void> {
    const folder = this.#paths.sandbox(podUid);
    const record = readSandboxRecord(this.#paths, podUid);
    const holder = record?.holder ?? holderFromFile(folder);
    if (holder !== null) {
      killHolder(holder);
    }
    for (let turn = 1; ; turn += 1) {
      const mounted = ['net', 'uts', 'ipc', 'pid', 'shm'].map((name) => `${folder}/${name}`).filter(isMounted);
      if (mounted.length > 0) {
        // Lazily: a process that is just dying may still hold the tmpfs, and nobody can reach it by name any more.
        await this.#launcher.program(
          'umount',
          ['-n', '-l', ...mounted],
          `Cannot remove the namespaces of pod ${podUid}`,
        );
      }
      try {
        removePath(folder);
        return;
      } catch (err) {
        if (turn === REMOVE_TURNS) {
          throw new RuntimeError('Failed', `Cannot remove the sandbox of pod ${podUid}: ${String(err)}`, {
            cause: err,
          });
        }
      }
    }
  }

  async #startHolder(config: SandboxConfig, folder: string): Promise<ProcessRef> {
    writeFileSync(`${folder}/pid`, '');
    await this.#launcher.script(
      START_HOLDER,
      [folder, HOLDER, ...this.#cgroups.joinFiles(this.#cgroups.monitorsPath)],
      `Cannot start the holder of the shared PID namespace of pod ${config.podNamespace}/${config.podName}`,
    );
    const holder = holderFromFile(folder);
    if (holder === null || !isMounted(`${folder}/pid`)) {
      throw new RuntimeError(
        'Failed',
        `Cannot share one PID namespace in pod ${config.podNamespace}/${config.podName}: its holder ended at once`,
      );
    }
    return holder;
  }
}

/** The holder and the `unshare` that waits for it, which would otherwise wait until the last process of the pod is buried. */
function killHolder(holder: ProcessRef): void {
  const parent = readProcessStat(readProcessStat(holder.pid)?.parentPid ?? 0);
  signalProcess(holder, 'SIGKILL');
  if (parent?.command === 'unshare') {
    signalProcess(parent, 'SIGKILL');
  }
}

function holderFromFile(folder: string): ProcessRef | null {
  const pid = Number(readText(`${folder}/holder`)?.trim() || Number.NaN);
  return Number.isSafeInteger(pid) && pid > 1 ? processRef(pid) : null;
}

function isWhole(record: SandboxRecord): boolean {
  const { sandbox } = record;
  const files = [sandbox.netnsPath, sandbox.utsnsPath, sandbox.ipcnsPath, sandbox.pidnsPath, sandbox.shmPath];
  return files.every((file) => file === null || isMounted(file)) && (record.holder === null || isAlive(record.holder));
}

/** Whether something is mounted exactly there: a namespace on a file, or a filesystem of its own on a folder. */
function isMounted(path: string): boolean {
  try {
    const stat = statSync(path);
    if (stat.isDirectory()) {
      return stat.dev !== statSync(`${path}/..`).dev;
    }
    return statfsSync(path).type === NSFS_MAGIC;
  } catch {
    return false;
  }
}
