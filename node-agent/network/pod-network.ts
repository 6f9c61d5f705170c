/**
 * The PodNetwork port: gives a pod's network namespace an address and takes it back.
 *
 * Callers: the pod workers (one call per pod at a time, different pods concurrently) and the agent's start-up sweep.
 * Every call is idempotent and survives being cut short: what was attached is recorded in a file before it is used, and
 * `teardown` undoes exactly what `setup` did, with the configuration of that time.
 */

/** Stable classes of failure of the network. `NoAddress`: the node's range is used up; trying again later may help. */
export type NetworkErrorCode = 'NotFound' | 'NoAddress' | 'MissingTool' | 'BadConfig' | 'Failed';

/** A failure of the pod network: what could not be done, for which pod, why. */
export class NetworkError extends Error {
  readonly code: NetworkErrorCode;

  constructor(code: NetworkErrorCode, message: string, options: { readonly cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'NetworkError';
    this.code = code;
  }
}

/** One port of a pod published on the node. */
export interface HostPort {
  /** Address of the node to listen on; absent or `0.0.0.0` means all. */
  readonly hostIP?: string;
  readonly hostPort: number;
  readonly containerPort: number;
  readonly protocol: 'TCP' | 'UDP' | 'SCTP';
}

/** A pod to be wired. Not called for pods on the host network. */
export interface PodNetworkRequest {
  readonly podUid: string;
  readonly podName: string;
  readonly podNamespace: string;
  /** The bind-mounted network namespace, as in `Sandbox.netnsPath`. */
  readonly netnsPath: string;
  readonly hostPorts?: readonly HostPort[];
}

/** How a pod is attached. */
export interface PodAttachment {
  readonly podUid: string;
  readonly podName: string;
  readonly podNamespace: string;
  /** The first is the pod's IP. Never empty. Without prefix length. */
  readonly ips: readonly string[];
  readonly netnsPath: string;
  readonly hostPorts: readonly HostPort[];
}

/** Addresses for the pods of this node. */
export interface PodNetwork {
  /**
   * Readies the node: unreachable route, forwarding, filter tables. Idempotent; call before `setup`, and again whenever
   * `check` reports a problem.
   */
  start(): Promise<void>;
  /** Attaches the pod, or returns the attachment it already has. Two pods never hold one address. */
  setup(request: PodNetworkRequest): Promise<PodAttachment>;
  /** Detaches the pod and frees its address, whether or not the namespace still exists. No error for an unknown pod. */
  teardown(podUid: string): Promise<void>;
  /** The attachment of a pod, or null. */
  inspect(podUid: string): Promise<PodAttachment | null>;
  list(): Promise<readonly PodAttachment[]>;
  /** Frees everything that belongs to no pod in `livePodUids`: attachments, leaked addresses, host ports. Says what it freed. */
  sweep(livePodUids: ReadonlySet<string>): Promise<readonly string[]>;
  /** Why pods cannot be wired now, as for the Node's Ready condition; null when all is well. Cheap; starts no process. */
  check(): Promise<string | null>;
  /** Removes what `start` made (tables, routes, bridge once unused). Pods keep their namespaces. */
  stop(): Promise<void>;
}
