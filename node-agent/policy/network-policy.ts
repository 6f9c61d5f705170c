/**
 * NetworkPolicy on this node: keeps the rules of the pods here as policies, pods and namespaces of the whole cluster want them.
 * See README.md.
 */
import { type Clock, sleep } from '../../lib/clock.ts';
import type { InformerHandler } from '../../lib/informer.ts';
import { matchesLabels } from '../../lib/selectors.ts';
import type { corev1, networkingv1 } from '../../proto/index.ts';
import type { AttachedPod, FeatureCondition, NodeFeature } from '../features/node-feature.ts';
import type { FeatureParts } from '../features/registry.ts';
import { applyPlan } from './apply-plan.ts';
import { filterBridge } from './bridge-filter.ts';
import { guardsAnyone, type PolicyPlan, planPolicies } from './policy-plan.ts';
import { addressOf, firstIPv4, policyPods } from './policy-pods.ts';
import { type CompiledPolicy, compilePolicy } from './policy-rules.ts';

/** What of a node's parts the feature works with. */
export interface NetworkPolicyParts extends Pick<FeatureParts, 'table' | 'clock' | 'log' | 'changed'> {
  readonly place: Pick<FeatureParts['place'], 'name' | 'bridge'>;
  readonly view: Pick<FeatureParts['view'], 'networkPolicies' | 'namespaces' | 'peers'>;
  /** Goes before each program, such as `nsenter --net=…`: whose bridge it is. Default: our own network namespace. */
  readonly enter?: readonly string[];
}

/** Everything is looked at anew this often, whatever was heard: the bridge may be another one. */
const RESYNC_MS = 60_000;
/** After a failure it is tried again this much later. */
const RETRY_MS = 5_000;
/** Rules that the kernel has not taken by then are a problem that the Node shows. */
const LATE_MS = 10_000;
const NOT_TAKEN = 'the kernel has not taken the latest rules of network policies; the log of the agent says why';

/** Makes the feature. */
export function createNetworkPolicy(parts: NetworkPolicyParts): NodeFeature {
  return new NetworkPolicyFeature(parts);
}

class NetworkPolicyFeature implements NodeFeature {
  readonly name = 'network-policy';
  readonly #parts: NetworkPolicyParts;
  readonly #clock: Clock;
  readonly #compiled = new WeakMap<networkingv1.NetworkPolicy, CompiledPolicy>();
  /** Pods attached here of which the cluster does not tell that address yet, by uid. */
  readonly #attached = new Map<string, AttachedPod>();
  /** Woken by news, and by news that came into force. */
  readonly #waiting = new Set<() => void>();
  #plan: PolicyPlan | undefined;
  /** News so far, and how much of that is in the kernel. */
  #heard = 1;
  #inForce = 0;
  /** Why policies do not hold here, by reason. */
  readonly #problems = new Map<string, string>();

  constructor(parts: NetworkPolicyParts) {
    this.#parts = parts;
    this.#clock = parts.clock;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { networkPolicies, namespaces, peers } = this.#parts.view;
    const stopListening = this.#listen();
    try {
      await Promise.all([networkPolicies, namespaces, peers].map((informer) => informer.synced(signal)));
      while (!signal.aborted) await this.#follow(signal);
    } catch (err) {
      // Waiting for the first list ends so when the agent stops.
      if (!signal.aborted) throw err;
    } finally {
      stopListening();
    }
  }

  conditions(): readonly FeatureCondition[] {
    const [first] = this.#problems;
    if (first === undefined) return [];
    const [reason, message] = first;
    return [{ type: 'NetworkPolicyIncomplete', status: 'True', reason, message }];
  }

