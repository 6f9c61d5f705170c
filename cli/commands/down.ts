import type { Command } from 'commander';
import { removeAdminConfig } from '../cluster/admin-config.ts';
import { addClusterOptions, type ClusterFlags, type LocalCluster, localCluster } from '../cluster/cluster-options.ts';
import { stepLines } from '../cluster/step-lines.ts';
import { anythingThere, stopCluster, stopNode } from '../cluster/stop-cluster.ts';
import { CliError } from '../errors/cli-error.ts';
import { membershipOf } from '../join/node-files.ts';
import type { Terminal } from '../terminal.ts';
import { addExamples, type Verb } from '../verb.ts';

interface DownFlags extends ClusterFlags {
  readonly purge?: boolean;
}

/** `skiff down` */
export const down: Verb = {
  configure(command: Command, { terminal }) {
    addClusterOptions(command)
      .option('--purge', 'delete the data too: objects, images, certificates, logs')
      .action((options: DownFlags) => runDown(options, terminal));
    addExamples(command, [
      ['Stop the cluster of this machine; `skiff up` brings it back', 'sudo skiff down'],
      ['Leave nothing behind', 'sudo skiff down --purge'],
    ]);
  },
};

async function runDown(options: DownFlags, terminal: Terminal): Promise<void> {
  const cluster = localCluster(options);
  const purge = options.purge === true;
  if (!anythingThere(cluster, purge)) {
    terminal.stdout.write('Skiff is not running on this machine.\n');
    return;
  }
  const membership = membershipOf(cluster.layout);
  if (membership.role === 'node') {
    await downAsNode({ ...cluster, nodeName: membership.nodeName }, { purge }, terminal);
    return;
  }
  terminal.stdout.write('Stopping Skiff\n');
  if (purge) removeAdminConfig(cluster.layout.pkiDir, terminal.env);
  await stopCluster(cluster, { purge }, stepLines(terminal.stdout, terminal.now));
  const { dataDir } = cluster.layout;
  terminal.stdout.write(
    purge ? 'Skiff is gone; nothing is left.\n' : `Skiff is down. Its data is kept in ${dataDir}.\n`,
  );
}

/** On a machine that has joined another's cluster: agent and pods end, and the machine stays its node. */
async function downAsNode(
  cluster: LocalCluster,
  { purge }: { readonly purge: boolean },
  terminal: Terminal,
): Promise<void> {
  const { nodeName, layout } = cluster;
  if (purge) {
    throw new CliError(`this machine is node ${nodeName} of a cluster that it does not run itself`, {
      hint: 'To take it out, and delete all it has of that cluster: skiff leave',
    });
  }
  terminal.stdout.write('Stopping the agent\n');
  await stopNode(cluster, stepLines(terminal.stdout, terminal.now));
  terminal.stdout.write(
    `The agent and the pods of node ${nodeName} are down. Its data is kept in ${layout.dataDir}; skiff up brings it back.\n`,
  );
}
