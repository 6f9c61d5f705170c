import type { PodNetworkRequest } from './pod-network.ts';

/** What an attacher gave a pod; `state` is kept in the pod's file and handed back on detach. */
export interface Attached {
  /** Addresses without prefix length, the pod's IP first. */
  readonly ips: readonly string[];
  /** Whatever the attacher needs to undo exactly this: the configuration of the time and the plugins' results. */
  readonly state: unknown;
  /** True when the attacher itself publishes host ports (a chain with the portMappings capability). */
  readonly publishesHostPorts: boolean;
}

/**
 * Wires one namespace and takes the wire away: the part of the pod network that differs between a built-in bridge and a
 * chain of CNI plugins. Calls about one pod are serialized by the caller. Throws `NetworkError`.
 */
export interface Attacher {
  /** The intent to attach, saved before `attach` so that a cut-short one can be undone. */
  plan(request: PodNetworkRequest): Promise<unknown>;
  attach(request: PodNetworkRequest, plan: unknown): Promise<Attached>;
  /** Idempotent; `netnsPath` may be gone. `state` is what `attach` gave, or the plan when it never ended. */
  detach(request: PodNetworkRequest, state: unknown): Promise<void>;
  /** Frees addresses of pods not in `livePodUids` that no file accounts for; says what it freed. */
  freeLeaked(livePodUids: ReadonlySet<string>): Promise<readonly string[]>;
  /** Ends programs that a process before us, now dead, had left running. Called once, before anything else. */
  killLeftovers(): Promise<void>;
  /** Why attaching cannot work now, or null. */
  check(): Promise<string | null>;
}
