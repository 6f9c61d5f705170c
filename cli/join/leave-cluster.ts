/** Takes this machine out of its cluster: everything the agent made goes, and the proof that it went. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { hasReason } from '../../lib/errors.ts';
import type { ApiClient } from '../api/api-client.ts';
import type { LocalCluster } from '../cluster/cluster-options.ts';
import type { StepReport } from '../cluster/start-cluster.ts';
import { mountsUnder, stopNode } from '../cluster/stop-cluster.ts';
import { CliError } from '../errors/cli-error.ts';
import type { JsonObject } from '../manifest/json-value.ts';
import { listAt, textAt } from '../resources/fields.ts';
import { withNodeApi } from './node-api.ts';

const ASK_TIMEOUT_MS = 2000;
const LEASES = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', namespace: 'kube-node-lease' };

/**
 * Says good-bye, the agent being stopped: sets the Node not Ready and deletes its pods, which have ended, so that nobody waits
 * for signs of life that will not come, and the name is free at once. Resolves to whether the cluster still has the Node; undefined
 * when that cannot be learnt now.
 */
export async function sayGoodbye(
  cluster: LocalCluster,
  signal: AbortSignal,
  nowMs: number,
): Promise<boolean | undefined> {
  const stop = AbortSignal.any([signal, AbortSignal.timeout(ASK_TIMEOUT_MS)]);
  try {
    return await withNodeApi(cluster, { signal: stop, timeoutMs: ASK_TIMEOUT_MS }, async (api) => {
      const target = { resource: 'nodes', name: cluster.nodeName };
      const object = await api.get(target).then(
        (found) => found.object,
        async (err: unknown) => {
          // The agent went on saying that it lives after its Node had been removed.
          if (hasReason(err, 'NotFound')) await api.delete({ ...LEASES, name: cluster.nodeName }).catch(() => {});
          throw err;
        },
      );
      const body = { status: { conditions: conditionsAfter(object, nowMs) } };
      // What fails of this the servers find out by themselves, later.
      const patch = { type: 'strategic', patch: JSON.stringify(body) } as const;
      await api.patch({ ...target, subresource: 'status' }, patch).catch(() => {});
      await forgetPods(api, cluster.nodeName).catch(() => {});
      return true;
    });
  } catch (err) {
    return hasReason(err, 'NotFound') ? false : undefined;
  }
}

/** Every pod of this node has been stopped: the node itself may say so, and stateful ones start elsewhere without waiting. */
async function forgetPods(api: ApiClient, nodeName: string): Promise<void> {
  const { items } = await api.list({ apiVersion: 'v1', kind: 'Pod' }, { fieldSelector: `spec.nodeName=${nodeName}` });
  const forget = (pod: JsonObject): Promise<unknown> =>
    api.delete(
      {
        apiVersion: 'v1',
        kind: 'Pod',
        namespace: textAt(pod, 'metadata', 'namespace'),
        name: textAt(pod, 'metadata', 'name'),
      },
      { gracePeriodSeconds: 0 },
    );
  await Promise.allSettled(items.map(forget));
}

/** The conditions of a node that has left: Ready is false, the others are as they were. */
function conditionsAfter(node: JsonObject, nowMs: number): readonly JsonObject[] {
  const now = new Date(nowMs).toISOString().replace(/\.\d+Z$/, 'Z');
  const others = listAt(node, 'status', 'conditions').filter((one) => textAt(one, 'type') !== 'Ready');
  const left = {
    type: 'Ready',
    status: 'False',
    reason: 'NodeLeft',
    message: 'the machine has left the cluster',
    lastHeartbeatTime: now,
    lastTransitionTime: now,
  };
  return [...others, left];
}

/**
 * Stops the agent and its pods, deletes all state, and checks that nothing is left. `goodbye` runs in between, while the node's
 * certificate is there still. Throws a {@link CliError} with what is left.
 */
export async function leaveCluster<T>(
  cluster: LocalCluster,
  report: StepReport,
  goodbye: () => Promise<T>,
): Promise<T> {
  const { layout } = cluster;
  await stopNode(cluster, report);
  const said = await goodbye();
  report('files', 'running');
  const folders = [layout.runDir, layout.dataDir, layout.logDir, join(layout.root, 'var/log/pods')];
  const mounted = mountsUnder(folders);
  if (mounted.length > 0) throw new CliError(`these are still mounted: ${mounted.join(', ')}`);
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
  const left = remains(cluster, folders);
  if (left.length > 0) throw new CliError('something of the node is left on this machine', { hint: left.join('\n') });
  report('files', 'done');
  return said;
}

/** Everything of a node that is still there, one line each. */
function remains({ linkPrefix, cgroupRoot }: LocalCluster, folders: readonly string[]): string[] {
  const groups = ['/sys/fs/cgroup', ...children('/sys/fs/cgroup')].map((group) => join(group, cgroupRoot));
  const tables = spawnSync('nft', ['list', 'tables'], { encoding: 'utf8' }).stdout ?? '';
  return [
    ...folders.filter((folder) => existsSync(folder)).map((folder) => `folder ${folder}`),
    ...linkNames()
      .filter((link) => link.startsWith(linkPrefix))
      .map((link) => `link ${link}`),
    ...tables
      .split('\n')
      .filter((line) => line.split(' ').at(-1) === linkPrefix)
      .map((line) => `nftables ${line}`),
    ...groups.filter((group) => existsSync(group)).map((group) => `cgroup ${group}`),
  ];
}

function children(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => join(folder, entry.name));
}

/** Links of this network namespace, also those that are down. */
function linkNames(): string[] {
  const lines = readFileSync('/proc/self/net/dev', 'utf8').split('\n').slice(2);
  return lines.map((line) => line.split(':')[0]?.trim() ?? '').filter((name) => name !== '');
}
