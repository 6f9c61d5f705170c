/**
 * Where this node stands in its cluster: its pod range, from its Node object, and what all nodes share, from the server. Kept in a
 * file once known, so that an agent starts without a server too.
 */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Backoff } from '../../lib/backoff.ts';
import type { GrpcConnection } from '../../lib/client/grpc-connection.ts';
import type { ResourceClient } from '../../lib/client/resource-client.ts';
import { type Clock, sleep } from '../../lib/clock.ts';
import { errorMessage, hasReason } from '../../lib/errors.ts';
import { primaryAddress } from '../../lib/primary-address.ts';
import { type corev1, joinv1, KINDS } from '../../proto/index.ts';
import type { AgentConfig } from '../config.ts';
import type { NodePlace } from '../features/node-feature.ts';
import { nodePaths } from '../paths.ts';
import type { AgentLog } from '../pods/environment.ts';

/** The part of {@link NodePlace} that the cluster decides. */
export type ClusterFacts = Pick<
  NodePlace,
  'podCidr' | 'clusterCidr' | 'serviceCidr' | 'clusterDomain' | 'dnsAddress' | 'nodePorts'
>;

/** What of a gRPC connection is needed. */
export type SettingsConnection = Pick<GrpcConnection, 'unary'>;

/** How facts are got. */
export interface ClusterFactsOptions {
  readonly connection: SettingsConnection;
  readonly client: ResourceClient;
  readonly clock: Clock;
  readonly log: AgentLog;
  readonly node: string;
  /** Labels for the Node when it must be made. */
  readonly labels: Readonly<Record<string, string>>;
  /** Where the facts are kept. */
  readonly file: string;
}

const VERSION = 1;

/** For taking down a node that never learned its place. */
export const DEFAULT_FACTS: ClusterFacts = {
  podCidr: '10.42.0.0/24',
  clusterCidr: '10.42.0.0/16',
  serviceCidr: '10.43.0.0/16',
  clusterDomain: 'cluster.local',
  dnsAddress: '10.43.0.10',
  nodePorts: { first: 30_000, last: 32_767 },
};

/** The whole place: the facts, and what the agent's options say of this machine. */
export function nodePlace(config: AgentConfig, facts: ClusterFacts, labels: NodePlace['labels']): NodePlace {
  const { run: runDir, data: dataDir } = nodePaths(config.root);
  return {
    ...facts,
    name: config.nodeName,
    ips: [config.nodeIp ?? primaryAddress([facts.clusterCidr, facts.serviceCidr])],
    bridge: `${config.linkPrefix}0`,
    linkPrefix: config.linkPrefix,
    runDir,
    dataDir,
    labels,
  };
}

/** The file of the facts below an agent's data folder. */
export function factsFile(dataDir: string): string {
  return join(dataDir, 'agent/place.json');
}

/** The facts kept for `node`; undefined when there are none that can be read. */
export function readFacts(file: string, node: string): ClusterFacts | undefined {
  try {
    const saved = JSON.parse(readFileSync(file, 'utf8')) as { version: number; node: string; facts: ClusterFacts };
    return saved.version === VERSION && saved.node === node ? saved.facts : undefined;
  } catch {
    return undefined;
  }
}

/** Keeps the facts. */
export function writeFacts(file: string, node: string, facts: ClusterFacts): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  writeFileSync(`${file}.new`, `${JSON.stringify({ version: VERSION, node, facts })}\n`, { mode: 0o600 });
  renameSync(`${file}.new`, file);
}

/**
 * The facts: those kept, at once, or else from the server, which is asked until it answers; the Node is registered then, since its
 * range is given with it. Rejects only when `signal` aborts.
 */
export async function clusterFacts(options: ClusterFactsOptions, signal: AbortSignal): Promise<ClusterFacts> {
  const { clock, log, node, file } = options;
  const kept = readFacts(file, node);
  if (kept !== undefined) return kept;
  const backoff = new Backoff({ initialMs: 100, maxMs: 5_000, jitter: 0.2 });
  for (;;) {
    try {
      const facts = await askForFacts(options, signal);
      writeFacts(file, node, facts);
      return facts;
    } catch (err) {
      signal.throwIfAborted();
      if (backoff.failures === 0)
        log.warn({ node, err: errorMessage(err) }, 'the place in the cluster is not known yet');
      await sleep(clock, backoff.next(), signal);
    }
  }
}

/** Asks the server once. Throws what the calls throw, and when the Node has no range. */
export async function askForFacts(options: ClusterFactsOptions, signal: AbortSignal): Promise<ClusterFacts> {
  const reply = await options.connection.unary(joinv1.NodesService.settings, {}, { signal });
  const node = await ensureNode(options, signal);
  const podCidr = node.spec?.podCIDR ?? '';
  if (podCidr === '') throw new Error(`node "${options.node}" has been given no range of pod addresses`);
  const { clusterCidr = '', serviceCidr = '', clusterDomain = '', dnsAddress = '' } = reply;
  const { nodePortFirst = 30_000, nodePortLast = 32_767 } = reply;
  const nodePorts = { first: nodePortFirst, last: nodePortLast };
  return { podCidr, clusterCidr, serviceCidr, clusterDomain, dnsAddress, nodePorts };
}

/** The Node, made when it is not there. */
async function ensureNode({ client, node, labels }: ClusterFactsOptions, signal: AbortSignal): Promise<corev1.Node> {
  try {
    return await client.get(KINDS.Node, { name: node }, signal);
  } catch (err) {
    if (!hasReason(err, 'NotFound')) throw err;
    return client.create(KINDS.Node, { metadata: { name: node, labels: { ...labels } } }, { signal });
  }
}
