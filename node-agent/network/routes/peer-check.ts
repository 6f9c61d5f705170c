/** Whether the other nodes can be reached over the pod network: a connection to each, and what came of it. */
import { connect } from 'node:net';
import { type Clock, sleep } from '../../../lib/clock.ts';
import { isNodeReady } from '../../../lib/node-ready.ts';
import type { corev1 } from '../../../proto/index.ts';
import type { FeatureCondition } from '../../features/node-feature.ts';
import type { PeerPath } from './plan.ts';

/** Type of the Node's condition. */
export const POD_NETWORK_REACHABLE = 'PodNetworkReachable';

/** Another node to be tried. */
export interface Peer extends PeerPath {
  /** Of its agent. */
  readonly port: number;
}

/** Connects and hangs up; resolves with why it could not, undefined when it could. Never rejects. */
export type Connect = (host: string, port: number, signal: AbortSignal) => Promise<string | undefined>;

const EVERY_MS = 30_000;
/** A try that fails is repeated after this, and counts when it fails again. */
const AGAIN_MS = 1_000;
const CONNECT_MS = 2_000;
/** Nodes that the message of the condition names. */
const NAMED = 5;

/** How to make a {@link PeerCheck}. */
export interface PeerCheckOptions {
  readonly clock: Clock;
  readonly onChange: () => void;
  readonly connect?: Connect;
}

/** The nodes to try: those that say they are ready, by the way that leads to them. Pure. */
export function peersOf(paths: readonly PeerPath[], nodes: readonly corev1.Node[]): readonly Peer[] {
  const byName = new Map(nodes.map((node) => [node.metadata?.name, node]));
  return paths.flatMap((path) => {
    const node = byName.get(path.node);
    const port = node?.status?.daemonEndpoints?.kubeletEndpoint?.Port ?? 0;
    return node !== undefined && isNodeReady(node) && port > 0 ? [{ ...path, port }] : [];
  });
}

/** What the condition says. Pure. */
export function reachableCondition(peers: readonly Peer[], failures: ReadonlyMap<string, string>): FeatureCondition {
  const failed = peers.flatMap((peer) => {
    const why = failures.get(peer.node);
    return why === undefined ? [] : [`${peer.node} at ${peer.gateway}:${peer.port} by ${wayTo(peer)}: ${why}`];
  });
  if (failed.length === 0) {
    const message =
      peers.length === 0
        ? 'there is no other ready node'
        : `all ${peers.length} other ready nodes answer over the pod network`;
    return { type: POD_NETWORK_REACHABLE, status: 'True', reason: 'PeersReachable', message };
  }
  const more = failed.length > NAMED ? `; and ${failed.length - NAMED} more` : '';
  const message = `cannot reach over the pod network: ${failed.slice(0, NAMED).join('; ')}${more}`;
  return { type: POD_NETWORK_REACHABLE, status: 'False', reason: 'PeersUnreachable', message };
}

/** Tries all peers now and then; a process that sleeps otherwise. With no peers it does nothing at all. */
export class PeerCheck {
  readonly #options: PeerCheckOptions;
  #peers: readonly Peer[] = [];
  #failures: ReadonlyMap<string, string> = new Map();
  /** Whether anything is known: before, the Node keeps what it said. */
  #known = false;
  #wake = new AbortController();

  constructor(options: PeerCheckOptions) {
    this.#options = options;
  }

  /** What the Node should say; undefined as long as nothing is known. */
  get condition(): FeatureCondition | undefined {
    return this.#known ? reachableCondition(this.#peers, this.#failures) : undefined;
  }

  /**
   * The nodes there are from now on. They are tried soon when one is new or is reached otherwise. `said`: the Node has the
   * condition from before, which no longer holds once there are no peers.
   */
  follow(peers: readonly Peer[], said: boolean): void {
    const had = new Set(this.#peers.map(keyOf));
    const isNew = peers.some((peer) => !had.has(keyOf(peer)));
    const before = textOf(this.condition);
    this.#peers = peers;
    if (peers.length === 0 && said) this.#known = true;
    const stale = new Map([...this.#failures].filter(([node]) => peers.some((peer) => peer.node === node)));
    this.#failures = stale;
    if (isNew) this.#wake.abort();
    if (textOf(this.condition) !== before) this.#options.onChange();
  }

  /** Tries until `signal` aborts. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    while (!signal.aborted) {
      this.#wake = new AbortController();
      const either = AbortSignal.any([signal, this.#wake.signal]);
      if (this.#peers.length === 0) await new Promise<void>((resolve) => whenAborted(either, resolve));
      else await this.#checkAll(signal);
      if (this.#wake.signal.aborted) continue;
      // Not all nodes at the same moment.
      await sleep(clock, EVERY_MS * (0.9 + 0.2 * Math.random()), either);
    }
  }

  async #checkAll(signal: AbortSignal): Promise<void> {
    const results = await Promise.all(
      this.#peers.map(async (peer) => [peer.node, await this.#checkOne(peer, signal)] as const),
    );
    if (signal.aborted) return;
    const before = textOf(this.condition);
    this.#known = true;
    this.#failures = new Map(results.flatMap(([node, why]) => (why === undefined ? [] : [[node, why] as const])));
    if (textOf(this.condition) !== before) this.#options.onChange();
  }

  async #checkOne({ gateway, port }: Peer, signal: AbortSignal): Promise<string | undefined> {
    const { clock, connect: tryOnce = connectBy(clock) } = this.#options;
    if ((await tryOnce(gateway, port, signal)) === undefined) return undefined;
    await sleep(clock, AGAIN_MS, signal);
    return signal.aborted ? undefined : tryOnce(gateway, port, signal);
  }
}

function wayTo({ by, address }: Peer): string {
  return by === 'route' ? `a route via ${address}` : `VXLAN to ${address}`;
}

function keyOf({ node, gateway, address, by, port }: Peer): string {
  return [node, gateway, address, by, port].join(' ');
}

function textOf(condition: FeatureCondition | undefined): string {
  return `${condition?.status} ${condition?.message}`;
}

function whenAborted(signal: AbortSignal, callback: () => void): void {
  if (signal.aborted) callback();
  else signal.addEventListener('abort', callback, { once: true });
}

/** A refusal is an answer too: the packets went there and came back. */
const connectBy =
  (clock: Clock): Connect =>
  (host, port, signal) =>
    new Promise((resolve) => {
      const socket = connect({ host, port });
      const cancel = clock.setTimer(() => finish(`no answer within ${CONNECT_MS / 1000} s`), CONNECT_MS);
      const finish = (why: string | undefined): void => {
        cancel();
        signal.removeEventListener('abort', onAbort);
        socket.destroy();
        resolve(why);
      };
      const onAbort = (): void => finish(undefined);
      socket.once('connect', () => finish(undefined));
      socket.once('error', (err: NodeJS.ErrnoException) =>
        finish(err.code === 'ECONNREFUSED' ? undefined : describe(err)),
      );
      signal.addEventListener('abort', onAbort, { once: true });
    });

const REASONS: Readonly<Record<string, string>> = {
  EHOSTUNREACH: 'no route to host',
  ENETUNREACH: 'network is unreachable',
  ETIMEDOUT: 'no answer in time',
  EACCES: 'forbidden by a rule of this machine',
  EPERM: 'forbidden by a rule of this machine',
};

function describe({ code = '', message }: NodeJS.ErrnoException): string {
  return REASONS[code] ?? message;
}
