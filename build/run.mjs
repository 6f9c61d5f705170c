// Runs one TypeScript file of this repository with plain Node.js: bundles it into .cache/ and starts it.
// Usage: node build/run.mjs <file.ts> [argument …]
import { spawnSync } from 'node:child_process';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const [file, ...args] = process.argv.slice(2);
if (file === undefined) {
  process.stderr.write('usage: node build/run.mjs <file.ts> [argument …]\n');
  process.exit(2);
}
const outfile = join(root, '.cache', `${basename(file, '.ts')}.mjs`);
await build({
  entryPoints: [file],
  outfile,
  bundle: true,
  platform: 'node',
  target: 'node20',
  format: 'esm',
  packages: 'external',
  sourcemap: 'inline',
  logLevel: 'warning',
  define: { 'import.meta.dirname': JSON.stringify(join(root, file, '..')) },
});
const { status } = spawnSync(process.execPath, ['--enable-source-maps', outfile, ...args], { stdio: 'inherit' });
process.exit(status ?? 1);
