/**
 * What a scheduler plugin is. A plugin is compiled once for a pod template and then asked about nodes; everything it says
 * about a node may depend on that node's state only, never on other nodes. So a node need only be asked again when it
 * changed, and its place among the others can be kept in a heap.
 */
import type { corev1 } from '../../proto/index.ts';
import type { NodeState } from './node-state.ts';
import type { PodRequest } from './pod-request.ts';

/** Things that happen and may let a pod fit that did not. */
export type ClusterEvent =
  | 'node-added'
  | 'node-allocatable'
  | 'node-labels'
  | 'node-taints'
  | 'node-cordon'
  | 'node-images'
  | 'pod-gone';

/** The part of a pod that decides where it can go. Pods of one template share it. */
export interface PodTemplate {
  readonly spec: corev1.PodSpec;
  readonly request: PodRequest;
}

/** A plugin made ready for one template. */
export interface CompiledPlugin {
  /** Why the node cannot take the pod, in words that complete "N …"; empty when it can. Must be fast. */
  readonly filter?: (node: NodeState) => readonly string[];
  /** How well the node suits, 0 to 100. Asked only of nodes that passed all filters. */
  readonly score?: (node: NodeState) => number;
}

/** One plugin. */
export interface SchedulerPlugin {
  readonly name: string;
  /** How much its score counts; 1 unless said. */
  readonly weight?: number;
  /** Events after which a node it refused may pass. */
  readonly helpedBy: readonly ClusterEvent[];
  /** Undefined when it has nothing to say about such pods. */
  readonly compile: (template: PodTemplate) => CompiledPlugin | undefined;
}

/** What a filter returns for a node that passes. */
export const PASS: readonly string[] = [];
