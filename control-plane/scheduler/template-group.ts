/**
 * All pods of one template: which nodes can take one, the best on top. Evaluated over all nodes once. Afterwards nodes that
 * changed for the better (a pod went, a taint was removed) are asked again; a node that took another pod is asked again only
 * when it comes out on top, as it can only have become worse. So placing one more of many identical pods costs a few heap
 * operations, however many other templates there are.
 *
 * One thing may be out of date: the score of a node that took a pod and suits better by it, being more balanced. Whether a
 * node can take the pod is always exact.
 */
import type { ClusterState } from './cluster-state.ts';
import { IndexedHeap } from './indexed-heap.ts';
import type { NodeState } from './node-state.ts';
import type { ClusterEvent, CompiledPlugin, PodTemplate, SchedulerPlugin } from './plugin.ts';

interface Candidate {
  readonly node: NodeState;
  readonly score: number;
  /** The node's version that was asked. */
  readonly version: number;
}

interface Refusal {
  readonly node: NodeState;
  readonly version: number;
  readonly plugin: SchedulerPlugin;
  readonly reasons: readonly string[];
}

interface Compiled extends CompiledPlugin {
  readonly plugin: SchedulerPlugin;
}

/** Why no node can take a pod of the template. */
export interface Unfit {
  readonly nodeCount: number;
  /** How many nodes gave each reason. */
  readonly reasons: ReadonlyMap<string, number>;
}

/**
 * Nodes asked again for one pod when other templates' pods changed many of them. The best of these is taken then: a little
 * less than the best of all, for a small part of the work.
 */
const ENOUGH = 16;

/** See the top of the file. */
export class TemplateGroup {
  readonly template: PodTemplate;
  readonly #cluster: ClusterState;
  readonly #filters: Compiled[];
  readonly #scores: Compiled[];
  readonly #feasible = new IndexedHeap<Candidate>((a, b) => a.score > b.score);
  readonly #refused = new Map<string, Refusal>();
  /** Changes of the cluster seen so far; undefined before the first evaluation. */
  #seen: number | undefined;
  #unfit: (Unfit & { readonly version: number }) | undefined;

  constructor(template: PodTemplate, cluster: ClusterState, plugins: readonly SchedulerPlugin[]) {
    this.template = template;
    this.#cluster = cluster;
    const compiled = plugins.flatMap((plugin) => {
      const made = plugin.compile(template);
      return made === undefined ? [] : [{ plugin, ...made }];
    });
    this.#filters = compiled.filter(({ filter }) => filter !== undefined);
    this.#scores = compiled.filter(({ score }) => score !== undefined);
  }

  /** The best node for one more pod; undefined when none can take it. */
  best(): NodeState | undefined {
    this.#refresh();
    let chosen: Candidate | undefined;
    for (let asked = 0; ; asked += 1) {
      const top = this.#feasible.peek();
      if (top === undefined || top.version === top.node.version) return top?.node;
      if (chosen !== undefined && asked >= ENOUGH) return chosen.node;
      const fresh = this.#evaluate(top.node);
      if (fresh !== undefined && (chosen === undefined || fresh.score > chosen.score)) chosen = fresh;
    }
  }

  /** The reasons of all nodes; call it when {@link best} found none. */
  unfit(): Unfit {
    if (this.#unfit?.version === this.#cluster.version) return this.#unfit;
    for (const { node, version } of [...this.#refused.values()]) if (version !== node.version) this.#evaluate(node);
    const reasons = new Map<string, number>();
    for (const refusal of this.#refused.values()) {
      for (const reason of refusal.reasons) reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
    }
    this.#unfit = { nodeCount: this.#refused.size + this.#feasible.size, reasons, version: this.#cluster.version };
    return this.#unfit;
  }

  /** Whether one of the plugins that refused a node says that such an event may help. */
  mayBeHelpedBy(event: ClusterEvent): boolean {
    if (this.#refused.size === 0) return event === 'node-added';
    for (const { plugin } of this.#refused.values()) if (plugin.helpedBy.includes(event)) return true;
    return false;
  }

  #refresh(): void {
    const changed = this.#seen === undefined ? undefined : this.#cluster.changesSince(this.#seen);
    this.#seen = this.#cluster.changeCount;
    if (changed === undefined) {
      this.#feasible.clear();
      this.#refused.clear();
      for (const node of this.#cluster.nodes()) this.#evaluate(node);
      return;
    }
    for (const node of changed) this.#evaluate(node);
  }

  #evaluate(node: NodeState): Candidate | undefined {
    const refusal = node.node === undefined ? undefined : this.#refusal(node);
    if (node.node === undefined || refusal !== undefined) {
      this.#feasible.delete(node.name);
      if (refusal === undefined) this.#refused.delete(node.name);
      else this.#refused.set(node.name, refusal);
      return undefined;
    }
    this.#refused.delete(node.name);
    let score = 0;
    for (const plugin of this.#scores) score += (plugin.plugin.weight ?? 1) * (plugin.score?.(node) ?? 0);
    const candidate = { node, score, version: node.version };
    this.#feasible.set(node.name, candidate);
    return candidate;
  }

  #refusal(node: NodeState): Refusal | undefined {
    for (const { plugin, filter } of this.#filters) {
      const reasons = filter?.(node) ?? [];
      if (reasons.length > 0) return { node, version: node.version, plugin, reasons };
    }
    return undefined;
  }
}

/** Kubernetes' sentence for why a pod fits nowhere. */
export function unfitMessage({ nodeCount, reasons }: Unfit): string {
  if (nodeCount === 0) return 'no nodes available to schedule pods';
  const counts = [...reasons].map(([reason, count]) => `${count} ${reason}`);
  return `0/${nodeCount} nodes are available: ${counts.sort((a, b) => (a < b ? -1 : 1)).join(', ')}.`;
}
