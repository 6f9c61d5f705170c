/** Mounting and unmounting on the node. */
import { readFileSync } from 'node:fs';
import { run } from '../../lib/exec.ts';

/** Longest a mount or unmount may take, in milliseconds. */
const TIMEOUT_MS = 30_000;

/** Paths mounted at or below any of these folders, deepest first. */
export function mountsBelow(...dirs: readonly string[]): string[] {
  const text = readFileSync('/proc/self/mounts', 'utf8');
  // The table has some lines for every pod of the node, and mostly none for this one.
  const wanted = dirs.filter((dir) => /[\s\\]/.test(dir) || text.includes(dir));
  if (wanted.length === 0) return [];
  return text
    .split('\n')
    .map((line) => decodeOctal(line.split(' ')[1] ?? ''))
    .filter((path) => wanted.some((dir) => path === dir || path.startsWith(`${dir}/`)))
    .reverse();
}

/** The kernel writes blanks, tabs, newlines and backslashes of a path in octal. */
function decodeOctal(path: string): string {
  return path.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}

/** Mounts a tmpfs of at most `sizeBytes` (the kernel's default when undefined). */
export async function mountTmpfs(path: string, sizeBytes: number | undefined): Promise<void> {
  const options = ['mode=0777', 'nosuid', 'nodev', ...(sizeBytes === undefined ? [] : [`size=${sizeBytes}`])];
  await run('mount', ['-t', 'tmpfs', '-o', options.join(','), 'skiff-empty-dir', path], { timeoutMs: TIMEOUT_MS });
}

/** Shows `source` at `target` as well. The source is taken as it is written: no link in it is resolved. */
export async function bindMount(source: string, target: string): Promise<void> {
  await run('mount', ['--no-canonicalize', '--rbind', source, target], { timeoutMs: TIMEOUT_MS });
}

/** Takes everything mounted at or below these folders away, the busy ones as soon as they are free. Returns what stays. */
export async function unmountBelow(...dirs: readonly string[]): Promise<readonly string[]> {
  const mounted = mountsBelow(...dirs);
  for (const path of mounted) {
    await run('umount', ['--lazy', path], { timeoutMs: TIMEOUT_MS });
  }
  return mounted.length === 0 ? [] : mountsBelow(...dirs);
}
