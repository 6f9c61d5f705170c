/** Brings the cluster of this machine up: server, certificates, configuration, agent; each step waited for by its condition. */
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { errorMessage } from '../../lib/errors.ts';
import { ensureNodeCertificate, machineAddresses } from '../../lib/pki.ts';
import { isAlive } from '../../lib/process.ts';
import { CliError } from '../errors/cli-error.ts';
import { nodeReadiness, withClusterApi } from './cluster-api.ts';
import { agentPlace, type LocalCluster } from './cluster-options.ts';
import { findKept, type KeptName, logFile, logTail, readChild, startKept } from './kept-process.ts';

/** Told how the start is going: one line per step, `done` when it is. */
export type StepReport = (step: string, state: 'running' | 'done', detail?: string) => void;

/** How long one step may take before it counts as failed. A small board with a slow card needs some of it. */
const STEP_TIMEOUT_MS = 180_000;
const POLL_MS = 50;

/** Whether both programs run and the node is Ready. */
export async function isUp(cluster: LocalCluster, signal: AbortSignal): Promise<boolean> {
  if (findKept(cluster.layout, 'server') === undefined || findKept(cluster.layout, 'agent') === undefined) return false;
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
  await until(cluster, 'server', signal, () =>
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
  await until(cluster, 'agent', signal, () =>
    withClusterApi(cluster, signal, async (api) => {
      const { ready, message } = await nodeReadiness(api, nodeName);
      if (!ready) report(`node ${nodeName}`, 'running', message);
      return ready ? undefined : message;
    }),
  );
  report(`node ${nodeName}`, 'done');
}

function ensureStarted(cluster: LocalCluster, name: KeptName, args: readonly string[]): void {
  if (findKept(cluster.layout, name) === undefined) startKept(cluster.layout, name, { bin: cluster.bin, args });
}

/** Asks `probe` until it returns undefined; what it returns or throws is why not yet. */
async function until(
  cluster: LocalCluster,
  name: KeptName,
  signal: AbortSignal,
  probe: () => Promise<string | undefined>,
): Promise<void> {
  const deadline = Date.now() + STEP_TIMEOUT_MS;
  for (;;) {
    let why: string | undefined;
    try {
      why = await probe();
      if (why === undefined) return;
    } catch (err) {
      why = errorMessage(err);
    }
    signal.throwIfAborted();
    const keeper = findKept(cluster.layout, name);
    if (keeper === undefined || !isAlive(keeper)) throw failure(cluster, name, 'it ended');
    if (Date.now() > deadline) {
      const running = readChild(cluster.layout, name) === undefined ? 'it keeps ending' : why;
      throw failure(cluster, name, `after ${STEP_TIMEOUT_MS / 1000} s ${running}`);
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

function failure(cluster: LocalCluster, name: KeptName, because: string): CliError {
  const tail = logTail(cluster.layout, name);
  return new CliError(`Cannot start the ${name}: ${because}`, {
    hint: `The end of ${logFile(cluster.layout, name)}:\n${tail === '' ? '(empty)' : tail}`,
  });
}
