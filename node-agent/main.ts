/** `skiff agent`: runs the pods of this machine. */
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { GrpcResourceClient } from '../lib/client/grpc-resource-client.ts';
import type { ResourceClient } from '../lib/client/resource-client.ts';
import { systemClock } from '../lib/clock.ts';
import { errorMessage } from '../lib/errors.ts';
import { EventRecorder, type EventSink } from '../lib/events.ts';
import type { Logger } from '../lib/logger.ts';
import { runProgram } from '../lib/program.ts';
import { runAgent } from './agent.ts';
import { CgroupTree } from './cgroups/cgroup-tree.ts';
import { type AgentConfig, helpText, parseConfig } from './config.ts';
import { clusterView } from './features/cluster-view.ts';
import type { NodePlace } from './features/node-feature.ts';
import { FEATURES } from './features/registry.ts';
import { certifiedConnection } from './identity/certified-connection.ts';
import { pooledMountTool } from './images/mount-tool.ts';
import { OverlayImageStore } from './images/overlay-image-store.ts';
import { SkopeoRegistry } from './images/skopeo-registry.ts';
import { createCniNetwork } from './network/cni-network.ts';
import { otherRangeText } from './network/pod-cidr.ts';
import {
  type ClusterFacts,
  clusterFacts,
  DEFAULT_FACTS,
  factsFile,
  nodePlace,
  readFacts,
  writeFacts,
} from './node/node-place.ts';
import { nodePaths } from './paths.ts';
import { NftTable } from './rules/nft-table.ts';
import type { RuleTable } from './rules/rule-table.ts';
import { ConmonCrunRuntime } from './runtime/conmon-crun/conmon-crun-runtime.ts';
import type { StepListener } from './runtime/runtime.ts';
import { startAgentServer } from './server/agent-server.ts';
import { GrpcPeerAgents } from './server/peer-agents.ts';
import { tearDownNode } from './teardown.ts';
import { fileTrace, tracePorts } from './trace.ts';

// Put in by the bundler.
declare const SKIFF_VERSION: string | undefined;

void runProgram({
  name: 'agent',
  parseConfig,
  helpText,
  run: (config, log, signal) => (config.teardown ? tearDown(config, log, signal) : serve(config, log, signal)),
});

/** Where the node stands, and the table that its network and its features share. */
interface NodeGround {
  readonly place: NodePlace;
  readonly table: RuleTable;
}

/** The parts of this machine. */
function machineParts(config: AgentConfig, log: Logger, { place, table }: NodeGround, onStep?: StepListener) {
  const paths = nodePaths(config.root);
  for (const dir of [paths.run, paths.data]) mkdirSync(dir, { recursive: true, mode: 0o700 });
  const cgroups = new CgroupTree(config.cgroupRoot);
  return {
    paths,
    cgroups,
    runtime: new ConmonCrunRuntime({
      root: config.root,
      cgroups,
      ...(onStep === undefined ? {} : { onStep }),
      onWarning: (warning) => log.warn({ warning }, 'runtime warning'),
    }),
    network: createCniNetwork({
      root: config.root,
      podCidr: place.podCidr,
      clusterCidr: place.clusterCidr,
      serviceCidr: place.serviceCidr,
      nodeIps: place.ips,
      prefix: config.linkPrefix,
      table,
    }),
    images: new OverlayImageStore({
      directory: join(paths.data, 'images'),
      registry: new SkopeoRegistry(),
      mountTool: pooledMountTool(join(paths.run, 'shells/images')),
      maxParallelPulls: config.maxParallelPulls,
    }),
    clock: systemClock,
    log,
  };
}

