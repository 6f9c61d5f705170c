import { deadlineSignal } from '../api/follow-object.ts';
import { CliError, throwAll } from '../errors/cli-error.ts';
import { setUnschedulable } from '../nodes/cordon-nodes.ts';
import { addDrainOptions, type DrainOptions, drainNode } from '../nodes/drain-node.ts';
import { findNodes, nameOf } from '../nodes/find-nodes.ts';
import { dryRunOf } from '../resources/write-report.ts';
import { addConnectionOptions, durationMs, type Session, withSession } from '../session.ts';
import { addExamples, type Verb } from '../verb.ts';

interface DrainVerbOptions extends DrainOptions {
  readonly selector?: string;
}

/** `skiff drain` */
export const drain: Verb = {
  configure(command, { terminal }) {
    addDrainOptions(addConnectionOptions(command))
      .argument('[nodes...]', 'names of nodes')
      .option('-l, --selector <labels>', 'nodes with these labels')
      .option('--pod-selector <labels>', 'only pods with these labels')
      .option('--force', 'also pods that nothing will make again')
      .action((names: string[], options: DrainVerbOptions) =>
        withSession(terminal, options, (session) => runDrain(session, names, options)),
      );
    addExamples(command, [
      ['Empty a node before switching it off', 'skiff drain pi4 --ignore-daemonsets'],
      ['Whatever it costs', 'skiff drain pi4 --ignore-daemonsets --delete-emptydir-data --force'],
    ]);
  },
};

async function runDrain(session: Session, names: readonly string[], options: DrainVerbOptions): Promise<void> {
  const { terminal } = session;
  const nodes = await findNodes(session, names, options);
  await setUnschedulable(session, nodes, true, options);
  const timeout = new CliError('timed out draining; the nodes stay cordoned');
  const { signal, cancel } = deadlineSignal(terminal.signal, durationMs(options.timeout, '--timeout'), timeout);
  const errors: unknown[] = [];
  try {
    for (const node of nodes) {
      try {
        await drainNode(session, nameOf(node), options, signal);
        terminal.stdout.write(`node/${nameOf(node)} drained${dryRunOf(options) === 'none' ? '' : ' (dry run)'}\n`);
      } catch (err) {
        terminal.stderr.write(`There are pending nodes to be drained:\n ${nameOf(node)}\n`);
        errors.push(err);
      }
    }
  } finally {
    cancel();
  }
  throwAll(errors);
}
