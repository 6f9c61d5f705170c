/** Brings the cluster of this machine up: server, certificates, configuration, agent; each step waited for by its condition. */
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ensureNodeCertificate, machineAddresses } from '../../lib/pki.ts';
import { awaitProgram } from './await-program.ts';
import { nodeReadiness, withClusterApi } from './cluster-api.ts';
import { agentPlace, type LocalCluster } from './cluster-options.ts';
import type { KeptName } from './kept-process.ts';
import { isKept, startProgram } from './programs.ts';

/** Told how the start is going: one line per step, `done` when it is. */
export type StepReport = (step: string, state: 'running' | 'done', detail?: string) => void;

/** Whether both programs run and the node is Ready. */
export async function isUp(cluster: LocalCluster, signal: AbortSignal): Promise<boolean> {
  if (!isKept(cluster, 'server') || !isKept(cluster, 'agent')) return false;
  try {
    return await withClusterApi(cluster, signal, async (api) => (await nodeReadiness(api, cluster.nodeName)).ready);
  } catch {
    return false;
  }
}

/** Starts what does not run yet. `extra` are further options of the two programs. Throws a {@link CliError} with the log's end. */
export async function startCluster(
  cluster: LocalCluster,
  extra: { readonly server: readonly string[]; readonly agent: readonly string[] },
  report: StepReport,
  signal: AbortSignal,
): Promise<void> {
  const { layout, nodeName } = cluster;
  report('control plane', 'running');
  ensureStarted(cluster, 'server', ['--root', layout.root, ...extra.server]);
  await awaitProgram(cluster, 'server', signal, () =>
    withClusterApi(cluster, signal, async (api) => {
      await api.version();
      return undefined;
    }),
  );
  report('control plane', 'done');

  report(`node ${nodeName}`, 'running');
  const certificate = join(layout.dataDir, 'agent/agent');
  mkdirSync(dirname(certificate), { recursive: true, mode: 0o700 });
  await ensureNodeCertificate(layout.pkiDir, certificate, {
    name: nodeName,
    names: ['127.0.0.1', ...machineAddresses()],
  });
  ensureStarted(cluster, 'agent', [...agentPlace(cluster), ...extra.agent]);
  await awaitProgram(cluster, 'agent', signal, () =>
    withClusterApi(cluster, signal, async (api) => {
      const { ready, message } = await nodeReadiness(api, nodeName);
      if (!ready) report(`node ${nodeName}`, 'running', message);
      return ready ? undefined : message;
    }),
  );
  report(`node ${nodeName}`, 'done');
}

function ensureStarted(cluster: LocalCluster, name: KeptName, args: readonly string[]): void {
  if (!isKept(cluster, name)) startProgram(cluster, name, args);
}
