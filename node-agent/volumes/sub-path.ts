/**
 * Part of a volume mounted by itself, safe from containers that plant links in it.
 *
 * A container that shares the volume may exchange any part of the path for a link at any moment. So the path is walked one
 * component at a time from an open folder, each opened without following links, and what is mounted is the open file
 * itself (/proc/<pid>/fd/N), never a name. Links inside the volume are followed by hand, as long as they stay inside.
 */
import { constants, type Stats } from 'node:fs';
import { type FileHandle, lstat, mkdir, open, readlink, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { bindMount, unmountBelow } from './mounts.ts';
import { VolumeError } from './volume.ts';

/** Not among Node's constants: a handle that names a file without opening it for reading. Same on all Linux ports. */
const O_PATH = 0o10000000;
const MAX_LINKS = 40;

/** Mounts `subPath` of the volume at `root` on `target`, replacing what was mounted there; makes it a folder when absent. */
export async function mountSubPath(root: string, subPath: string, target: string): Promise<void> {
  const handle = await openBelow(root, subPath);
  try {
    const isFolder = (await handle.stat()).isDirectory();
    await unmountBelow(target);
    if (isFolder) {
      await mkdir(target, { recursive: true });
    } else {
      await mkdir(dirname(target), { recursive: true });
      await writeFile(target, '', { flag: 'a' });
    }
    await bindMount(`/proc/${process.pid}/fd/${handle.fd}`, target);
  } finally {
    await handle.close();
  }
}

/** Opens `subPath` below `root` without ever leaving it. The caller closes the handle. */
export async function openBelow(root: string, subPath: string): Promise<FileHandle> {
  const refuse = (why: string, cause?: unknown): VolumeError =>
    new VolumeError(`subPath ${JSON.stringify(subPath)} ${why}`, { cause });
  if (subPath.startsWith('/') || subPath.split('/').includes('..')) throw refuse('must be relative and without ".."');
  const rest = parts(subPath);
  // The handles of the folders above, so that `..` in a link inside the volume goes up to where we came from.
  const trail: FileHandle[] = [await open(root, O_PATH | constants.O_DIRECTORY)];
  let links = 0;
  try {
    for (let part = rest.shift(); part !== undefined; part = rest.shift()) {
      const folder = trail[trail.length - 1];
      if (folder === undefined) throw refuse('leaves the volume');
      if (part === '..') {
        if (trail.length === 1) throw refuse('leads out of the volume through a link');
        await trail.pop()?.close();
        continue;
      }
      const path = `/proc/self/fd/${folder.fd}/${part}`;
      const found = await lookOrMake(path, await stat(`/proc/self/fd/${folder.fd}`));
      if (found.isSymbolicLink()) {
        const to = await readlink(path);
        links += 1;
        if (links > MAX_LINKS) throw refuse('has too many links');
        if (to.startsWith('/')) throw refuse('leads out of the volume through a link');
        rest.unshift(...parts(to));
        continue;
      }
      trail.push(await open(path, O_PATH | constants.O_NOFOLLOW));
      const opened = trail[trail.length - 1];
      if (opened === undefined || (await opened.stat()).isSymbolicLink()) throw refuse('changed while it was opened');
    }
    const last = trail.pop();
    if (last === undefined) throw refuse('leaves the volume');
    return last;
  } catch (err) {
    throw err instanceof VolumeError ? err : refuse('cannot be opened', err);
  } finally {
    for (const handle of trail) await handle.close();
  }
}

function parts(path: string): string[] {
  return path.split('/').filter((part) => part !== '' && part !== '.');
}

/** What is there; a folder with the mode of the one around it when nothing is. */
async function lookOrMake(path: string, around: Stats): Promise<Stats> {
  try {
    return await lstat(path);
  } catch (err) {
    if (!(err instanceof Error && 'code' in err && err.code === 'ENOENT')) throw err;
    await mkdir(path, { mode: around.mode & 0o7777 });
    return lstat(path);
  }
}
