/**
 * The node agent as a whole, from its parts. Order matters: sweep, adopt, then serve; at the end stop serving, then leave the
 * containers as they are.
 */
import { setMaxListeners } from 'node:events';
import type { ResourceClient } from '../lib/client/resource-client.ts';
import type { Clock } from '../lib/clock.ts';
import type { EventSink } from '../lib/events.ts';
import type { corev1 } from '../proto/index.ts';
import type { AgentConfig } from './config.ts';
import { resolverFile } from './dns/resolver-file.ts';
import type { ClusterView } from './features/cluster-view.ts';
import type { NodeFeature, NodePlace } from './features/node-feature.ts';
import { podHooks } from './features/pod-hooks.ts';
import type { ImageStore } from './images/image-store.ts';
import { resolveUser } from './images/image-user.ts';
import { hasUserCniConfig, userCniFolder } from './network/cni-config.ts';
import { podsOfOtherRange } from './network/pod-cidr.ts';
import type { PodNetwork } from './network/pod-network.ts';
import { readHeadroom, readMachine } from './node/machine.ts';
import { renewNodeLease } from './node/node-lease.ts';
import { type NodeHealth, nodeResources } from './node/node-object.ts';
import { NodeReporter } from './node/node-reporter.ts';
import { nodePaths } from './paths.ts';
import type { AgentLog, PodEnvironment } from './pods/environment.ts';
import { keepHouse } from './pods/housekeeping.ts';
import { PodWorkers } from './pods/pod-workers.ts';
import { StartLimit } from './pods/start-limit.ts';
import { StatusWriter } from './pods/status-writer.ts';
import type { PeerAgents } from './pods/withdrawals.ts';
import { ProbeWheel } from './probes/probe-wheel.ts';
import type { Runtime, StepListener } from './runtime/runtime.ts';

/** What the agent is put together from. */
export interface AgentParts {
  readonly client: ResourceClient;
  readonly runtime: Runtime;
  readonly network: PodNetwork;
  readonly images: ImageStore;
  readonly events: EventSink;
  readonly clock: Clock;
  readonly log: AgentLog;
  readonly version: string;
  readonly place: NodePlace;
  /** What the node does besides running pods, and what that works from; absent: nothing. */
  readonly features?: NodeFeatures;
  /** The Node has been given another pod range than the one this agent works with. */
  readonly onOtherRange?: (podCidr: string) => void;
  readonly onStep?: StepListener;
  /** Serves logs, exec and images until aborted; given the pods once they are adopted. Tells the port it took. */
  readonly serve?: (workers: PodWorkers, imagesChanged: () => void) => Promise<AgentServing>;
}

/** The features and their sources. */
export interface NodeFeatures {
  readonly list: readonly NodeFeature[];
  readonly view: ClusterView;
  readonly peers: PeerAgents;
  /** Keeps the node's rules as they are wanted, until aborted. */
  readonly rules: (signal: AbortSignal) => Promise<void>;
  /** Called back when a feature has news for the Node's status. */
  readonly onChanged: (listener: () => void) => void;
}

/** A started server. */
export interface AgentServing {
  readonly port: number;
  readonly done: Promise<void>;
}

/** Free memory below which the node says so, as kubelet's default threshold. */
const MEMORY_PRESSURE_BYTES = 100 * 1024 * 1024;
const DISK_PRESSURE_PERCENT = 5;
const PID_PRESSURE_FREE = 1000;

