/** The rate of a plain shell loop over the bare tools, measured by a script that may lie outside this repository. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** Where the script is: named by the environment, or in a folder beside this repository. */
function script(): string {
  return process.env.SKIFF_SHELL_FLOOR ?? join(import.meta.dirname, '../../shared/tools/shell-floor.sh');
}

/** Pods per second, four at once; undefined (and said so) without the script. */
export async function shellFloor(say: (text: string) => void): Promise<number | undefined> {
  const path = script();
  if (!existsSync(path)) {
    say('no shell loop to compare with: SKIFF_SHELL_FLOOR names none');
    return undefined;
  }
  say('the shell loop over the bare tools');
  return new Promise((resolve) => {
    execFile('bash', [path, '100', '4'], (err, stdout) => {
      if (err !== null) say(`the shell loop failed: ${err.message}`);
      resolve(err === null ? Number(stdout.trim()) : undefined);
    });
  });
}
