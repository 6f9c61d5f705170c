import { hasReason } from '../../lib/errors.ts';
import { REMOVED_ANNOTATION } from '../../lib/node-removal.ts';
import { deadlineSignal } from '../api/follow-object.ts';
import { readinessOf } from '../cluster/cluster-api.ts';
import { CliError, throwAll } from '../errors/cli-error.ts';
import type { JsonObject } from '../manifest/json-value.ts';
import { setUnschedulable } from '../nodes/cordon-nodes.ts';
import { addDrainOptions, type DrainOptions, drainNode } from '../nodes/drain-node.ts';
import { findNodes, nameOf } from '../nodes/find-nodes.ts';
import { changeTaints, type Taint } from '../nodes/taints.ts';
import { listAt, textAt } from '../resources/fields.ts';
import { dryRunOf, writeFlags } from '../resources/write-report.ts';
import { addConnectionOptions, type ConnectionOptions, durationMs, type Session, withSession } from '../session.ts';
import { addExamples, type Verb } from '../verb.ts';
import { runGet } from './get.ts';

interface ListOptions extends ConnectionOptions {
  readonly output?: string;
}

/** What an operator says of a machine that is off: its pods are dead for certain. */
const OUT_OF_SERVICE: Taint = {
  key: 'node.kubernetes.io/out-of-service',
  value: 'nodeshutdown',
  effect: 'NoExecute',
};

/** `skiff node` */
export const node: Verb = {
  configure(command, { terminal }) {
    command.helpCommand(false);
    addConnectionOptions(command.command('ls').alias('list').description('List the nodes, as skiff get nodes does'))
      .option('-o, --output <format>', 'wide, yaml, json, name, …')
      .action((options: ListOptions) =>
        withSession(terminal, options, (session) => runGet(session, ['nodes'], { ...options, headers: true })),
      );
    addDrainOptions(addConnectionOptions(command.command('rm').alias('delete')))
      .description('Empty a node and take it out of the cluster')
      .argument('<names...>', 'names of nodes')
      .option('--force', 'also pods that nothing will make again, and also a node that does not answer')
      .action((names: string[], options: DrainOptions) =>
        withSession(terminal, options, (session) => removeNodes(session, names, options)),
      );
    addConnectionOptions(command.command('fence'))
      .description('State that a machine is off, so that its stateful pods may run elsewhere')
      .argument('<name>', 'name of the node')
      .action((name: string, options: ConnectionOptions) =>
        withSession(terminal, options, (session) => fenceNode(session, name)),
      );
    addExamples(command, [
      ['Take a machine out', 'skiff node rm pi4 --ignore-daemonsets'],
      ['One that died and will not come back', 'skiff node rm pi4 --force'],
      ['One that is off for now, with a database on it', 'skiff node fence pi4'],
    ]);
  },
};

async function removeNodes(session: Session, names: readonly string[], options: DrainOptions): Promise<void> {
  const errors: unknown[] = [];
  for (const found of await findNodes(session, names, {})) {
    try {
      await removeNode(session, found, options);
    } catch (err) {
      errors.push(err);
    }
  }
  throwAll(errors);
}

async function removeNode(session: Session, found: JsonObject, options: DrainOptions): Promise<void> {
  const { api, terminal } = session;
  const name = nameOf(found);
  const dryRun = dryRunOf(options);
  const { ready, message } = readinessOf(found);
  const { items: pods } = await api.list({ resource: 'pods' }, { fieldSelector: `spec.nodeName=${name}` });
  if (!ready && pods.length > 0 && options.force !== true) {
    throw new CliError(`node "${name}" does not answer, so its pods cannot be stopped in order: ${message}`, {
      hint:
        'If its machine is off for good, or its pods may be lost: add --force.\n' +
        'Pods that still run there go on until the machine is switched off or leaves by itself (skiff leave).',
    });
  }
  await setUnschedulable(session, [found], true, options);
  if (ready) await drain(session, name, options);
  else if (pods.length > 0)
    terminal.stderr.write(`Warning: node "${name}" does not answer: it is not drained, its pods are given up\n`);
  const suffix = { none: '', client: ' (dry run)', server: ' (server dry run)' }[dryRun];
  if (dryRun !== 'client') {
    // Its agent would take the removal for a mistake, and register it again.
    const annotations = { [REMOVED_ANNOTATION]: new Date(terminal.now()).toISOString() };
    const mark = { type: 'merge', patch: JSON.stringify({ metadata: { annotations } }) } as const;
    await api.patch({ resource: 'nodes', name }, mark, writeFlags(options, 'node'));
    await api.delete({ resource: 'nodes', name }, { dryRun: dryRun === 'server' });
    const lease = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', namespace: 'kube-node-lease', name };
    await api.delete(lease, { dryRun: dryRun === 'server' }).catch((err: unknown) => {
      if (!hasReason(err, 'NotFound')) throw err;
    });
  }
  terminal.stdout.write(`node "${name}" removed${suffix}\n`);
  if (dryRun !== 'none') return;
  terminal.stdout.write(
    ready
      ? `Now, on its machine: skiff leave. Its agent keeps quiet, but would register it again when it is started anew.\n`
      : `Should its machine come back, run there: skiff leave\n`,
  );
}

async function drain(session: Session, name: string, options: DrainOptions): Promise<void> {
  const timeout = new CliError(`timed out draining node "${name}"; it stays cordoned`);
  const parent = session.terminal.signal;
  const { signal, cancel } = deadlineSignal(parent, durationMs(options.timeout, '--timeout'), timeout);
  try {
    await drainNode(session, name, options, signal);
  } finally {
    cancel();
  }
}

async function fenceNode(session: Session, text: string): Promise<void> {
  const { api, terminal } = session;
  const [found] = await findNodes(session, [text], {});
  if (found === undefined) return;
  const name = nameOf(found);
  if (readinessOf(found).ready) {
    throw new CliError(`node "${name}" is Ready: its machine is on and its pods run`, {
      hint: `To empty it: skiff drain ${name}. To fence it, switch its machine off first.`,
    });
  }
  const current = listAt(found, 'spec', 'taints') as readonly (Taint & Record<string, never>)[];
  const there = current.some(({ key, effect }) => key === OUT_OF_SERVICE.key && effect === OUT_OF_SERVICE.effect);
  if (!there) {
    const { taints } = changeTaints(name, current, { set: [OUT_OF_SERVICE], remove: [] }, true);
    // The list is replaced as a whole, so it must still be the one that was read.
    const patch = { metadata: { resourceVersion: textAt(found, 'metadata', 'resourceVersion') }, spec: { taints } };
    const body = { type: 'merge', patch: JSON.stringify(patch) } as const;
    await api.patch({ resource: 'nodes', name }, body, { fieldManager: 'skiff-fence' });
  }
  terminal.stdout.write(`node/${name} ${there ? 'already fenced' : 'fenced'}\n`);
  terminal.stdout.write(
    'Its pods are deleted for good now and made anew on other nodes, stateful ones too. That is safe only while its machine\n' +
      `is off. Once it is back and Ready: skiff taint nodes ${name} ${OUT_OF_SERVICE.key}-\n`,
  );
}
