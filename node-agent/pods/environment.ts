/** What pod workers work with. */
import type { ResourceClient } from '../../lib/client/resource-client.ts';
import type { Clock } from '../../lib/clock.ts';
import type { EventSink } from '../../lib/events.ts';
import type { corev1 } from '../../proto/index.ts';
import type { ImageStore } from '../images/image-store.ts';
import type { PodNetwork } from '../network/pod-network.ts';
import type { NodePaths } from '../paths.ts';
import type { ProbeWheel } from '../probes/probe-wheel.ts';
import type { Runtime, StepListener } from '../runtime/runtime.ts';
import type { ContainerUser } from './container-config.ts';
import type { StartLimit } from './start-limit.ts';
import type { StatusWriter } from './status-writer.ts';

/** The part of a pino logger the agent needs. */
export interface AgentLog {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** The node as its pods see it. */
export interface NodeIdentity {
  readonly name: string;
  readonly ips: readonly string[];
  readonly memoryBytes: number;
  readonly allocatable: Readonly<Record<string, string>>;
  readonly clusterDomain: string;
  /** Where the cluster's DNS is answered; undefined when nothing answers: pods then use the node's own resolvers. */
  readonly dnsAddress?: string;
  readonly cgroupRoot: string;
  /** Processes and threads a pod may have. */
  readonly podPidsLimit: number;
  /** `crun`. */
  readonly runtimeName: string;
  /** The node's own resolver settings, read anew for each pod. */
  readonly resolvConfPath: string;
  readonly hostsPath: string;
}

/** What a node's features have to say in the life of a pod. */
export interface PodHooks {
  /** Resolves when a pod with new addresses may send and receive. */
  readonly attached: (pod: corev1.Pod, ips: readonly string[], signal: AbortSignal) => Promise<void>;
  /** Why no container of the pod may be started now. */
  readonly refusesStart: (pod: corev1.Pod) => string | undefined;
  /** Resolves when no service sends new connections to the pod any more, or nobody waits longer. Never rejects. */
  readonly withdraw: (pod: corev1.Pod, signal: AbortSignal) => Promise<void>;
}

/** Everything a pod worker needs; shared by all of a node. */
export interface PodEnvironment {
  readonly client: ResourceClient;
  readonly runtime: Runtime;
  readonly network: PodNetwork;
  readonly images: ImageStore;
  /** Reads a user's numbers from the files of a mounted root folder. Rejects when there is no such user. */
  readonly resolveUser: (rootfsPath: string, user: string) => Promise<ContainerUser>;
  readonly statuses: StatusWriter;
  readonly events: EventSink;
  /** Each pod is looked at anew this often, whatever happens. */
  readonly resyncMs: number;
  readonly starts: StartLimit;
  readonly wheel: ProbeWheel;
  readonly clock: Clock;
  readonly log: AgentLog;
  readonly paths: NodePaths;
  readonly node: NodeIdentity;
  /** What the node's features have to say in the life of a pod; absent where a node has none. */
  readonly hooks?: PodHooks;
  /** Where the time of a pod's start goes; for benchmarks. */
  readonly onStep?: StepListener;
}
