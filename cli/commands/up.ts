import type { Command } from 'commander';
import { findOwner, writeAdminConfig } from '../cluster/admin-config.ts';
import { LOCAL_ENDPOINT, withClusterApi } from '../cluster/cluster-api.ts';
import { addClusterOptions, type ClusterFlags, type LocalCluster, localCluster } from '../cluster/cluster-options.ts';
import { describeMissing, missingTools } from '../cluster/host-tools.ts';
import { isUp, startCluster } from '../cluster/start-cluster.ts';
import { stepLines } from '../cluster/step-lines.ts';
import { CliError } from '../errors/cli-error.ts';
import { membershipOf } from '../join/node-files.ts';
import { awaitNode, startAgent } from '../join/start-agent.ts';
import { collect } from '../resources/collect.ts';
import type { Terminal } from '../terminal.ts';
import { addExamples, type Verb } from '../verb.ts';

interface UpFlags extends ClusterFlags {
  readonly demo: boolean;
  readonly configOwner?: string;
  readonly serverOption?: readonly string[];
  readonly agentOption?: readonly string[];
}

/** `skiff up` */
export const up: Verb = {
  configure(command: Command, { terminal }) {
    addClusterOptions(command)
      .option('--no-demo', 'do not run the hello application')
      .option('--config-owner <user>', 'whose ~/.skiff/config is written (default: who runs this)')
      .option('--server-option <option>', 'one further option for the server, such as --log-level=debug', collect)
      .option('--agent-option <option>', 'one further option for the agent', collect)
      .action((options: UpFlags) => runUp(options, terminal));
    addExamples(command, [
      ['A one-node cluster with a first application', 'sudo skiff up'],
      ['Only the cluster', 'sudo skiff up --no-demo'],
      ['On a machine that has joined a cluster: its agent again', 'sudo skiff up'],
    ]);
  },
};

async function runUp(options: UpFlags, terminal: Terminal): Promise<void> {
  const cluster = localCluster(options);
  const missing = missingTools(cluster.bin, terminal.env.PATH ?? '');
  if (missing.length > 0) throw new CliError(describeMissing(missing));
  const { layout, nodeName } = cluster;
  const membership = membershipOf(layout);
  if (membership.role === 'node') {
    await upAsNode({ ...cluster, nodeName: membership.nodeName }, terminal);
    return;
  }
  const owner = options.configOwner === undefined ? undefined : findOwner(options.configOwner);
  if (await isUp(cluster, terminal.signal)) {
    const pods = await withClusterApi(
      cluster,
      terminal.signal,
      async (api) => (await api.list({ resource: 'pods' })).items.length,
    );
    writeAdminConfig(layout.pkiDir, [LOCAL_ENDPOINT], { env: terminal.env, ...(owner ? { owner } : {}) });
    terminal.stdout.write(`Skiff is up already: node ${nodeName} is Ready, ${pods} pods.\n`);
    return;
  }
  terminal.stdout.write('Starting Skiff\n');
  const extra = { server: options.serverOption ?? [], agent: options.agentOption ?? [] };
  await startCluster(cluster, extra, stepLines(terminal.stdout, terminal.now), terminal.signal);
  const config = writeAdminConfig(layout.pkiDir, [LOCAL_ENDPOINT], { env: terminal.env, ...(owner ? { owner } : {}) });
  terminal.stdout.write(`Skiff is up: node ${nodeName} is Ready. The configuration is in ${config}.\n`);
  if (options.demo) {
    const { runDemo } = await import('../cluster/demo.ts');
    await runDemo(cluster, terminal, config);
    terminal.stdout.write(NEXT_STEPS);
  }
}

/** On a machine that has joined another's cluster there is the agent to start, as after a reboot. */
async function upAsNode(cluster: LocalCluster, terminal: Terminal): Promise<void> {
  const { nodeName } = cluster;
  terminal.stdout.write('Starting the agent\n');
  const report = stepLines(terminal.stdout, terminal.now);
  report(`node ${nodeName}`, 'running');
  startAgent(cluster);
  await awaitNode(cluster, report, terminal.signal);
  report(`node ${nodeName}`, 'done');
  terminal.stdout.write(`This machine is node ${nodeName} of its cluster, and Ready.\n`);
}

const NEXT_STEPS = `
Try next:
  skiff get pods -w                          watch the pods
  skiff scale deployment/hello --replicas=5
  skiff logs deploy/hello                    what they say
  skiff describe deployment hello            what owns what, and what happened
  skiff explain deployment.spec              what a field means
  skiff down                                 stop everything
`;
