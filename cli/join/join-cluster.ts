/** Makes this machine a node of a cluster, step by step; what was written is taken back when a step before the agent's fails. */
import { errorMessage } from '../../lib/errors.ts';
import { SERVER_NAME } from '../../lib/pki.ts';
import { ApiClient } from '../api/api-client.ts';
import { awaitProgram } from '../cluster/await-program.ts';
import { nodeReadiness } from '../cluster/cluster-api.ts';
import { agentPlace, type LocalCluster } from '../cluster/cluster-options.ts';
import { isKept, programLog, startProgram } from '../cluster/programs.ts';
import type { StepReport } from '../cluster/start-cluster.ts';
import { isUnit } from '../cluster/systemd-units.ts';
import { writeUnit } from '../cluster/write-unit.ts';
import { GrpcConnection } from '../connection/grpc-connection.ts';
import { CliError } from '../errors/cli-error.ts';
import { removeNodeFiles, writeNodeFiles } from './node-files.ts';
import { fetchPinnedCa, type JoinServer } from './pinned-ca.ts';
import { type NodeCredentials, requestCertificate } from './request-certificate.ts';
import { API_PORT, formatHostPort, parseHostPort } from './server-address.ts';

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
    writeNodeFiles(layout, credentials);
    report('certificate', 'done');
    report(`node ${nodeName}`, 'running');
    startAgent(cluster, plan.agentArgs);
  } catch (err) {
    removeNodeFiles(layout);
    throw err;
  }
  await whenReady(cluster, credentials, report, signal);
  report(`node ${nodeName}`, 'done');
}

/** Every server's API, first the one at the address the person typed: that one works from here. */
export function typedFirst(typed: JoinServer, told: readonly string[]): readonly string[] {
  const port = parseHostPort(told[0] ?? '')?.port ?? API_PORT;
  return [...new Set([formatHostPort(typed.host, port), ...told])];
}

function startAgent(cluster: LocalCluster, extra: readonly string[]): void {
  const args = [...agentPlace(cluster), ...extra];
  // A unit written before the machine joined may say another name or other options.
  if (isUnit(cluster.layout.root, 'agent')) writeUnit(cluster, 'agent', args);
  startProgram(cluster, 'agent', args);
}

/** Asks the API with the node's own certificate, as the agent does. */
async function whenReady(
  cluster: LocalCluster,
  { ca, certificate, key, servers }: NodeCredentials,
  report: StepReport,
  signal: AbortSignal,
): Promise<void> {
  const { nodeName, layout } = cluster;
  const probe = async (): Promise<string | undefined> => {
    const tls = { ca, cert: certificate, key, servername: SERVER_NAME };
    const connection = await GrpcConnection.open({ endpoints: servers, tls, connectTimeoutMs: 2000 }, signal);
    try {
      const api = new ApiClient(connection, { signal, requestTimeoutMs: 5000, warn: () => {} });
      const { ready, message } = await nodeReadiness(api, nodeName);
      if (!ready) report(`node ${nodeName}`, 'running', message);
      return ready ? undefined : message;
    } finally {
      connection.close();
    }
  };
  try {
    await awaitProgram(cluster, 'agent', signal, probe);
  } catch (err) {
    if (!(err instanceof CliError)) throw err;
    const { where } = programLog(cluster, 'agent');
    if (!isKept(cluster, 'agent')) {
      removeNodeFiles(layout);
      throw new CliError(`${errorMessage(err)}; this machine has not joined`, {
        ...(err.hint === undefined ? {} : { hint: err.hint }),
        cause: err,
      });
    }
    const next = `The agent goes on trying; follow it in ${where}. To take this machine back out: skiff leave`;
    throw new CliError(err.message, { hint: [err.hint, next].filter(Boolean).join('\n'), cause: err });
  }
}
