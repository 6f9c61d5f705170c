/** Whether a root folder can be mounted upon without being led outside. */

import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import { ImageError } from './image-store.ts';

/** What each place must be when it exists. Runtimes have followed links here (CVE-2019-19921, CVE-2025-31133, -52565, -52881). */
const MOUNT_POINTS: readonly (readonly [path: string, mustBe: 'directory' | 'no-link'])[] = [
  ['proc', 'directory'],
  ['sys', 'directory'],
  ['dev', 'directory'],
  ['dev/pts', 'directory'],
  ['dev/null', 'no-link'],
  ['dev/console', 'no-link'],
];

/**
 * Refuses a root folder that is none, or in which a place that the runtime itself mounts upon is a symbolic link or no directory. What is
 * missing is fine: the runtime makes it. Call it after mounting and before the first start. Throws `InvalidImage`.
 */
export async function checkRootfs(rootfsPath: string): Promise<void> {
  const root = await checkPath(rootfsPath, '', 'directory');
  if (root === 'missing') throw new ImageError('Failed', `Cannot use the root folder ${rootfsPath}: it does not exist`);
  for (const [path, mustBe] of MOUNT_POINTS) {
    await checkPath(rootfsPath, path, mustBe);
  }
}

async function checkPath(
  rootfsPath: string,
  path: string,
  mustBe: 'directory' | 'no-link',
): Promise<'fit' | 'missing'> {
  const found = await lstat(join(rootfsPath, path)).catch((err: unknown) => {
    if (err instanceof Error && 'code' in err && err.code === 'ENOENT') {
      return undefined;
    }
    throw new ImageError('Failed', `Cannot check the root folder ${rootfsPath}: ${String(err)}`, { cause: err });
  });
  if (found?.isSymbolicLink() === true) {
    throw new ImageError(
      'InvalidImage',
      `Cannot start from the image: its /${path} is a symbolic link, and the runtime mounts there`,
    );
  }
  if (found !== undefined && mustBe === 'directory' && !found.isDirectory()) {
    throw new ImageError('InvalidImage', `Cannot start from the image: its /${path} is not a directory`);
  }
  return found === undefined ? 'missing' : 'fit';
}
