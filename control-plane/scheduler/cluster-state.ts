/**
 * The scheduler's picture of nodes and the room taken on them: by bound pods, and by pods it has decided on whose binding is
 * not visible yet (reserved). Fed by the informers; nothing in it waits or writes.
 */
import type { corev1 } from '../../proto/index.ts';
import { NodeState } from './node-state.ts';
import type { ClusterEvent } from './plugin.ts';
import { type PodRequest, podRequest } from './pod-request.ts';

interface Placed {
  readonly node: string;
  readonly request: PodRequest;
  readonly reserved: boolean;
}

/** Changes remembered per node before groups that lag behind evaluate anew. */
const CHANGES_PER_NODE = 2;
const MIN_CHANGES = 1024;

/** See the top of the file. */
export class ClusterState {
  readonly #nodes = new Map<string, NodeState>();
  /** Pods that take room, by uid. */
  readonly #placed = new Map<string, Placed>();
  /** Nodes in the order in which they changed for the better; the first is change number `#firstChange`. */
  #changes: NodeState[] = [];
  #firstChange = 0;

  /** Grows with every change. */
  version = 0;

  /** Number of changes so far after which a node may take what it could not, or suit better than before. */
  get changeCount(): number {
    return this.#firstChange + this.#changes.length;
  }

  /** Nodes that changed so after the first `count` such changes, each once; undefined when that is too long ago. */
  changesSince(count: number): Iterable<NodeState> | undefined {
    if (count < this.#firstChange) return undefined;
    const recent = this.#changes.slice(count - this.#firstChange);
    return recent.length < 2 ? recent : new Set(recent);
  }

  /** All nodes, also those only known by pods bound to them. */
  nodes(): Iterable<NodeState> {
    return this.#nodes.values();
  }

  /** The node of that name. */
  node(name: string): NodeState | undefined {
    return this.#nodes.get(name);
  }

  /** A node came or changed. Returns what that may help. */
  setNode(node: corev1.Node): ClusterEvent[] {
    const state = this.#state(node.metadata?.name ?? '');
    const old = state.node;
    const events = old === undefined ? (['node-added'] as ClusterEvent[]) : nodeEvents(old, node);
    state.setNode(node);
    // Heartbeats change nothing that a plugin looks at.
    if (events.length > 0) this.#changed(state);
    return events;
  }

  /** A node is gone. Room taken on it stays taken, should it come back. */
  removeNode(name: string): void {
    const state = this.#nodes.get(name);
    if (state === undefined) return;
    state.setNode(undefined);
    this.#changed(state);
    this.#dropEmpty(state);
  }

  /** A pod is bound to a node, as the API shows it. Confirms a reservation. */
  setPod(pod: corev1.Pod): void {
    const uid = pod.metadata?.uid ?? '';
    const node = pod.spec?.nodeName ?? '';
    const placed = this.#placed.get(uid);
    const request = podRequest(pod.spec);
    if (placed !== undefined) {
      if (placed.node === node && sameRequest(placed.request, request)) {
        if (placed.reserved) this.#placed.set(uid, { ...placed, reserved: false });
        return;
      }
      this.#release(uid, placed);
    }
    this.#take(uid, { node, request, reserved: false });
  }

  /** A pod ended or is gone. Returns whether it had taken room. */
  removePod(uid: string): boolean {
    const placed = this.#placed.get(uid);
    if (placed === undefined) return false;
    this.#release(uid, placed);
    return true;
  }

  /** Takes room for a pod that is about to be bound. */
  reserve(uid: string, node: string, request: PodRequest): void {
    this.#take(uid, { node, request, reserved: true });
  }

  /** Gives a reservation back. A pod that is seen bound by now keeps its room. */
  unreserve(uid: string): void {
    const placed = this.#placed.get(uid);
    if (placed?.reserved === true) this.#release(uid, placed);
  }

  /** Whether the pod is bound or reserved. */
  isPlaced(uid: string): boolean {
    return this.#placed.has(uid);
  }

  #take(uid: string, placed: Placed): void {
    this.#placed.set(uid, placed);
    // A pod more makes a node only worse: who has it on top of a heap notices by its version.
    this.version += 1;
    this.#state(placed.node).add(placed.request);
  }

  #release(uid: string, placed: Placed): void {
    this.#placed.delete(uid);
    const state = this.#state(placed.node);
    state.remove(placed.request);
    this.#changed(state);
    this.#dropEmpty(state);
  }

  #state(name: string): NodeState {
    let state = this.#nodes.get(name);
    if (state === undefined) {
      state = new NodeState(name);
      this.#nodes.set(name, state);
    }
    return state;
  }

  #dropEmpty(state: NodeState): void {
    if (state.node === undefined && state.podCount === 0) this.#nodes.delete(state.name);
  }

  #changed(state: NodeState): void {
    this.version += 1;
    this.#changes.push(state);
    const limit = Math.max(MIN_CHANGES, this.#nodes.size * CHANGES_PER_NODE);
    if (this.#changes.length <= limit * 2) return;
    const dropped = this.#changes.length - limit;
    this.#changes = this.#changes.slice(dropped);
    this.#firstChange += dropped;
  }
}

/** What changed on a node, by what it may help. */
function nodeEvents(old: corev1.Node, node: corev1.Node): ClusterEvent[] {
  const differs = (part: (n: corev1.Node) => unknown): boolean =>
    JSON.stringify(part(old)) !== JSON.stringify(part(node));
  const events: ClusterEvent[] = [];
  if (old.metadata?.uid !== node.metadata?.uid) events.push('node-added');
  if (differs((n) => n.status?.allocatable)) events.push('node-allocatable');
  if (differs((n) => n.metadata?.labels)) events.push('node-labels');
  if (differs((n) => n.spec?.taints)) events.push('node-taints');
  if (differs((n) => n.spec?.unschedulable)) events.push('node-cordon');
  if (differs((n) => n.status?.images)) events.push('node-images');
  return events;
}

function sameRequest(a: PodRequest, b: PodRequest): boolean {
  if (a === b) return true;
  if (a.amounts.size !== b.amounts.size || a.hostPorts.length !== b.hostPorts.length) return false;
  for (const [name, amount] of a.amounts) if (b.amounts.get(name) !== amount) return false;
  return a.hostPorts.every((port, i) => JSON.stringify(port) === JSON.stringify(b.hostPorts[i]));
}
