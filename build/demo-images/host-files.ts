/** Files of this machine as files of an image. */

import { existsSync, lstatSync, readdirSync, readlinkSync, realpathSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../../lib/exec.ts';
import type { LayerFile } from '../../lib/oci-image-writer.ts';

/** One file at the same place as here, links followed. Throws when it is missing, naming the Debian package. */
export function hostFile(path: string, options: { readonly debianPackage: string; readonly as?: string }): LayerFile {
  if (!existsSync(path)) {
    throw new Error(
      `Cannot build the image: ${path} is missing; on Debian it is in the package ${options.debianPackage}`,
    );
  }
  const hostPath = realpathSync(path);
  return {
    kind: 'file',
    path: relative(options.as ?? path),
    mode: statSync(hostPath).mode & 0o755,
    content: { hostPath },
  };
}

/** A folder with everything in it, symbolic links kept as they are. */
export function hostFolder(path: string): LayerFile[] {
  return readdirSync(path, { recursive: true, encoding: 'utf8' }).flatMap((name): LayerFile[] => {
    const full = join(path, name);
    const found = lstatSync(full);
    if (found.isDirectory()) {
      return [{ kind: 'directory', path: relative(full), mode: found.mode & 0o755 }];
    }
    if (found.isSymbolicLink()) {
      return [{ kind: 'symlink', path: relative(full), target: readlinkSync(full) }];
    }
    return found.isFile()
      ? [{ kind: 'file', path: relative(full), mode: found.mode & 0o755, content: { hostPath: full } }]
      : [];
  });
}

/** The shared libraries a program needs, and the loader itself, each under the path the loader looks for. */
export async function sharedLibraries(program: string): Promise<LayerFile[]> {
  const { stdout } = await run('ldd', [program], { env: { PATH: process.env.PATH, LC_ALL: 'C' } });
  return stdout.split('\n').flatMap((line): LayerFile[] => {
    const missing = /^\s*(\S+) => not found/.exec(line)?.[1];
    if (missing !== undefined) {
      throw new Error(`Cannot build the image: ${program} needs the library ${missing}, which is not installed`);
    }
    // `name => /path (0x…)` for libraries, `/path (0x…)` for the loader; the kernel's own has no path.
    const path = /(?:=> |^\s*)(\/\S+) \(0x/.exec(line)?.[1];
    return path === undefined ? [] : [hostFile(path, { debianPackage: 'libc6' })];
  });
}

/** Each path once: programs share libraries. The first of a path stays. */
export function onePerPath(files: readonly LayerFile[]): LayerFile[] {
  return [...new Map(files.toReversed().map((file) => [file.path, file])).values()].toReversed();
}

function relative(path: string): string {
  return path.replace(/^\/+/, '');
}