/** Runs until `signal` aborts and everything has ended in order. Rejects when it cannot begin. */
export async function runAgent(config: AgentConfig, parts: AgentParts, signal: AbortSignal): Promise<void> {
  const { client, clock, log, runtime, network, images } = parts;
  // Every pod, probe and stream listens to it.
  setMaxListeners(0, signal);
  const paths = nodePaths(config.root);
  const machine = readMachine(paths.data, config.root);
  const version = await runtime.version();
  const { place, features } = parts;
  const addresses = place.ips;
  const statuses = new StatusWriter({ client, clock, log });
  const resources = { machine, maxPods: config.maxPods, reserved: config.systemReserved };
  const env: PodEnvironment = {
    client,
    runtime,
    network,
    images,
    resolveUser,
    statuses,
    events: parts.events,
    resyncMs: config.resyncMs,
    starts: new StartLimit(Math.max(4, 2 * machine.cpuCount)),
    wheel: new ProbeWheel(clock),
    clock,
    log,
    paths,
    node: {
      name: config.nodeName,
      ips: addresses,
      memoryBytes: machine.memoryBytes,
      allocatable: nodeResources(resources).allocatable,
      clusterDomain: place.clusterDomain,
      ...(features === undefined ? {} : { dnsAddress: place.dnsAddress }),
      cgroupRoot: config.cgroupRoot,
      podPidsLimit: config.podPidsLimit,
      runtimeName: version.name,
      resolvConfPath: await resolverFile(),
      hostsPath: '/etc/hosts',
    },
    ...(features === undefined ? {} : { hooks: podHooks(features, { node: config.nodeName, clock, log }) }),
    ...(parts.onStep === undefined ? {} : { onStep: parts.onStep }),
  };
  const workers = new PodWorkers(env);
  await network.start();
  // Their addresses lead nowhere any more: with another range they are attached anew, and their programs go on.
  const stranded = hasUserCniConfig(userCniFolder(config.root))
    ? []
    : podsOfOtherRange(await network.list(), place.podCidr);
  for (const { podUid } of stranded) await network.teardown(podUid);
  await workers.adopt();
  const serving = await parts.serve?.(workers, () => {
    reporter.changed();
    workers.imagesChanged();
  });
  const reporter: NodeReporter = new NodeReporter({
    client,
    clock,
    log,
    name: config.nodeName,
    report: async () => ({
      name: config.nodeName,
      ...resources,
      addresses,
      port: serving?.port ?? config.listen.port,
      podCidr: place.podCidr,
      runtimeVersion: `${version.name}://${version.version}`,
      agentVersion: parts.version,
      labels: config.labels,
      images: await imagesOf(images),
      health: await healthOf(network, paths.data),
      conditions: features?.list.flatMap((feature) => feature.conditions?.() ?? []) ?? [],
      annotations: Object.assign({}, ...(features?.list.map((feature) => feature.annotations?.() ?? {}) ?? [])),
    }),
    ...(parts.onOtherRange === undefined ? {} : { onOtherRange: parts.onOtherRange }),
  });
  features?.onChanged(() => reporter.changed());
  const lease = renewNodeLease(
    {
      client,
      clock,
      log,
      node: config.nodeName,
      owner: () => {
        const uid = reporter.node?.metadata?.uid;
        return uid === undefined ? undefined : { apiVersion: 'v1', kind: 'Node', name: config.nodeName, uid };
      },
      onRecovered: () => statuses.retryNow(),
      renewEveryMs: config.leaseRenewMs,
      durationSeconds: config.leaseDurationSeconds,
      companions: features?.list.flatMap(({ renewals }) => renewals ?? []) ?? [],
    },
    signal,
  );
  log.info(
    { node: config.nodeName, runtime: `${version.name} ${version.version}`, pods: workers.list().length },
    'agent started',
  );
  await Promise.all([
    workers.run(signal),
    reporter.run(signal),
    lease,
    keepHouse({ config, workers, images, runtime, network, clock, log }, signal),
    serving?.done,
    ...(features === undefined
      ? []
      : [features.view.run(signal), features.rules(signal), ...features.list.map((feature) => feature.run(signal))]),
  ]);
  statuses.close();
  log.info({ node: config.nodeName }, 'agent stopped, containers left running');
}

async function imagesOf(images: ImageStore): Promise<corev1.ContainerImage[]> {
  try {
    const all = await images.list();
    return all.map(({ references, repoDigests, sizeBytes }) => ({ names: [...repoDigests, ...references], sizeBytes }));
  } catch {
    // The list is for the scheduler's preference only.
    return [];
  }
}

async function healthOf(network: PodNetwork, dataDir: string): Promise<NodeHealth> {
  const { memoryAvailableBytes, diskFreePercent, pidsFree } = readHeadroom(dataDir);
  const problem = await network.check().catch((err: unknown) => String(err));
  return {
    notReady: problem === null ? null : `the pod network is not ready: ${problem}`,
    memoryPressure: memoryAvailableBytes > 0 && memoryAvailableBytes < MEMORY_PRESSURE_BYTES,
    diskPressure: diskFreePercent < DISK_PRESSURE_PERCENT,
    pidPressure: pidsFree < PID_PRESSURE_FREE,
  };
}
