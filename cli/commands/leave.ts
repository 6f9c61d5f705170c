import type { Command } from 'commander';
import { addClusterOptions, type ClusterFlags, localCluster } from '../cluster/cluster-options.ts';
import { isKept } from '../cluster/programs.ts';
import { stepLines } from '../cluster/step-lines.ts';
import { anythingThere } from '../cluster/stop-cluster.ts';
import { CliError } from '../errors/cli-error.ts';
import { leaveCluster, sayGoodbye } from '../join/leave-cluster.ts';
import { membershipOf } from '../join/node-files.ts';
import type { Terminal } from '../terminal.ts';
import { addExamples, type Verb } from '../verb.ts';

/** `skiff leave` */
export const leave: Verb = {
  configure(command: Command, { terminal }) {
    addClusterOptions(command).action((options: ClusterFlags) => runLeave(options, terminal));
    addExamples(command, [
      [
        'Take a machine out for good: first empty it from anywhere, then on the machine',
        'skiff node rm pi4\n  sudo skiff leave',
      ],
    ]);
  },
};

async function runLeave(flags: ClusterFlags, terminal: Terminal): Promise<void> {
  const given = localCluster(flags);
  const membership = membershipOf(given.layout);
  if (membership.role === 'server') {
    throw new CliError('this machine runs the control plane: the cluster would be gone without it', {
      hint: 'To stop it: skiff down. To give the cluster up, with all its data: skiff down --purge',
    });
  }
  // An agent that never got as far as a certificate, or lost it, is taken down all the same.
  if (membership.role === 'none' && !isKept(given, 'agent') && !anythingThere(given, true)) {
    terminal.stdout.write('This machine belongs to no cluster.\n');
    return;
  }
  const cluster = membership.role === 'node' ? { ...given, nodeName: membership.nodeName } : given;
  terminal.stdout.write('Leaving\n');
  const known = await leaveCluster(cluster, stepLines(terminal.stdout, terminal.now), async () =>
    membership.role === 'node' ? sayGoodbye(cluster, terminal.signal, terminal.now()) : undefined,
  );
  terminal.stdout.write('This machine has left; nothing of the cluster is on it any more.\n');
  if (known === false || membership.role === 'none') return;
  const there = known === true ? 'is still listed in the cluster' : 'may still be listed in the cluster';
  terminal.stdout.write(
    `Node ${cluster.nodeName} ${there}. Where its configuration is: skiff node rm ${cluster.nodeName}\n`,
  );
}