  async podAttached({ pod, ips }: AttachedPod, signal: AbortSignal): Promise<void> {
    const ip = firstIPv4(ips);
    const uid = pod.metadata?.uid;
    if (ip === undefined || uid === undefined) return;
    for (const [other, attached] of this.#attached) if (firstIPv4(attached.ips) === ip) this.#attached.delete(other);
    this.#attached.set(uid, { pod, ips });
    const news = this.#hear();
    while (this.#concerns(pod) && this.#inForce < news && !signal.aborted) await this.#woken(signal);
  }

  /** Whether anybody's rules may depend on the pod: its own, or those of pods it talks with. */
  #concerns(pod: corev1.Pod): boolean {
    const { networkPolicies, namespaces, peers } = this.#parts.view;
    if (!networkPolicies.hasSynced || !namespaces.hasSynced || !peers.hasSynced) return true;
    if (this.#plan !== undefined && guardsAnyone(this.#plan)) return true;
    return networkPolicies.list().some((policy) => {
      const { namespace, guards } = this.#compile(policy);
      return namespace === pod.metadata?.namespace && matchesLabels(guards, pod.metadata?.labels);
    });
  }

  /** Brings what was heard into force, then waits for more. */
  async #follow(signal: AbortSignal): Promise<void> {
    const { bridge } = this.#parts.place;
    try {
      this.#setProblem('BridgeNotFiltered', await filterBridge(bridge, this.#parts.enter));
      const nextCheckMs = this.#clock.monotonicMs() + RESYNC_MS;
      while (!signal.aborted && this.#clock.monotonicMs() < nextCheckMs) {
        if (this.#inForce < this.#heard) await this.#bringIntoForce(signal);
        else await this.#woken(signal, nextCheckMs - this.#clock.monotonicMs());
      }
      this.#hear();
    } catch (err) {
      if (signal.aborted) return;
      this.#setProblem('RulesNotTaken', NOT_TAKEN, err);
      await sleep(this.#clock, RETRY_MS, signal);
    }
  }

  async #bringIntoForce(signal: AbortSignal): Promise<void> {
    const { table, view, place } = this.#parts;
    const news = this.#heard;
    const policies = view.networkPolicies.list().map((policy) => this.#compile(policy));
    const plan = planPolicies({
      policies,
      namespaces: new Map(view.namespaces.list().map(({ metadata }) => [metadata?.name ?? '', metadata?.labels])),
      // Without policies nobody asks for them.
      pods: policies.length === 0 ? [] : policyPods(view.peers.list(), [...this.#attached.values()], place.name),
    });
    const before = this.#plan;
    this.#plan = plan;
    applyPlan(table, before, plan);
    const cancel = this.#clock.setTimer(() => {
      if (guardsAnyone(plan)) this.#setProblem('RulesNotTaken', NOT_TAKEN);
    }, LATE_MS);
    await table.commit(signal).finally(cancel);
    this.#setProblem('RulesNotTaken', undefined);
    this.#inForce = news;
    this.#wakeAll();
  }

  #setProblem(reason: string, problem: string | undefined, err?: unknown): void {
    if (problem === this.#problems.get(reason)) return;
    if (problem === undefined) this.#problems.delete(reason);
    else {
      this.#problems.set(reason, problem);
      this.#parts.log.error({ reason, problem, err }, 'network policies do not hold on this node');
    }
    this.#parts.changed();
  }

  #compile(policy: networkingv1.NetworkPolicy): CompiledPolicy {
    let compiled = this.#compiled.get(policy);
    if (compiled === undefined) {
      compiled = compilePolicy(policy);
      this.#compiled.set(policy, compiled);
    }
    return compiled;
  }

  #listen(): () => void {
    const { networkPolicies, namespaces, peers } = this.#parts.view;
    const hear = (): void => void this.#hear();
    const any = { onAdd: hear, onUpdate: hear, onDelete: hear };
    const pods: InformerHandler<corev1.Pod> = {
      onAdd: (pod) => this.#hearOf(pod),
      onUpdate: (_old, pod) => this.#hearOf(pod),
      onDelete: (pod) => {
        this.#attached.delete(pod.metadata?.uid ?? '');
        this.#hear();
      },
    };
    const stops = [networkPolicies.addHandler(any), namespaces.addHandler(any), peers.addHandler(pods)];
    return () => {
      for (const stop of stops) stop();
    };
  }

  #hearOf(pod: corev1.Pod): void {
    const uid = pod.metadata?.uid ?? '';
    const attached = this.#attached.get(uid);
    // From now on the cluster's word is enough.
    if (attached !== undefined && firstIPv4(attached.ips) === addressOf(pod)) this.#attached.delete(uid);
    this.#hear();
  }

  #hear(): number {
    this.#heard += 1;
    this.#wakeAll();
    return this.#heard;
  }

  #wakeAll(): void {
    for (const wake of [...this.#waiting]) wake();
  }

  /** Resolves at the next news, when something came into force, after `limitMs`, or when `signal` aborts. */
  #woken(signal: AbortSignal, limitMs = RESYNC_MS): Promise<void> {
    return new Promise((resolve) => {
      const finish = (): void => {
        cancel();
        signal.removeEventListener('abort', finish);
        this.#waiting.delete(finish);
        resolve();
      };
      const cancel = this.#clock.setTimer(finish, limitMs);
      signal.addEventListener('abort', finish, { once: true });
      this.#waiting.add(finish);
      if (signal.aborted) finish();
    });
  }
}
