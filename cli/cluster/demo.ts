/** The first application: what `up` shows a newcomer, with the very commands it uses. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { CliError } from '../errors/cli-error.ts';
import type { Terminal } from '../terminal.ts';
import type { LocalCluster } from './cluster-options.ts';

/** Builds the demo images, loads them, applies `manifests/hello`, follows the roll-out and prints the pods. */
export async function runDemo(cluster: LocalCluster, terminal: Terminal, configFile: string): Promise<void> {
  const { runCli } = await import('../run-cli.ts');
  const hello = join(cluster.bin, '../manifests/hello');
  const show = async (...args: readonly string[]): Promise<void> => {
    terminal.stdout.write(`\n$ skiff ${args.join(' ')}\n`);
    const env = { ...terminal.env, SKIFF_CONFIG: configFile };
    const code = await runCli(args, { ...terminal, env });
    if (code !== 0) throw new CliError(`skiff ${args.join(' ')} ended with exit code ${code}`);
  };
  const socket = cluster.layout.root === '/' ? [] : ['--socket', cluster.layout.agentSocket];
  for (const archive of buildImages(cluster)) await show('image', 'load', archive, ...socket);
  await show('apply', '-f', hello);
  await show('rollout', 'status', 'deployment/hello', '--timeout=120s');
  await show('get', 'pods', '-o', 'wide');
}

/** Archives of the demo images, made from Debian packages. */
function buildImages(cluster: LocalCluster): string[] {
  const out = join(cluster.layout.dataDir, 'demo-images');
  const script = join(cluster.bin, '../dist/demo-images.cjs');
  const built = spawnSync(process.execPath, [script, '--out', out, 'busybox'], { encoding: 'utf8' });
  if (built.status !== 0) throw new CliError('Cannot build the demo images', { hint: built.stderr.trimEnd() });
  return built.stdout
    .trim()
    .split('\n')
    .map((line) => line.split(' ')[0] ?? '');
}
