/** Which way the pods of each other node are reached. Pure. */
import { canonicalCidr, contains, ipv4Number, ipv4Range, overlap } from '../../../lib/ipv4-range.ts';
import type { corev1 } from '../../../proto/index.ts';
import { gatewayOf } from '../pod-cidr.ts';
import { type LocalLink, underlayOf } from './links.ts';

/** Outer Ethernet, IP, UDP and VXLAN headers. */
export const VXLAN_OVERHEAD_BYTES = 50;
/** A length that every link has, where the underlay's is not known. */
const DEFAULT_MTU = 1500;

/** This node, as far as routes depend on it. */
export interface RoutingNode {
  readonly name: string;
  readonly ips: readonly string[];
  readonly podCidr: string;
  readonly clusterCidr: string;
  readonly serviceCidr: string;
  readonly bridge: string;
  /** Name of the VXLAN device. */
  readonly vxlan: string;
}

/** A route that there is to be. */
export interface WantedRoute {
  readonly dst: string;
  readonly dev: string;
  readonly gateway: string | undefined;
  readonly onlink: boolean;
  readonly src: string | undefined;
}

/** A node reached through the tunnel. */
export interface TunnelPeer {
  readonly address: string;
  /** The first address of its range, which its end of the tunnel answers for. */
  readonly gateway: string;
  readonly mac: string;
}

/** The VXLAN device that there is to be. */
export interface WantedVxlan {
  readonly name: string;
  readonly mac: string;
  readonly mtu: number;
  readonly local: string | undefined;
  readonly peers: readonly TunnelPeer[];
}

/** How one other node is reached. */
export interface PeerPath {
  readonly node: string;
  /** The node's own address in its pod range. */
  readonly gateway: string;
  readonly address: string;
  readonly by: 'route' | 'VXLAN';
}

/** Everything of ours that there is to be. */
export interface WantedNetwork {
  readonly routes: readonly WantedRoute[];
  /** Undefined: none. */
  readonly vxlan: WantedVxlan | undefined;
  readonly paths: readonly PeerPath[];
  /** Nodes that no way leads to, with the reason. */
  readonly left: readonly { readonly node: string; readonly why: string }[];
}

/** Nothing: what a node has whose pods another network wires. */
export const NO_NETWORK: WantedNetwork = { routes: [], vxlan: undefined, paths: [], left: [] };

/**
 * A plain route for a node whose address is on a segment that this node is on too, the tunnel for every other. Needs no
 * knowledge that nodes would have to publish: the hardware address of a tunnel's end follows from the node's pod range.
 */
export function planNetwork(
  self: RoutingNode,
  nodes: readonly corev1.Node[],
  links: readonly LocalLink[],
): WantedNetwork {
  const ours = [self.bridge, self.vxlan];
  const outside = links.filter(({ name, loopback }) => !loopback && !ours.includes(name));
  const own = gatewayOf(self.podCidr).gateway;
  const bridge = links.find(({ name }) => name === self.bridge);
  const src = bridge?.addresses.some(({ address }) => address === own) === true ? own : undefined;
  const routes: WantedRoute[] = [];
  if (bridge !== undefined) routes.push({ ...serviceRoute(self), src });
  const paths: PeerPath[] = [];
  const peers: TunnelPeer[] = [];
  const left: { node: string; why: string }[] = [];
  const taken = [self.podCidr];
  for (const node of nodes.toSorted((a, b) => compare(nameOf(a), nameOf(b)))) {
    const name = nameOf(node);
    if (name === self.name) continue;
    const found = peerOf(self, node, taken);
    if (typeof found === 'string') {
      left.push({ node: name, why: found });
      continue;
    }
    const { dst, addresses } = found;
    taken.push(dst);
    const { gateway } = gatewayOf(dst);
    const near = addresses.flatMap((address) => {
      const dev = segmentOf(outside, address);
      return dev === undefined ? [] : [{ address, dev }];
    })[0];
    if (near !== undefined) {
      routes.push({ dst, dev: near.dev, gateway: near.address, onlink: false, src });
      paths.push({ node: name, gateway, address: near.address, by: 'route' });
      continue;
    }
    const address = addresses[0] ?? '';
    routes.push({ dst, dev: self.vxlan, gateway, onlink: true, src });
    peers.push({ address, gateway, mac: tunnelMac(gateway) });
    paths.push({ node: name, gateway, address, by: 'VXLAN' });
  }
  return { routes, vxlan: peers.length === 0 ? undefined : tunnelOf(self, outside, peers), paths, left };
}

