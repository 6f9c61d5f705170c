/** The feature that joins the pod networks of all nodes: routes, tunnel, and the check that they work. */
import { Backoff } from '../../../lib/backoff.ts';
import { type Clock, sleep } from '../../../lib/clock.ts';
import { errorMessage } from '../../../lib/errors.ts';
import type { corev1 } from '../../../proto/index.ts';
import type { ClusterView } from '../../features/cluster-view.ts';
import type { FeatureCondition, NodeFeature, NodePlace, OnFeatureChange } from '../../features/node-feature.ts';
import type { FeatureFactory } from '../../features/registry.ts';
import type { AgentLog } from '../../pods/environment.ts';
import type { RuleTable } from '../../rules/rule-table.ts';
import { hasUserCniConfig, userCniFolder } from '../cni-config.ts';
import { hintMatters, watchLinks } from './link-hints.ts';
import { NodeRoutes } from './node-routes.ts';
import { PeerCheck, POD_NETWORK_REACHABLE, peersOf } from './peer-check.ts';
import { type RoutingNode, tunnelName, type WantedNetwork } from './plan.ts';
import { TunnelRules } from './tunnel-rules.ts';

const RESYNC_MS = 45_000;
/** Changes that come together are looked at together, and somebody else's busy links cost two looks a second at most. */
const SETTLE_MS = 200;
const LOOKS_APART_MS = 500;

/** What the feature is made of. */
export interface PodRoutesOptions {
  readonly place: NodePlace;
  readonly view: Pick<ClusterView, 'nodes'>;
  readonly table: RuleTable | undefined;
  readonly clock: Clock;
  readonly log: AgentLog;
  readonly changed: OnFeatureChange;
  /** Where the user's own CNI chain would be. */
  readonly cniConfigDir: string;
}

/** For the registry. */
export const createPodRoutes: FeatureFactory = ({ config, place, view, table, clock, log, changed }) =>
  new PodRoutes({ place, view, table, clock, log, changed, cniConfigDir: userCniFolder(config.root) });

/** See the top of the file. */
export class PodRoutes implements NodeFeature {
  readonly name = 'pod-routes';
  readonly #options: PodRoutesOptions;
  readonly #self: RoutingNode;
  readonly #routes: NodeRoutes;
  readonly #check: PeerCheck;
  readonly #rules: TunnelRules | undefined;
  #commits: Promise<unknown> = Promise.resolve();
  #wake = new AbortController();
  /** The last problem, so that it is logged once. */
  #problem = '';
  #left = '';

  constructor(options: PodRoutesOptions) {
    const { place, clock, changed } = options;
    this.#options = options;
    this.#self = { ...place, vxlan: tunnelName(place.linkPrefix) };
    this.#routes = new NodeRoutes(this.#self, place.runDir);
    this.#check = new PeerCheck({ clock, onChange: changed });
    this.#rules = options.table === undefined ? undefined : new TunnelRules(options.table);
  }

  conditions(): readonly FeatureCondition[] {
    const { condition } = this.#check;
    return condition === undefined ? [] : [condition];
  }

  async run(signal: AbortSignal): Promise<void> {
    const { view, clock, place } = this.#options;
    const wake = (): void => this.#wake.abort();
    const seen = new Map<string, string>();
    const look = (node: corev1.Node): void => {
      const name = node.metadata?.name ?? '';
      if (seen.get(name) === signature(node)) return;
      seen.set(name, signature(node));
      wake();
    };
    const stopFollowing = view.nodes.addHandler({
      onAdd: look,
      onUpdate: (_, node) => look(node),
      onDelete: (node) => {
        seen.delete(node.metadata?.name ?? '');
        wake();
      },
    });
    const matters = hintMatters({ ...this.#self, podLinks: place.linkPrefix.slice(0, 7) });
    const hints = watchLinks({ clock, matters, onHint: wake }, signal);
    const checks = this.#check.run(signal);
    try {
      await this.#keep(signal);
    } finally {
      stopFollowing();
      await Promise.all([hints, checks, this.#commits]);
    }
  }

  teardown(): Promise<void> {
    return this.#routes.remove();
  }

  async #keep(signal: AbortSignal): Promise<void> {
    const { view, clock } = this.#options;
    await view.nodes.synced(signal);
    const backoff = new Backoff({ initialMs: 500, maxMs: RESYNC_MS, jitter: 0.2 });
    while (!signal.aborted) {
      this.#wake = new AbortController();
      const ok = await this.#syncOnce(signal);
      const nextLookMs = clock.monotonicMs() + LOOKS_APART_MS;
      if (ok) backoff.reset();
      await sleep(clock, ok ? RESYNC_MS : backoff.next(), AbortSignal.any([signal, this.#wake.signal]));
      if (this.#wake.signal.aborted) await sleep(clock, Math.max(SETTLE_MS, nextLookMs - clock.monotonicMs()), signal);
    }
  }

  async #syncOnce(signal: AbortSignal): Promise<boolean> {
    const { view, cniConfigDir, log, place } = this.#options;
    const isUsers = hasUserCniConfig(cniConfigDir);
    const nodes = view.nodes.list();
    try {
      const { wanted, changed } = await this.#routes.sync(isUsers ? undefined : nodes, signal);
      if (changed > 0)
        log.info({ node: place.name, changes: changed, ...counts(wanted) }, 'routes to the pods of other nodes');
      this.#tellLeft(wanted);
      this.#protect(wanted, signal);
      this.#follow(wanted, nodes);
      if (this.#problem !== '')
        log.info({ node: place.name }, 'routes to the pods of other nodes are as they should be again');
      this.#problem = '';
      return true;
    } catch (err) {
      if (signal.aborted) return false;
      const problem = errorMessage(err);
      if (problem !== this.#problem)
        log.error({ node: place.name, err }, 'the pods of other nodes cannot be routed to');
      this.#problem = problem;
      return false;
    }
  }

  #follow({ paths }: WantedNetwork, nodes: readonly corev1.Node[]): void {
    const own = nodes.find(({ metadata }) => metadata?.name === this.#self.name);
    const said = own?.status?.conditions?.some(({ type }) => type === POD_NETWORK_REACHABLE) === true;
    this.#check.follow(peersOf(paths, nodes), said);
  }

  #protect({ vxlan }: WantedNetwork, signal: AbortSignal): void {
    const { table } = this.#options;
    if (table === undefined || this.#rules?.want(vxlan) !== true) return;
    // The table tries until it is so; routes do not wait for it. Rejects only when all of this ends.
    this.#commits = Promise.allSettled([this.#commits, table.commit(signal)]);
  }

  #tellLeft({ left }: WantedNetwork): void {
    const text = JSON.stringify(left);
    if (text !== this.#left && left.length > 0) this.#options.log.warn({ left }, 'nodes that no way leads to');
    this.#left = text;
  }
}

/** What of a node routes and the check depend on. */
function signature({ spec, status }: corev1.Node): string {
  const ready = status?.conditions?.find(({ type }) => type === 'Ready')?.status;
  return JSON.stringify([spec?.podCIDR, status?.addresses, ready, status?.daemonEndpoints]);
}

function counts({ paths }: WantedNetwork): { readonly routed: number; readonly tunnelled: number } {
  const routed = paths.filter(({ by }) => by === 'route').length;
  return { routed, tunnelled: paths.length - routed };
}
