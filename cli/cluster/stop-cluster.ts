/** Takes the cluster of this machine down and proves that nothing of it stays. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { CliError } from '../errors/cli-error.ts';
import { agentPlace, type LocalCluster } from './cluster-options.ts';
import { stopProgram } from './programs.ts';
import type { StepReport } from './start-cluster.ts';

/** The agent ends at once. */
const STOP_TIMEOUT_MS = 15_000;
/** The server lets calls in flight finish (5 s) and stops etcd (10 s): were it killed meanwhile, etcd would stay. */
const SERVER_STOP_TIMEOUT_MS = 25_000;

/** Stops pods, agent, server and etcd, and removes what they made. Data stays unless `purge`. */
export async function stopCluster(
  cluster: LocalCluster,
  options: { readonly purge: boolean },
  report: StepReport,
): Promise<void> {
  const { layout } = cluster;
  await stopNode(cluster, report);

  report('control plane', 'running');
  await stopProgram(cluster, 'server', SERVER_STOP_TIMEOUT_MS);
  report('control plane', 'done');

  const mounted = mountsUnder([layout.runDir, layout.dataDir]);
  if (mounted.length > 0) throw new CliError(`these are still mounted: ${mounted.join(', ')}`);
  rmSync(layout.runDir, { recursive: true, force: true });
  if (options.purge) {
    for (const folder of [layout.dataDir, layout.logDir, join(layout.root, 'var/log/pods')]) {
      rmSync(folder, { recursive: true, force: true });
    }
  }
}

/** Stops the agent and every pod, and removes what the agent made outside its folders. Throws a {@link CliError} with what stayed. */
export async function stopNode(cluster: LocalCluster, report: StepReport): Promise<void> {
  report('agent', 'running');
  await stopProgram(cluster, 'agent', STOP_TIMEOUT_MS);
  report('agent', 'done');

  report('pods', 'running');
  const teardown = spawnSync(
    process.execPath,
    [join(cluster.bin, 'skiff'), 'agent', ...agentPlace(cluster), '--teardown'],
    {
      encoding: 'utf8',
      cwd: '/',
    },
  );
  if (teardown.status !== 0) {
    throw new CliError('Cannot remove everything the agent made', {
      hint: `${teardown.stdout}${teardown.stderr}`.trimEnd(),
    });
  }
  report('pods', 'done');
}

/** Whether anything of this cluster is on the machine: programs, pods, or (for a purge) data. */
export function anythingThere(cluster: LocalCluster, purge: boolean): boolean {
  return existsSync(cluster.layout.runDir) || (purge && existsSync(cluster.layout.dataDir));
}

/** What is mounted below folders. */
export function mountsUnder(folders: readonly string[]): string[] {
  const points = readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '');
  return points.filter((point) => folders.some((folder) => point.startsWith(`${folder}/`)));
}
