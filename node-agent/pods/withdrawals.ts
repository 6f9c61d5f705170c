/**
 * No request lost: a pod that is to be stopped first leaves the services it is behind, on every node, and only then is told. A
 * request may be under way to it until then; whoever sends new ones goes elsewhere.
 *
 *   deletion seen ─▶ this node and every other Ready one: "do you still send there?" ─▶ a moment for what is under way ─▶ stop
 *
 * Each step is bounded: a node that does not answer costs two seconds, never the pod's whole grace.
 */
import { type Clock, sleep } from '../../lib/clock.ts';
import type { Informer } from '../../lib/informer.ts';
import { isNodeReady } from '../../lib/node-ready.ts';
import type { corev1 } from '../../proto/index.ts';
import type { ServiceWithdrawal } from '../features/node-feature.ts';
import type { AgentLog } from './environment.ts';

/** Asks the agents of other nodes. */
export interface PeerAgents {
  /** Resolves true when that node sends no new connection to the pod, false after `waitMs` or when it cannot be asked. Never rejects. */
  awaitWithdrawn(
    node: corev1.Node,
    pod: PodRef,
    options: { readonly waitMs: number; readonly signal: AbortSignal },
  ): Promise<boolean>;
}

/** Which pod. */
export interface PodRef {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

/** What withdrawing needs. */
export interface WithdrawalOptions {
  /** The features of this node that send to pods. */
  readonly local: readonly ServiceWithdrawal[];
  readonly nodes: Pick<Informer<corev1.Node>, 'list' | 'hasSynced'>;
  readonly peers: PeerAgents;
  /** Name of this node. */
  readonly node: string;
  readonly clock: Clock;
  readonly log: AgentLog;
}

/** Longest wait for all nodes together. */
const WAIT_MS = 2_000;
/**
 * For connections that were opened just before the last node stopped sending: time to be accepted and served. A first packet that is
 * lost (the program is slow to accept, say) is sent again after a second, to the same pod.
 */
const LINGER_MS = 1_200;

/** See the top of the file. */
export class Withdrawals {
  readonly #options: WithdrawalOptions;
  /** Pods being withdrawn, so that the containers of one pod share one withdrawal. */
  readonly #running = new Map<string, Promise<void>>();

  constructor(options: WithdrawalOptions) {
    this.#options = options;
  }

  /** Resolves when the pod may be told to stop. Never rejects. */
  withdraw(pod: corev1.Pod, signal: AbortSignal): Promise<void> {
    const { namespace = '', name = '', uid = '' } = pod.metadata ?? {};
    const known = this.#running.get(uid);
    if (known !== undefined) return known;
    if (!this.#options.local.some((feature) => feature.isServed(pod))) return Promise.resolve();
    const running = this.#withdraw({ namespace, name, uid }, signal).finally(() => this.#running.delete(uid));
    this.#running.set(uid, running);
    return running;
  }

  async #withdraw(pod: PodRef, signal: AbortSignal): Promise<void> {
    const { local, nodes, peers, node, clock, log } = this.#options;
    const enough = new AbortController();
    const cancel = clock.setTimer(() => enough.abort(), WAIT_MS);
    const limit = AbortSignal.any([signal, enough.signal]);
    const others = nodes.list().filter((other) => other.metadata?.name !== node && isNodeReady(other));
    const answers = await Promise.all([
      ...local.map((feature) => feature.withdrawn(pod, limit)),
      ...others.map((other) => peers.awaitWithdrawn(other, pod, { waitMs: WAIT_MS, signal: limit })),
    ]);
    cancel();
    if (signal.aborted) return;
    if (answers.includes(false)) {
      const { namespace, name } = pod;
      const silent = others.filter((_, i) => answers[local.length + i] === false).map(({ metadata }) => metadata?.name);
      log.warn({ namespace, name, nodes: silent }, 'some nodes may still send to a pod that stops');
    }
    await sleep(clock, LINGER_MS, signal);
  }
}
