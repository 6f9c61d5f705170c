import { readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/** When a log is rotated and how much of it is kept. */
export interface LogRotationOptions {
  /** The file is rotated when it is larger. Default 10 MiB. */
  readonly maxBytes?: number;
  /** Files kept, the current one included. At least 2; default 5. */
  readonly maxFiles?: number;
  /** Tells the writer to open its file anew; when it fails, the old name is given back. */
  readonly reopen: () => Promise<void>;
}

const DEFAULT_MAX_BYTES = 10 * 1024 * 1024;
const DEFAULT_MAX_FILES = 5;

/**
 * Rotates a container's log when it has grown too large: `0.log` becomes `0.log.<time>`, the writer opens a new `0.log`,
 * and the oldest beyond `maxFiles` go. Returns whether it rotated. A missing file is fine. Being cut short leaves either the
 * old name or a rotated file and a writer that still writes to it; the next call, finding no file, asks it to reopen.
 */
export async function rotateLog(path: string, options: LogRotationOptions): Promise<boolean> {
  const maxFiles = Math.max(2, options.maxFiles ?? DEFAULT_MAX_FILES);
  const current = await stat(path).catch(() => null);
  if (current === null) {
    if ((await rotatedFiles(path)).length > 0) {
      await options.reopen();
    }
    return false;
  }
  if (current.size <= (options.maxBytes ?? DEFAULT_MAX_BYTES)) {
    return false;
  }
  const rotated = `${path}.${new Date().toISOString().replaceAll(/[-:.TZ]/g, '')}`;
  await rename(path, rotated);
  try {
    await options.reopen();
  } catch (err) {
    await rename(rotated, path);
    throw new Error(`Cannot rotate the log ${path}: ${err instanceof Error ? err.message : String(err)}`, {
      cause: err,
    });
  }
  const old = await rotatedFiles(path);
  for (const name of old.slice(0, Math.max(0, old.length - (maxFiles - 1)))) {
    await rm(join(dirname(path), name), { force: true });
  }
  return true;
}

/** Names of the rotated files of a log, oldest first. */
async function rotatedFiles(path: string): Promise<readonly string[]> {
  const names = await readdir(dirname(path)).catch(() => []);
  return names.filter((name) => name.startsWith(`${basename(path)}.`)).sort();
}
