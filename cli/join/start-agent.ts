/** Starts the agent of a machine that has joined, and waits until its node is Ready. */
import { awaitProgram } from '../cluster/await-program.ts';
import { nodeReadiness } from '../cluster/cluster-api.ts';
import { agentPlace, type LocalCluster } from '../cluster/cluster-options.ts';
import { isKept, startProgram } from '../cluster/programs.ts';
import type { StepReport } from '../cluster/start-cluster.ts';
import { isUnit } from '../cluster/systemd-units.ts';
import { writeUnit } from '../cluster/write-unit.ts';
import { withNodeApi } from './node-api.ts';
import { readAgentArgs } from './node-files.ts';

const ASK_TIMEOUT_MS = 5000;

/** Starts the agent as the machine joined, unless it runs. */
export function startAgent(cluster: LocalCluster): void {
  if (isKept(cluster, 'agent')) return;
  const args = readAgentArgs(cluster.layout) ?? agentPlace(cluster);
  // A unit written before the machine joined may say another name or other options.
  if (isUnit(cluster.layout.root, 'agent')) writeUnit(cluster, 'agent', args);
  startProgram(cluster, 'agent', args);
}

/** Resolves when the node is Ready, by what the servers tell its own certificate. Throws a {@link CliError} with the log's end. */
export async function awaitNode(cluster: LocalCluster, report: StepReport, signal: AbortSignal): Promise<void> {
  const { nodeName } = cluster;
  await awaitProgram(cluster, 'agent', signal, () =>
    withNodeApi(cluster, { signal, timeoutMs: ASK_TIMEOUT_MS }, async (api) => {
      const { ready, message } = await nodeReadiness(api, nodeName);
      if (!ready) report(`node ${nodeName}`, 'running', message);
      return ready ? undefined : message;
    }),
  );
}
