/** Makes this machine a node of a cluster, step by step; what was written is taken back when a step before the agent's fails. */
import { agentPlace, type LocalCluster } from '../cluster/cluster-options.ts';
import { isKept, programLog } from '../cluster/programs.ts';
import type { StepReport } from '../cluster/start-cluster.ts';
import { CliError } from '../errors/cli-error.ts';
import { removeNodeFiles, writeNodeFiles } from './node-files.ts';
import { fetchPinnedCa, type JoinServer } from './pinned-ca.ts';
import { requestCertificate } from './request-certificate.ts';
import { API_PORT, formatHostPort, parseHostPort } from './server-address.ts';
import { awaitNode, startAgent } from './start-agent.ts';

/** What the line says, and how the agent is to run. */
export interface JoinPlan {
  readonly server: JoinServer;
  readonly token: string;
  readonly pin: string;
  /** Options of the agent beyond those that say what on this machine is its own. */
  readonly agentArgs: readonly string[];
  readonly now: () => number;
}

/** Joins, and resolves when the node is Ready. Throws a {@link CliError}. */
export async function joinCluster(
  cluster: LocalCluster,
  plan: JoinPlan,
  report: StepReport,
  signal: AbortSignal,
): Promise<void> {
  const { layout, nodeName } = cluster;
  const { server, pin, token } = plan;
  const first = `cluster at ${formatHostPort(server.host, server.port)}`;
  report(first, 'running');
  const ca = await fetchPinnedCa(server, pin, signal);
  report(first, 'done');

  report('certificate', 'running');
  const ask = { server, ca, token, nodeName, root: layout.root, nowMs: plan.now() };
  const granted = await requestCertificate(ask, signal);
  const credentials = { ...granted, servers: typedFirst(server, granted.servers) };
  try {
    writeNodeFiles(layout, credentials, [...agentPlace(cluster), ...plan.agentArgs]);
    report('certificate', 'done');
    report(`node ${nodeName}`, 'running');
    startAgent(cluster);
  } catch (err) {
    removeNodeFiles(layout);
    throw err;
  }
  await whenReady(cluster, report, signal);
  report(`node ${nodeName}`, 'done');
}

/** Every server's API, first the one at the address the person typed: that one works from here. */
export function typedFirst(typed: JoinServer, told: readonly string[]): readonly string[] {
  const port = parseHostPort(told[0] ?? '')?.port ?? API_PORT;
  return [...new Set([formatHostPort(typed.host, port), ...told])];
}

/** As {@link awaitNode}; what fails tells how things stand then. */
async function whenReady(cluster: LocalCluster, report: StepReport, signal: AbortSignal): Promise<void> {
  try {
    await awaitNode(cluster, report, signal);
  } catch (err) {
    if (!(err instanceof CliError)) throw err;
    if (!isKept(cluster, 'agent')) {
      removeNodeFiles(cluster.layout);
      throw new CliError(`${err.message}; this machine has not joined`, {
        ...(err.hint === undefined ? {} : { hint: err.hint }),
        cause: err,
      });
    }
    const { where } = programLog(cluster, 'agent');
    const next = `The agent goes on trying; follow it in ${where}. To take this machine back out: skiff leave`;
    throw new CliError(err.message, { hint: [err.hint, next].filter(Boolean).join('\n'), cause: err });
  }
}
