/**
 * A folder of files that changes all at once, as programs in containers expect of ConfigMap and Secret volumes:
 *
 *   key -> ..data/key      ..data -> ..2026_11_23_10_00_00.123/      ..2026_…/key
 *
 * Readers see either the old files or the new ones, because only the link `..data` is exchanged, by rename.
 */
import {
  chmod,
  chown,
  lstat,
  mkdir,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { VolumeError } from './volume.ts';

/** One file. `mode` has the permission bits only. */
export interface VolumeFile {
  readonly data: Uint8Array;
  readonly mode: number;
}

const DATA_LINK = '..data';

/**
 * Makes `dir` hold exactly `files` (by relative path); false when it did already. Every file can be read by `group` when one
 * is given. Throws {@link VolumeError} for a path that would leave the folder.
 */
export async function writeFilesAtomically(
  dir: string,
  files: ReadonlyMap<string, VolumeFile>,
  group: number | undefined,
): Promise<boolean> {
  for (const path of files.keys()) checkPath(path);
  await mkdir(dir, { recursive: true, mode: 0o755 });
  const current = await readlink(join(dir, DATA_LINK)).catch(() => undefined);
  if (current !== undefined && (await holds(join(dir, current), files))) return false;
  const name = `..${new Date().toISOString().replace(/[-:T]/g, '_').replace('Z', '')}`;
  const fresh = join(dir, name);
  await rm(fresh, { recursive: true, force: true });
  await mkdir(fresh, { mode: 0o755 });
  for (const [path, file] of files) {
    const target = join(fresh, path);
    await mkdir(dirname(target), { recursive: true, mode: 0o755 });
    await writeFile(target, file.data, { flag: 'wx', mode: 0o600 });
    if (group !== undefined) await chown(target, 0, group);
    // After the write and by chmod: the process's umask must not matter.
    await chmod(target, group === undefined ? file.mode : file.mode | 0o440);
  }
  if (group !== undefined) await chown(dir, 0, group);
  const temporary = join(dir, '..data_tmp');
  await rm(temporary, { force: true });
  await symlink(name, temporary);
  await rename(temporary, join(dir, DATA_LINK));
  await linkVisible(dir, new Set([...files.keys()].map((path) => path.split('/')[0] ?? '')));
  for (const entry of await readdir(dir)) {
    if (entry.startsWith('..') && entry !== DATA_LINK && entry !== name) {
      await rm(join(dir, entry), { recursive: true, force: true });
    }
  }
  return true;
}

/** The links at the top, one per first path component. */
async function linkVisible(dir: string, names: ReadonlySet<string>): Promise<void> {
  for (const entry of await readdir(dir)) {
    if (!entry.startsWith('..') && !names.has(entry)) await rm(join(dir, entry), { recursive: true, force: true });
  }
  for (const name of names) {
    await symlink(`${DATA_LINK}/${name}`, join(dir, name)).catch((err: unknown) => {
      if (!(err instanceof Error && 'code' in err && err.code === 'EEXIST')) throw err;
    });
  }
}

async function holds(dir: string, files: ReadonlyMap<string, VolumeFile>): Promise<boolean> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true }).catch(() => []);
  if (entries.filter((entry) => !entry.isDirectory()).length !== files.size) return false;
  for (const [path, file] of files) {
    const target = join(dir, path);
    const stat = await lstat(target).catch(() => undefined);
    if (stat?.isFile() !== true || stat.size !== file.data.length) return false;
    if ((stat.mode & file.mode) !== file.mode) return false;
    if (!(await readFile(target)).equals(file.data)) return false;
  }
  return true;
}

/** Refuses what would leave the folder or collide with its own links. */
export function checkPath(path: string): void {
  const parts = path.split('/');
  const bad = path === '' || path.startsWith('/') || parts.some((p) => p === '' || p === '.' || p === '..');
  if (bad || parts[0]?.startsWith('..') === true || path.includes('\0')) {
    throw new VolumeError(
      `the path ${JSON.stringify(path)} of a file must be relative, without "..", and not start with ".."`,
    );
  }
}
