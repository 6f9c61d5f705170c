/** What all features of a node together have to say in the life of a pod. */
import { type Clock, sleep } from '../../lib/clock.ts';
import type { corev1 } from '../../proto/index.ts';
import type { AgentLog, PodHooks } from '../pods/environment.ts';
import { type PeerAgents, Withdrawals } from '../pods/withdrawals.ts';
import type { ClusterView } from './cluster-view.ts';
import type { NodeFeature } from './node-feature.ts';

/** The features and what they stand on. */
export interface PodHooksParts {
  readonly list: readonly NodeFeature[];
  readonly view: ClusterView;
  readonly peers: PeerAgents;
}

/** A pod waits so long for its features to be ready for it: longer only when no server has been heard since the agent began. */
const ATTACH_WAIT_MS = 5_000;

/** Joins the features' say. */
export function podHooks(
  { list, view, peers }: PodHooksParts,
  { node, clock, log }: { readonly node: string; readonly clock: Clock; readonly log: AgentLog },
): PodHooks {
  const local = list.flatMap(({ withdrawal }) => withdrawal ?? []);
  const withdrawals = new Withdrawals({ local, nodes: view.nodes, peers, node, clock, log });
  return {
    attached: async (pod, ips, signal) => {
      if (pod.spec?.hostNetwork === true) return;
      const enough = new AbortController();
      const limit = AbortSignal.any([signal, enough.signal]);
      const ready = Promise.all(list.map(async (feature) => feature.podAttached?.({ pod, ips }, limit)));
      const late = sleep(clock, ATTACH_WAIT_MS, limit).then(() => 'late' as const);
      if ((await Promise.race([ready, late])) === 'late' && !signal.aborted) {
        const { namespace, name } = pod.metadata ?? {};
        log.warn({ namespace, name }, 'a pod starts before all rules about it are in force');
      }
      enough.abort();
    },
    refusesStart: (pod: corev1.Pod) => {
      for (const feature of list) {
        const why = feature.refusesStart?.(pod);
        if (why !== undefined) return why;
      }
      return undefined;
    },
    withdraw: (pod, signal) => withdrawals.withdraw(pod, signal),
  };
}
