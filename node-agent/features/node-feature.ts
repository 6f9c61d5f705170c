/**
 * The NodeFeature port: what an agent does for its node besides running pods. Routes to other nodes, service rules, network
 * policy, DNS, ingress, the dead-man: each is one of these, made in `main.ts` and run by `agent.ts`.
 */
import type { corev1 } from '../../proto/index.ts';
import type { LeaseCompanion } from '../node/node-lease.ts';

/** A condition of the Node that a feature vouches for. */
export interface FeatureCondition {
  /** As in `Node.status.conditions[].type`; each feature has types of its own. */
  readonly type: string;
  readonly status: 'True' | 'False';
  /** CamelCase. */
  readonly reason: string;
  readonly message: string;
}

/** One thing a node does. Constructed without effect. */
export interface NodeFeature {
  /** As it stands in logs. */
  readonly name: string;
  /**
   * Works until `signal` aborts and settles when everything it held in this process is released. What the kernel keeps (rules,
   * routes, links, addresses) stays: an agent that is stopped or killed leaves the network of its pods as it is. Never
   * rejects but on a programming error: whatever may fail is tried again.
   */
  run(signal: AbortSignal): Promise<void>;
  /** What the Node's status should say; read anew for each report. Cheap. */
  conditions?(): readonly FeatureCondition[];
  /** What the Node's annotations should say, read anew for each report. An undefined value takes one away. */
  annotations?(): Readonly<Record<string, string | undefined>>;
  /** Resolves when a pod that has just got its addresses may send and receive; before its containers start. Never rejects. */
  podAttached?(pod: AttachedPod, signal: AbortSignal): Promise<void>;
  /** Why no container of this pod may be started now; undefined when nothing speaks against it. */
  refusesStart?(pod: corev1.Pod): string | undefined;
  /** Takes pods out of services. */
  readonly withdrawal?: ServiceWithdrawal;
  /** Goes along with each renewal of the node's lease. */
  readonly renewals?: LeaseCompanion;
  /** With the agent stopped: removes everything it ever made on this machine. Idempotent; rejects with what stayed. */
  teardown?(): Promise<void>;
}

/** A pod of this node with its addresses. Never one on the host network. */
export interface AttachedPod {
  readonly pod: corev1.Pod;
  readonly ips: readonly string[];
}

/** A change that the node's report shows, such as another condition: the report is made anew soon. */
export type OnFeatureChange = () => void;

/** The node as its features see it. All of it is known before any feature is made. */
export interface NodePlace {
  readonly name: string;
  /** Addresses of the node, the one others use first. */
  readonly ips: readonly string[];
  /** Pod range of this node, such as 10.42.3.0/24; its first address is the node's own on the bridge. */
  readonly podCidr: string;
  readonly clusterCidr: string;
  readonly serviceCidr: string;
  readonly clusterDomain: string;
  readonly dnsAddress: string;
  readonly nodePorts: { readonly first: number; readonly last: number };
  /** The link pods hang on. */
  readonly bridge: string;
  /** Begins the names of all our links; also the name of our nftables table. At most 12 characters. */
  readonly linkPrefix: string;
  /** Where files go, as in `nodePaths`: gone after a reboot, and not. */
  readonly runDir: string;
  readonly dataDir: string;
  /** Labels of the Node, such as its zone; empty until it is registered. */
  readonly labels: () => Readonly<Record<string, string>>;
}

/** How a pod that is to be stopped leaves the services it is behind; see `pods/withdrawals.ts`. */
export interface ServiceWithdrawal {
  /** Whether any service of the cluster has this pod, ending or not, as far as this node knows. Cheap. */
  isServed(pod: corev1.Pod): boolean;
  /** Resolves true once this node sends no new connection to the pod; false when `signal` aborts first. Never rejects. */
  withdrawn(
    pod: { readonly namespace: string; readonly name: string; readonly uid: string },
    signal: AbortSignal,
  ): Promise<boolean>;
}
