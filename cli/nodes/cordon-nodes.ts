import type { JsonObject } from '../manifest/json-value.ts';
import { valueAt } from '../resources/fields.ts';
import { dryRunOf, type WriteOptions, writeFlags } from '../resources/write-report.ts';
import type { Session } from '../session.ts';
import { nameOf } from './find-nodes.ts';

/** Makes nodes refuse new pods, or take them again, and tells of each. */
export async function setUnschedulable(
  { api, terminal }: Session,
  nodes: readonly JsonObject[],
  unschedulable: boolean,
  options: WriteOptions,
): Promise<void> {
  const word = unschedulable ? 'cordoned' : 'uncordoned';
  const dryRun = dryRunOf(options);
  const suffix = { none: '', client: ' (dry run)', server: ' (server dry run)' }[dryRun];
  for (const node of nodes) {
    const name = nameOf(node);
    const already = (valueAt(node, 'spec', 'unschedulable') === true) === unschedulable;
    if (!already && dryRun !== 'client') {
      const patch = JSON.stringify({ spec: { unschedulable: unschedulable ? true : null } });
      await api.patch({ resource: 'nodes', name }, { type: 'merge', patch }, writeFlags(options, 'cordon'));
    }
    terminal.stdout.write(`node/${name} ${already ? `already ${word}` : word}${suffix}\n`);
  }
}
