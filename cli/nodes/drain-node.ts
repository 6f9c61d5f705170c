/** Empties a node: what a drain does once the node takes no new pods. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Command } from 'commander';
import { hasReason } from '../../lib/errors.ts';
import { followObject } from '../api/follow-object.ts';
import { CliError, throwAll } from '../errors/cli-error.ts';
import type { JsonObject } from '../manifest/json-value.ts';
import { textAt } from '../resources/fields.ts';
import { dryRunOf, type WriteOptions } from '../resources/write-report.ts';
import type { Session } from '../session.ts';
import { planDrain } from './drain-plan.ts';
import { nameOf } from './find-nodes.ts';

/** Options of every verb that empties nodes. */
export interface DrainOptions extends WriteOptions {
  readonly podSelector?: string;
  readonly force?: boolean;
  readonly ignoreDaemonsets?: boolean;
  readonly deleteEmptydirData?: boolean;
  readonly disableEviction?: boolean;
  readonly gracePeriod?: string;
  readonly timeout: string;
}

/** Declares the options of {@link DrainOptions} beyond the connection's. `--force` is the verb's own. */
export function addDrainOptions(command: Command): Command {
  return command
    .option('--ignore-daemonsets', 'leave pods of DaemonSets')
    .option('--delete-emptydir-data', 'also pods whose emptyDir data will be lost')
    .option('--disable-eviction', 'delete pods without regard to disruption budgets')
    .option('--grace-period <seconds>', 'time given to end by itself; the pod decides unless said')
    .option('--timeout <duration>', 'how long to try at most; 0 means no limit', '0')
    .option('--dry-run [strategy]', 'client: send nothing; server: do all but store; none');
}

/** A refused eviction (a budget forbids it now) is asked for again after this. */
const RETRY_MS = 5000;

/** Evicts the pods of one node as the options allow, and resolves when they are gone. Throws why not. */
export async function drainNode(
  session: Session,
  node: string,
  options: DrainOptions,
  signal: AbortSignal,
): Promise<void> {
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
