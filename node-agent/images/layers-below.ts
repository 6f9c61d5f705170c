/** What the layers under a new one have, for folders that the new one uses without bringing them. */

import { lstatSync, type Stats } from 'node:fs';

/** Mode and owner of a folder. */
export interface FolderAttributes {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/**
 * A look-up in unpacked layers, topmost first: the attributes of the folder at a path (a byte string, relative), undefined
 * when no layer has it or the topmost that has it has no folder there. No link is followed.
 */
export function foldersBelow(layerFolders: readonly string[]): (path: string) => FolderAttributes | undefined {
  return (path) => {
    for (const folder of layerFolders) {
      const found = statFolders(folder, path.split('/'));
      if (found !== 'absent') {
        return found?.isDirectory() === true
          ? { mode: found.mode & 0o7777, uid: found.uid, gid: found.gid }
          : undefined;
      }
    }
    return undefined;
  };
}

/** The last of these path steps; undefined when one on the way is no folder. */
function statFolders(folder: string, steps: readonly string[]): Stats | undefined | 'absent' {
  let place = Buffer.from(folder);
  let found: Stats | undefined;
  for (const step of steps) {
    if (found !== undefined && !found.isDirectory()) {
      return undefined;
    }
    place = Buffer.concat([place, Buffer.from(`/${step}`, 'latin1')]);
    found = lstatSync(place, { throwIfNoEntry: false });
    if (found === undefined) {
      return 'absent';
    }
  }
  return found;
}
