import { existsSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { run } from '../../../lib/exec.ts';
import { type CgroupLayout, readCgroupLayout } from '../../cgroups/layout.ts';

/** The OCI runtime in use. */
export interface OciRuntimeChoice {
  readonly name: 'crun' | 'runc';
  /** Absolute: the monitor does not search the PATH. */
  readonly path: string;
  readonly version: string;
}

const FOLDERS = ['/usr/bin', '/usr/sbin', '/usr/local/bin', '/usr/local/sbin', '/bin', '/sbin'];

/**
 * Finds crun, or runc where crun is missing or cannot work. crun refuses a hybrid cgroup layout with a controller in the
 * v2 tree; mounting that controller (hugetlb, in practice) as v1 beside the others cures it, so that is tried first.
 * Rejects with an `ExecError` `MissingTool` when there is neither.
 */
export async function chooseOciRuntime(options: {
  readonly layout: CgroupLayout;
  readonly onWarning: (warning: string) => void;
  /** Use this one, or fail. */
  readonly only?: 'crun' | 'runc';
}): Promise<OciRuntimeChoice> {
  if (options.only === 'runc') {
    return choice('runc', findProgram('runc') ?? 'runc');
  }
  const crun = findProgram('crun');
  const runc = options.only === 'crun' ? null : findProgram('runc');
  if (crun !== null && (await freeHybridControllers(options.layout, options.onWarning))) {
    return choice('crun', crun);
  }
  if (runc !== null) {
    options.onWarning(
      crun === null
        ? 'crun is not installed; containers start more slowly with runc (on Debian: apt install crun)'
        : `crun cannot run here: the cgroup controllers ${options.layout.hybridControllers.join(', ')} are in the v2 tree of a hybrid layout; using runc`,
    );
    return choice('runc', runc);
  }
  // Neither works: let the attempt itself say what is missing.
  return choice('crun', crun ?? 'crun');
}

async function choice(name: 'crun' | 'runc', path: string): Promise<OciRuntimeChoice> {
  const { stdout } = await run(path, ['--version'], { timeoutMs: 10_000 });
  return { name, path, version: /version\s+(\S+)/.exec(stdout)?.[1] ?? 'unknown' };
}

/** True when no controller is left in the v2 tree of a hybrid layout. */
async function freeHybridControllers(layout: CgroupLayout, onWarning: (warning: string) => void): Promise<boolean> {
  if (readCgroupLayout().hybridControllers.length === 0) {
    return true;
  }
  const base = dirname(layout.controllers.get('cpu') ?? '/sys/fs/cgroup/cpu');
  for (const name of layout.hybridControllers) {
    const folder = `${base}/${name}`;
    try {
      mkdirSync(folder, { recursive: true });
      await run('mount', ['-t', 'cgroup', '-o', name, 'cgroup', folder], { timeoutMs: 10_000 });
      onWarning(
        `mounted the cgroup controller ${name} at ${folder}: crun refuses hybrid cgroups with it in the v2 tree`,
      );
    } catch (err) {
      onWarning(
        `cannot mount the cgroup controller ${name} as v1: ${err instanceof Error ? err.message : String(err)}`,
      );
    }
  }
  return readCgroupLayout().hybridControllers.length === 0;
}

function findProgram(name: string): string | null {
  const folders = [...(process.env.PATH ?? '').split(':').filter((folder) => folder.startsWith('/')), ...FOLDERS];
  return folders.map((folder) => `${folder}/${name}`).find((path) => existsSync(path)) ?? null;
}
