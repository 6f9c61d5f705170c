import { throwAll } from '../errors/cli-error.ts';
import { findNodes, nameOf } from '../nodes/find-nodes.ts';
import { changeTaints, parseTaints, type Taint } from '../nodes/taints.ts';
import { listAt, textAt } from '../resources/fields.ts';
import { addWriteOptions, dryRunOf, type WriteOptions, WriteReport, writeFlags } from '../resources/write-report.ts';
import { addConnectionOptions, type Session, withSession } from '../session.ts';
import { addExamples, type Verb } from '../verb.ts';

interface TaintOptions extends WriteOptions {
  readonly overwrite?: boolean;
  readonly all?: boolean;
  readonly selector?: string;
}

/** `skiff taint` */
export const taint: Verb = {
  configure(command, { terminal }) {
    addWriteOptions(addConnectionOptions(command))
      .argument('<nodes-and-taints...>', 'nodes <name…> key=value:Effect to set, key:Effect- or key- to remove')
      .option('--overwrite', 'change taints that have another value')
      .option('--all', 'all nodes')
      .option('-l, --selector <labels>', 'nodes with these labels')
      .action((args: string[], options: TaintOptions) =>
        withSession(terminal, options, (session) => runTaint(session, args, options)),
      );
    addExamples(command, [
      ['Keep other pods away', 'skiff taint nodes pi4 dedicated=db:NoSchedule'],
      ['Remove it again', 'skiff taint nodes pi4 dedicated-'],
    ]);
  },
};

async function runTaint(session: Session, args: readonly string[], options: TaintOptions): Promise<void> {
  const withoutKind = ['nodes', 'node', 'no'].includes(args[0] ?? '') ? args.slice(1) : args;
  const { nodes: names, change } = parseTaints(withoutKind);
  const report = new WriteReport(session.terminal, options);
  const errors: unknown[] = [];
  for (const node of await findNodes(session, names, options)) {
    const name = nameOf(node);
    try {
      const current = listAt(node, 'spec', 'taints') as readonly (Taint & Record<string, never>)[];
      const { taints, word } = changeTaints(name, current, change, options.overwrite === true);
      const identity = { singular: 'node', name };
      if (dryRunOf(options) === 'client') report.done(word, identity, node);
      else {
        // The list is replaced as a whole, so it must still be the one that was read.
        const patch = { metadata: { resourceVersion: textAt(node, 'metadata', 'resourceVersion') }, spec: { taints } };
        const target = { resource: 'nodes', name };
        const result = await session.api.patch(
          target,
          { type: 'merge', patch: JSON.stringify(patch) },
          writeFlags(options, 'taint'),
        );
        report.done(word, result.identity, result.object);
      }
    } catch (err) {
      errors.push(err);
    }
  }
  report.finish();
  throwAll(errors);
}
