/** Reading and writing the small files that cgroups are made of. */
import { existsSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';

/** Removes a folder of cgroups, deepest first. False when one of them is still busy. */
export function removeFolder(folder: string): boolean {
  try {
    // Mostly there is nothing below: try that first, it saves a listing per hierarchy.
    rmdirSync(folder);
    return true;
  } catch (err) {
    if (hasCode(err, 'ENOENT')) {
      return true;
    }
  }
  let allGone = true;
  for (const name of subfolders(folder)) {
    allGone = removeFolder(`${folder}/${name}`) && allGone;
  }
  if (!allGone) {
    return false;
  }
  try {
    rmdirSync(folder);
    return true;
  } catch (err) {
    return hasCode(err, 'ENOENT');
  }
}

/** Names of the folders in a folder; none when it is not there. */
export function subfolders(folder: string): readonly string[] {
  try {
    return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []));
  } catch {
    return [];
  }
}

/** For what a kernel may not have and nobody should fail for: writes only into a file that is there. */
export function writeQuietly(file: string, text: string): void {
  try {
    if (existsSync(file)) {
      writeFileSync(file, text);
    }
  } catch {
    // Not allowed here.
  }
}

/** The text of a file, or `otherwise` when it cannot be read. */
export function readOr(file: string, otherwise: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return otherwise;
  }
}

/** The number behind a key in a file of `key value` lines; 0 when it is not there. */
export function keyed(text: string, key: string): number {
  for (const line of text.split('\n')) {
    if (line.startsWith(`${key} `)) {
      return Number(line.slice(key.length + 1));
    }
  }
  return 0;
}

/** A file's text as a number; 0 when it is none (`max`). */
export function number(text: string): number {
  const value = Number(text.trim());
  return Number.isFinite(value) ? value : 0;
}

/** Whether an error is a system error of this code. */
export function hasCode(err: unknown, code: string): boolean {
  return err instanceof Error && 'code' in err && err.code === code;
}