/** Name of the VXLAN device of a node whose links begin with `linkPrefix`. */
export function tunnelName(linkPrefix: string): string {
  return `${linkPrefix}vx`;
}

/** Services are reached by way of the pod bridge: only then are they translated, from an address that pods can answer. */
export function serviceRoute({
  serviceCidr,
  bridge,
  podCidr,
}: Pick<RoutingNode, 'serviceCidr' | 'bridge' | 'podCidr'>): WantedRoute {
  const dst = canonicalCidr(serviceCidr) ?? serviceCidr;
  return { dst, dev: bridge, gateway: undefined, onlink: false, src: gatewayOf(podCidr).gateway };
}

/** The hardware address of a node's end of the tunnel. */
export function tunnelMac(gateway: string): string {
  return ['0a', '53', ...gateway.split('.').map((part) => Number(part).toString(16).padStart(2, '0'))].join(':');
}

function tunnelOf(self: RoutingNode, links: readonly LocalLink[], peers: readonly TunnelPeer[]): WantedVxlan {
  const underlay = underlayOf(links, self.ips);
  const local = underlay?.addresses.find(({ address }) => self.ips.includes(address))?.address;
  return {
    name: self.vxlan,
    mac: tunnelMac(gatewayOf(self.podCidr).gateway),
    mtu: (underlay?.mtu ?? DEFAULT_MTU) - VXLAN_OVERHEAD_BYTES,
    local,
    peers,
  };
}

/** Range and addresses of another node, or why there is no way to it. */
function peerOf(
  self: RoutingNode,
  node: corev1.Node,
  taken: readonly string[],
): { readonly dst: string; readonly addresses: readonly string[] } | string {
  const cidr = node.spec?.podCIDR ?? '';
  if (cidr === '') return 'it has no pod range yet';
  const dst = canonicalCidr(cidr);
  const range = ipv4Range(cidr);
  const cluster = ipv4Range(self.clusterCidr);
  if (dst === undefined || range === undefined) return `its pod range ${cidr} is not of IPv4`;
  if (cluster === undefined || !contains(cluster, range))
    return `its pod range ${cidr} is not inside ${self.clusterCidr}`;
  if (range.last - range.first < 3) return `its pod range ${cidr} is too small`;
  const other = taken.find((text) => {
    const span = ipv4Range(text);
    return span !== undefined && overlap(span, range);
  });
  if (other !== undefined) return `its pod range ${cidr} overlaps ${other}`;
  const addresses = (node.status?.addresses ?? []).flatMap(({ type, address = '' }) =>
    type === 'InternalIP' && ipv4Range(address) !== undefined && !address.includes('/') ? [address] : [],
  );
  if (addresses.length === 0) return 'it has no InternalIP of IPv4 yet';
  if (addresses.some((address) => self.ips.includes(address))) return `it says it has our own address ${addresses[0]}`;
  return { dst, addresses };
}

/** The link on whose segment an address is. */
function segmentOf(links: readonly LocalLink[], address: string): string | undefined {
  const at = ipv4Number(address);
  const near = links
    .filter(({ isSegment }) => isSegment)
    .flatMap(({ name, addresses }) => addresses.map((own) => ({ name, ...own })))
    .filter(
      (own) =>
        own.prefix < 32 && contains(ipv4Range(`${own.address}/${own.prefix}`) ?? NOWHERE, { first: at, last: at }),
    );
  // The narrowest: where the kernel would send it.
  return near.toSorted((a, b) => b.prefix - a.prefix)[0]?.name;
}

const NOWHERE = { first: 1, last: 0 };

function nameOf(node: corev1.Node): string {
  return node.metadata?.name ?? '';
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
