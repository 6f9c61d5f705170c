import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type ExecError, run } from '../../../lib/exec.ts';
import type { corev1 } from '../../../proto/index.ts';
import { gatewayOf } from '../pod-cidr.ts';
import { writePodMtu } from '../pod-mtu.ts';
import { NetworkError } from '../pod-network.ts';
import { changesTo, type KernelNetwork, type NetworkChanges, ROUTE_PROTOCOL, routeLine } from './changes.ts';
import {
  documents,
  forwardingOf,
  type LocalLink,
  linksOf,
  neighboursOf,
  routesOf,
  underlayOf,
  vxlansOf,
} from './links.ts';
import { NO_NETWORK, planNetwork, type RoutingNode, serviceRoute, type WantedNetwork } from './plan.ts';

const TIMEOUT_MS = 10_000;
/** One process: all links with addresses, our routes, tunnels, and neighbours told by hand. */
const LOOK = [
  'addr show up',
  `route show table main proto ${ROUTE_PROTOCOL}`,
  'link show type vxlan',
  'neigh show nud permanent',
];

/** What one look and its changes came to. */
export interface RoutesOutcome {
  readonly wanted: WantedNetwork;
  /** How many commands it took; 0: all was as wanted. */
  readonly changed: number;
}

/** Keeps the routes to other nodes in the kernel as planned. Two calls at once are the caller's mistake. */
export class NodeRoutes {
  readonly #self: RoutingNode;
  readonly #folder: string;

  /** `runDir` as in `NodePlace`. */
  constructor(self: RoutingNode, runDir: string) {
    this.#self = self;
    this.#folder = join(runDir, 'network');
  }

  /** Looks, plans from `nodes` (undefined: no routes at all), and changes what differs. Throws `NetworkError`. */
  async sync(nodes: readonly corev1.Node[] | undefined, signal?: AbortSignal): Promise<RoutesOutcome> {
    let { links, kernel } = await this.#look(signal);
    const readdressed = nodes !== undefined && (await this.#giveAddress(links, signal));
    if (readdressed) ({ links, kernel } = await this.#look(signal));
    const wanted = nodes === undefined ? NO_NETWORK : planNetwork(this.#self, nodes, links);
    const changes = changesTo(wanted, kernel, this.#self);
    await this.#apply(changes, signal);
    const underlay = underlayOf(links, this.#self.ips);
    if (nodes !== undefined && underlay !== undefined) writePodMtu(this.#folder, underlay.mtu);
    return { wanted, changed: Object.values(changes).flat().length + (readdressed ? 1 : 0) };
  }

  /** Removes everything that was ever made. Idempotent. */
  async remove(): Promise<void> {
    await this.sync(undefined);
  }

  async #look(signal?: AbortSignal): Promise<{ links: readonly LocalLink[]; kernel: KernelNetwork }> {
    const { stdout } = await this.#tool('ip', ['-j', '-4', '-d', '-batch', '-'], `${LOOK.join('\n')}\n`, signal);
    const [addresses = [], routes = [], vxlans = [], neighbours = []] = documents(stdout);
    const tunnels = vxlansOf(vxlans);
    const has = tunnels.some(({ name }) => name === this.#self.vxlan);
    const table = has
      ? await this.#tool('bridge', ['-j', 'fdb', 'show', 'dev', this.#self.vxlan], undefined, signal)
      : undefined;
    return {
      links: linksOf(addresses),
      kernel: {
        routes: routesOf(routes, String(ROUTE_PROTOCOL)),
        vxlans: tunnels,
        neighbours: neighboursOf(neighbours),
        forwarding: table === undefined ? [] : documents(table.stdout).flatMap(forwardingOf),
      },
    };
  }

  /** Gives the bridge our address when somebody took it away: every route of ours has it as its source. True: it was missing. */
  async #giveAddress(links: readonly LocalLink[], signal?: AbortSignal): Promise<boolean> {
    const { bridge, podCidr } = this.#self;
    const { gateway, prefix } = gatewayOf(podCidr);
    const has = links.some(
      ({ name, addresses }) => name === bridge && addresses.some((own) => own.address === gateway),
    );
    if (has || !existsSync(`/proc/sys/net/ipv4/conf/${bridge}`)) return false;
    const lines = [`addr replace ${gateway}/${prefix} dev ${bridge}`, `link set ${bridge} up`];
    await this.#tool('ip', ['-batch', '-'], `${lines.join('\n')}\n`, signal);
    return true;
  }

  /** Where to, before the way there: a route is there only once the frame has somewhere to go. */
  async #apply({ links, forwarding, routes, last }: NetworkChanges, signal?: AbortSignal): Promise<void> {
    // A line that fails does not keep the others from being tried.
    const steps = [
      ['ip', ['-force', '-batch', '-'], links],
      ['bridge', ['-force', '-batch', '-'], forwarding],
      ['ip', ['-force', '-batch', '-'], routes],
      ['ip', ['-batch', '-'], last],
    ] as const;
    const problems: unknown[] = [];
    for (const [program, args, lines] of steps) {
      if (lines.length === 0) continue;
      await this.#tool(program, args, `${lines.join('\n')}\n`, signal).catch((err: unknown) => problems.push(err));
    }
    if (problems.length > 0) throw problems[0];
  }

  async #tool(program: string, args: readonly string[], input?: string, signal?: AbortSignal) {
    try {
      return await run(program, args, {
        timeoutMs: TIMEOUT_MS,
        ...(input === undefined ? {} : { input }),
        ...(signal === undefined ? {} : { signal }),
      });
    } catch (err) {
      signal?.throwIfAborted();
      const missing = (err as Partial<ExecError>).code === 'MissingTool';
      const why = err instanceof Error ? err.message : String(err);
      const said = missing ? `${why} (iproute2)` : why;
      throw new NetworkError(missing ? 'MissingTool' : 'Failed', `Cannot route to the pods of other nodes: ${said}`, {
        cause: err,
      });
    }
  }
}

/** The command that routes services to the bridge, for `ip -batch`; may be run again. */
export function serviceRouteCommand(self: Pick<RoutingNode, 'serviceCidr' | 'bridge' | 'podCidr'>): string {
  return `route replace ${routeLine(serviceRoute(self))}`;
}
