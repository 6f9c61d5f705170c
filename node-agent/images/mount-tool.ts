import { run } from '../../lib/exec.ts';
import { ShellPool } from '../runtime/shell-pool.ts';

/** How `mount` or `umount` ended, with what it said. */
export interface MountResult {
  readonly exitCode: number;
  readonly output: string;
}

/** Runs `mount` and `umount`. */
export interface MountTool {
  /** The program with these arguments, in the folder `cwd`. Rejects when it cannot be run or does not end. */
  run(program: 'mount' | 'umount', args: readonly string[], cwd: string): Promise<MountResult>;
  /** Ends what a process before us had left running. Before anything is looked at. */
  killLeftovers(): Promise<void>;
}

/** The new mount calls of libmount are not needed, and not everywhere there. */
const LIBMOUNT = { LIBMOUNT_FORCE_MOUNT2: 'always' };
const TIMEOUT_MS = 60_000;

/** A process of our own for each call. */
export const directMountTool: MountTool = {
  async run(program, args, cwd) {
    const env = { PATH: process.env.PATH, LC_ALL: 'C', ...LIBMOUNT };
    const { exitCode, stdout, stderr } = await run(program, args, { cwd, env, okExitCodes: 'any' });
    return { exitCode, output: `${stderr}${stdout}`.trim() };
  },
  killLeftovers: () => Promise.resolve(),
};

/** $1 folder, then the program with its arguments. */
const IN_FOLDER = `cd "$1" || exit 1; shift; export LIBMOUNT_FORCE_MOUNT2=${LIBMOUNT.LIBMOUNT_FORCE_MOUNT2}; exec "$@"`;

/** By shells that stay, which costs this process next to nothing; `folder` keeps their pids. */
export function pooledMountTool(folder: string): MountTool {
  const shells = new ShellPool(folder);
  return {
    run: (program, args, cwd) =>
      shells.run({ script: IN_FOLDER, argv: [cwd, program, ...args], timeoutMs: TIMEOUT_MS }),
    killLeftovers: () => shells.killLeftovers(),
  };
}
