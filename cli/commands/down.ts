import type { Command } from 'commander';
import { removeAdminConfig } from '../cluster/admin-config.ts';
import { addClusterOptions, type ClusterFlags, localCluster } from '../cluster/cluster-options.ts';
import { stepLines } from '../cluster/step-lines.ts';
import { anythingThere, stopCluster } from '../cluster/stop-cluster.ts';
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
  terminal.stdout.write('Stopping Skiff\n');
  if (purge) removeAdminConfig(cluster.layout.pkiDir, terminal.env);
  await stopCluster(cluster, { purge }, stepLines(terminal.stdout, terminal.now));
  const { dataDir } = cluster.layout;
  terminal.stdout.write(
    purge ? 'Skiff is gone; nothing is left.\n' : `Skiff is down. Its data is kept in ${dataDir}.\n`,
  );
}
