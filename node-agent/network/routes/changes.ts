/** From what the kernel has to what there is to be: the commands of iproute2. Pure. */
import { contains, ipv4Range } from '../../../lib/ipv4-range.ts';
import type { ForwardingEntry, LocalNeighbour, LocalRoute, LocalVxlan } from './links.ts';
import type { RoutingNode, WantedNetwork, WantedRoute, WantedVxlan } from './plan.ts';

/** Marks our routes: a number that iproute2's own list of protocols leaves free. */
export const ROUTE_PROTOCOL = 83;
/** Of our VXLAN segment. */
export const VXLAN_ID = 83;
/** The port that IANA gave VXLAN. */
export const VXLAN_PORT = 4789;

/** What the kernel has that may be ours. */
export interface KernelNetwork {
  readonly routes: readonly LocalRoute[];
  readonly vxlans: readonly LocalVxlan[];
  readonly neighbours: readonly LocalNeighbour[];
  readonly forwarding: readonly ForwardingEntry[];
}

/** Lines for `ip -batch` and `bridge -batch`, to be run in this order. Empty when all is as wanted. */
export interface NetworkChanges {
  readonly links: readonly string[];
  readonly forwarding: readonly string[];
  readonly routes: readonly string[];
  /** A tunnel that nothing needs goes once routes lead elsewhere. */
  readonly last: readonly string[];
}

/** The smallest change. Touches nothing that is not ours: routes of another protocol, links of another name or kind. */
export function changesTo(wanted: WantedNetwork, kernel: KernelNetwork, self: RoutingNode): NetworkChanges {
  const had = kernel.vxlans.find(({ name }) => name === self.vxlan);
  const { vxlan } = wanted;
  const fresh = vxlan !== undefined && (had === undefined || !isSameTunnel(vxlan, had));
  const links: string[] = [];
  if (had !== undefined && fresh) links.push(`link del ${self.vxlan}`);
  if (vxlan !== undefined && fresh) links.push(...makeTunnel(vxlan));
  if (vxlan !== undefined && !fresh && had !== undefined) {
    if (had.mtu !== vxlan.mtu) links.push(`link set ${vxlan.name} mtu ${vxlan.mtu}`);
    if (!had.up) links.push(`link set ${vxlan.name} up`);
  }
  // Whatever hung on a device that goes has gone with it.
  const gone = had !== undefined && fresh;
  const onTunnel = kernel.neighbours.filter(({ dev }) => dev === self.vxlan && !gone);
  const routes = kernel.routes.filter((route) => isOurs(route, self) && !(gone && route.dev === self.vxlan));
  return {
    links,
    forwarding: forwardingChanges(vxlan, gone ? [] : kernel.forwarding),
    routes: [...neighbourChanges(vxlan, onTunnel), ...routeChanges(wanted.routes, routes)],
    last: had !== undefined && vxlan === undefined ? [`link del ${self.vxlan}`] : [],
  };
}

/** Whether a route is one that we made. */
export function isOurs(
  { protocol, dst, dev }: LocalRoute,
  self: Pick<RoutingNode, 'bridge' | 'vxlan' | 'clusterCidr'>,
): boolean {
  if (protocol !== String(ROUTE_PROTOCOL)) return false;
  if (dev === self.bridge || dev === self.vxlan) return true;
  const [cluster, range] = [ipv4Range(self.clusterCidr), ipv4Range(dst)];
  return cluster !== undefined && range !== undefined && contains(cluster, range);
}

/** One route as iproute2 takes it, without the verb. */
export function routeLine({ dst, dev, gateway, onlink, src }: WantedRoute): string {
  const via = gateway === undefined ? '' : ` via ${gateway}`;
  return `${dst}${via} dev ${dev}${onlink ? ' onlink' : ''} proto ${ROUTE_PROTOCOL}${src === undefined ? '' : ` src ${src}`}`;
}

function isSameTunnel(wanted: WantedVxlan, had: LocalVxlan): boolean {
  return (
    had.mac === wanted.mac &&
    had.id === VXLAN_ID &&
    had.port === VXLAN_PORT &&
    had.local === wanted.local &&
    !had.learning
  );
}

function makeTunnel({ name, mac, mtu, local }: WantedVxlan): string[] {
  const from = local === undefined ? '' : ` local ${local}`;
  return [
    `link add ${name} address ${mac} mtu ${mtu} type vxlan id ${VXLAN_ID} dstport ${VXLAN_PORT}${from} nolearning`,
    // No address of IPv6: nothing may be sent there that is not for a node.
    `link set ${name} addrgenmode none`,
    `link set ${name} up`,
  ];
}

function forwardingChanges(wanted: WantedVxlan | undefined, had: readonly ForwardingEntry[]): string[] {
  if (wanted === undefined) return [];
  const dev = `dev ${wanted.name}`;
  const stale = had.filter(({ mac, dst }) => !wanted.peers.some((peer) => peer.mac === mac && peer.address === dst));
  const missing = wanted.peers.filter((peer) => !had.some(({ mac, dst }) => peer.mac === mac && peer.address === dst));
  return [
    ...stale.map(({ mac, dst }) => `fdb del ${mac} ${dev} dst ${dst} self`),
    ...missing.map(({ mac, address }) => `fdb append ${mac} ${dev} dst ${address} self permanent`),
  ];
}

function neighbourChanges(wanted: WantedVxlan | undefined, had: readonly LocalNeighbour[]): string[] {
  if (wanted === undefined) return [];
  const { name, peers } = wanted;
  const stale = had.filter(({ dst }) => !peers.some(({ gateway }) => gateway === dst));
  const missing = peers.filter((peer) => !had.some(({ dst, mac }) => dst === peer.gateway && mac === peer.mac));
  return [
    ...stale.map(({ dst }) => `neigh del ${dst} dev ${name}`),
    ...missing.map(({ gateway, mac }) => `neigh replace ${gateway} lladdr ${mac} dev ${name} nud permanent`),
  ];
}

function routeChanges(wanted: readonly WantedRoute[], had: readonly LocalRoute[]): string[] {
  const stale = had.filter(({ dst }) => !wanted.some((route) => route.dst === dst));
  const lines = stale.map(
    ({ dst, dev }) => `route del ${dst}${dev === undefined ? '' : ` dev ${dev}`} proto ${ROUTE_PROTOCOL}`,
  );
  for (const route of wanted) {
    const present = had.filter(({ dst }) => dst === route.dst);
    if (present.length === 0) lines.push(`route add ${routeLine(route)}`);
    else if (!present.some((other) => isSameRoute(route, other))) lines.push(`route replace ${routeLine(route)}`);
  }
  return lines;
}

function isSameRoute(wanted: WantedRoute, had: LocalRoute): boolean {
  return (
    had.type === 'unicast' &&
    had.dev === wanted.dev &&
    had.gateway === wanted.gateway &&
    had.src === wanted.src &&
    had.onlink === wanted.onlink
  );
}
