import type { Command } from 'commander';
import { setUnschedulable } from '../nodes/cordon-nodes.ts';
import { findNodes } from '../nodes/find-nodes.ts';
import type { WriteOptions } from '../resources/write-report.ts';
import { addConnectionOptions, withSession } from '../session.ts';
import type { Terminal } from '../terminal.ts';
import { addExamples, type Verb } from '../verb.ts';

interface CordonOptions extends WriteOptions {
  readonly selector?: string;
}

/** `skiff cordon` */
export const cordon: Verb = {
  configure(command, { terminal }) {
    configureCordon(command, terminal, true);
    addExamples(command, [['No new pods on a node', 'skiff cordon pi4']]);
  },
};

/** `skiff uncordon` */
export const uncordon: Verb = {
  configure(command, { terminal }) {
    configureCordon(command, terminal, false);
    addExamples(command, [['Pods on a node again', 'skiff uncordon pi4']]);
  },
};

function configureCordon(command: Command, terminal: Terminal, unschedulable: boolean): void {
  addConnectionOptions(command)
    .argument('[nodes...]', 'names of nodes')
    .option('-l, --selector <labels>', 'nodes with these labels')
    .option('--dry-run [strategy]', 'client: send nothing; server: do all but store; none')
    .action((names: string[], options: CordonOptions) =>
      withSession(terminal, options, async (session) =>
        setUnschedulable(session, await findNodes(session, names, options), unschedulable, options),
      ),
    );
}