async function serve(config: AgentConfig, log: Logger, signal: AbortSignal): Promise<number> {
  const onStep = config.traceFile === undefined ? undefined : fileTrace(config.traceFile);
  const restart = new AbortController();
  const stop = AbortSignal.any([signal, restart.signal]);
  const endpoints = serversOf(config);
  const { identity, connection, renewing } = certifiedConnection(config, { endpoints, log }, stop);
  const client = new GrpcResourceClient(connection);
  const { data } = nodePaths(config.root);
  const file = factsFile(data);
  const { nodeName: node, labels } = config;
  const facts = await clusterFacts({ connection, client, clock: systemClock, log, node, labels, file }, signal);
  const events = new EventRecorder({ client, component: 'kubelet', host: node, log });
  const recording = events.run(stop);
  const features = nodeFeatures({ config, facts, client, events, log });
  const peers = new GrpcPeerAgents(() => identity.current);
  const parts = machineParts(config, log, features, onStep);
  await runAgent(
    config,
    {
      ...parts,
      client,
      ...(onStep === undefined ? {} : tracePorts({ ...parts, client }, onStep)),
      events,
      place: features.place,
      features: { ...features, peers },
      onOtherRange: (podCidr) => {
        log.error({ node, why: otherRangeText(node, facts.podCidr, podCidr) }, 'pod range changed, starting anew');
        writeFacts(file, node, { ...facts, podCidr });
        restart.abort();
      },
      version: typeof SKIFF_VERSION === 'undefined' ? 'dev' : `v${SKIFF_VERSION}`,
      serve: (workers, imagesChanged) =>
        startAgentServer(
          { config, workers, imagesChanged, withdrawals: features.withdrawals, identity, ...parts },
          stop,
        ),
    },
    stop,
  );
  await Promise.all([recording, renewing]);
  peers.close();
  connection.close();
  return restart.signal.aborted ? 1 : 0;
}

async function tearDown(config: AgentConfig, log: Logger, signal: AbortSignal): Promise<number> {
  const facts = readFacts(factsFile(nodePaths(config.root).data), config.nodeName) ?? DEFAULT_FACTS;
  // Taking down asks no server: nothing of a client is ever called.
  const client = {} as ResourceClient;
  const events = { record: () => undefined };
  const features = nodeFeatures({ config, facts, client, events, log });
  const left = [...(await tearDownNode(machineParts(config, log, features), signal))];
  for (const feature of features.list) {
    await feature.teardown?.().catch((err: unknown) => left.push(`${feature.name}: ${errorMessage(err)}`));
  }
  await features.table.teardown().catch((err: unknown) => left.push(`rules: ${errorMessage(err)}`));
  for (const line of left) process.stderr.write(`not removed: ${line}\n`);
  return left.length === 0 ? 0 : 1;
}

interface FeatureSources {
  readonly config: AgentConfig;
  readonly facts: ClusterFacts;
  readonly client: ResourceClient;
  readonly events: EventSink;
  readonly log: Logger;
}

/** What this node does besides running pods, made without effect. */
function nodeFeatures({ config, facts, client, events, log }: FeatureSources) {
  const clock = systemClock;
  const view = clusterView({ client, clock, log });
  const table = new NftTable({ name: config.linkPrefix, clock, log });
  const place = nodePlace(config, facts, () => view.nodes.get(config.nodeName)?.metadata?.labels ?? {});
  const listeners = new Set<() => void>();
  const changed = (): void => {
    for (const listener of listeners) listener();
  };
  const list = FEATURES.map((make) => make({ config, place, view, table, client, events, clock, log, changed }));
  return {
    list,
    view,
    place,
    table,
    withdrawals: list.flatMap(({ withdrawal }) => withdrawal ?? []),
    rules: (signal: AbortSignal) => table.run(signal),
    onChanged: (listener: () => void) => void listeners.add(listener),
  };
}

/** The servers given, or those told when the machine joined, or the one on this machine. */
function serversOf({ servers, serversFile }: AgentConfig): readonly string[] {
  if (servers.length > 0) return servers;
  if (!existsSync(serversFile)) return ['127.0.0.1:7443'];
  const saved = JSON.parse(readFileSync(serversFile, 'utf8')) as { readonly servers?: readonly string[] };
  if (saved.servers === undefined || saved.servers.length === 0)
    throw new Error(`Cannot read ${serversFile}: it names no servers`);
  return saved.servers;
}
