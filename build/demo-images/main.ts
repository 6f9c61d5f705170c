/**
 * `node dist/demo-images.cjs [--out DIR] [name …]`: builds demo images and prints one line per archive, its path and the
 * names in it. Names are `busybox`, `hello`, `nginx` or references such as `nginx:1.14.2`.
 */

import { parseArgs } from 'node:util';
import { errorMessage } from '../../lib/errors.ts';
import { buildDemoImages } from './demo-images.ts';

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    options: { out: { type: 'string', default: 'dist/images' } },
    allowPositionals: true,
  });
  const archives = await buildDemoImages({
    outDir: values.out,
    ...(positionals.length > 0 ? { names: positionals } : {}),
  });
  for (const { archivePath, references } of archives) {
    process.stdout.write(`${archivePath} ${references.join(' ')}\n`);
  }
}

main().catch((err: unknown) => {
  process.stderr.write(`error: ${errorMessage(err)}\n`);
  process.exitCode = 1;
});
