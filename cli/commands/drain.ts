import { setTimeout as delay } from 'node:timers/promises';
import { hasReason } from '../../lib/errors.ts';
import { deadlineSignal, followObject } from '../api/follow-object.ts';
import { CliError, throwAll } from '../errors/cli-error.ts';
import type { JsonObject } from '../manifest/json-value.ts';
import { setUnschedulable } from '../nodes/cordon-nodes.ts';
import { planDrain } from '../nodes/drain-plan.ts';
import { findNodes, nameOf } from '../nodes/find-nodes.ts';
import { textAt } from '../resources/fields.ts';
import { dryRunOf, type WriteOptions } from '../resources/write-report.ts';
import { addConnectionOptions, durationMs, type Session, withSession } from '../session.ts';
import { addExamples, type Verb } from '../verb.ts';

interface DrainOptions extends WriteOptions {
  readonly selector?: string;
  readonly podSelector?: string;
  readonly force?: boolean;
  readonly ignoreDaemonsets?: boolean;
  readonly deleteEmptydirData?: boolean;
  readonly disableEviction?: boolean;
  readonly gracePeriod?: string;
  readonly timeout: string;
}

/** A refused eviction (a budget forbids it now) is asked for again after this. */
const RETRY_MS = 5000;

/** `skiff drain` */
export const drain: Verb = {
  configure(command, { terminal }) {
    addConnectionOptions(command)
      .argument('[nodes...]', 'names of nodes')
      .option('-l, --selector <labels>', 'nodes with these labels')
      .option('--pod-selector <labels>', 'only pods with these labels')
      .option('--force', 'also pods that nothing will make again')
      .option('--ignore-daemonsets', 'leave pods of DaemonSets')
      .option('--delete-emptydir-data', 'also pods whose emptyDir data will be lost')
      .option('--disable-eviction', 'delete pods without regard to disruption budgets')
      .option('--grace-period <seconds>', 'time given to end by itself; the pod decides unless said')
      .option('--timeout <duration>', 'how long to try at most; 0 means no limit', '0')
      .option('--dry-run [strategy]', 'client: send nothing; server: do all but store; none')
      .action((names: string[], options: DrainOptions) =>
        withSession(terminal, options, (session) => runDrain(session, names, options)),
      );
    addExamples(command, [
      ['Empty a node before switching it off', 'skiff drain pi4 --ignore-daemonsets'],
      ['Whatever it costs', 'skiff drain pi4 --ignore-daemonsets --delete-emptydir-data --force'],
    ]);
  },
};

async function runDrain(session: Session, names: readonly string[], options: DrainOptions): Promise<void> {
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

async function drainNode(session: Session, node: string, options: DrainOptions, signal: AbortSignal): Promise<void> {
  const { api, terminal } = session;
  const { items } = await api.list(
    { resource: 'pods' },
    { fieldSelector: `spec.nodeName=${node}`, labelSelector: options.podSelector },
  );
  const plan = planDrain(items, {
    force: options.force === true,
    ignoreDaemonSets: options.ignoreDaemonsets === true,
    deleteEmptyDirData: options.deleteEmptydirData === true,
  });
  if (plan.refusals.length > 0)
    throw new CliError(`unable to drain node "${node}" due to: ${plan.refusals.join('; ')}`);
  for (const warning of plan.warnings) terminal.stderr.write(`Warning: ${warning}\n`);
  const results = await Promise.allSettled(plan.evict.map((pod) => evict(session, pod, options, signal)));
  throwAll(results.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : [])));
}

async function evict(
  { api, terminal }: Session,
  pod: JsonObject,
  options: DrainOptions,
  signal: AbortSignal,
): Promise<void> {
  const [namespace, name, uid] = [textAt(pod, 'metadata', 'namespace'), nameOf(pod), textAt(pod, 'metadata', 'uid')];
  const target = { resource: 'pods', namespace, name };
  const dryRun = dryRunOf(options);
  const grace = options.gracePeriod === undefined ? {} : { gracePeriodSeconds: Number(options.gracePeriod) };
  terminal.stdout.write(`evicting pod ${namespace}/${name}\n`);
  if (dryRun === 'client') return;
  const eviction = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name, namespace }, deleteOptions: grace };
  for (;;) {
    try {
      if (options.disableEviction === true) await api.delete(target, { ...grace, dryRun: dryRun === 'server' });
      else
        await api.create({ ...target, subresource: 'eviction' }, JSON.stringify(eviction), {
          dryRun: dryRun === 'server',
        });
      break;
    } catch (err) {
      if (hasReason(err, 'NotFound')) return;
      if (!hasReason(err, 'TooManyRequests')) {
        const because = err instanceof Error ? err.message : '';
        throw new CliError(`error when evicting pods/"${name}" -n "${namespace}": ${because}`, { cause: err });
      }
      terminal.stderr.write(
        `error when evicting pods/"${name}" -n "${namespace}" (will retry after 5s): ${(err as Error).message}\n`,
      );
      await delay(RETRY_MS, undefined, { signal }).catch(() => signal.throwIfAborted());
    }
  }
  if (dryRun === 'server') return;
  for await (const now of followObject(api, target, signal)) {
    if (now === undefined || textAt(now, 'metadata', 'uid') !== uid) break;
  }
  terminal.stdout.write(`pod/${name} evicted\n`);
}
