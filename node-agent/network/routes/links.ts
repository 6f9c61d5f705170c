/** What `ip -j` says of this machine, as far as the pod network asks. Pure. */

/** A link that has an address of IPv4. */
export interface LocalLink {
  readonly name: string;
  readonly mtu: number;
  readonly loopback: boolean;
  /** Frames reach every neighbour as they are: neither a tunnel nor a wire between two. */
  readonly isSegment: boolean;
  readonly addresses: readonly { readonly address: string; readonly prefix: number }[];
}

/** A route of the main table. */
export interface LocalRoute {
  /** `unicast`, `unreachable`, … */
  readonly type: string;
  /** `10.42.1.0/24`, or `default`. */
  readonly dst: string;
  readonly dev: string | undefined;
  readonly gateway: string | undefined;
  readonly protocol: string;
  readonly scope: string;
  readonly src: string | undefined;
  readonly onlink: boolean;
  readonly metric: number;
}

/** A VXLAN device. */
export interface LocalVxlan {
  readonly name: string;
  readonly mac: string;
  readonly mtu: number;
  readonly up: boolean;
  readonly id: number;
  readonly port: number;
  readonly local: string | undefined;
  readonly learning: boolean;
}

/** A neighbour told by hand. */
export interface LocalNeighbour {
  readonly dst: string;
  readonly dev: string;
  readonly mac: string;
}

/** An entry of a VXLAN device's forwarding table. */
export interface ForwardingEntry {
  readonly mac: string;
  readonly dst: string;
}

type Json = Readonly<Record<string, unknown>>;

/** The documents that several commands of one `ip -j -batch` print one after another. */
export function documents(stdout: string): readonly (readonly Json[])[] {
  return stdout
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => JSON.parse(line) as readonly Json[]);
}

/** Of `ip -j -4 addr show`. */
export function linksOf(entries: readonly Json[]): readonly LocalLink[] {
  return entries.flatMap((entry) => {
    const name = text(entry.ifname);
    const flags = flagsOf(entry);
    const info = Array.isArray(entry.addr_info) ? (entry.addr_info as readonly Json[]) : [];
    const addresses = info.flatMap(({ family, local, prefixlen }) =>
      family === 'inet' && typeof local === 'string' ? [{ address: local, prefix: Number(prefixlen) }] : [],
    );
    if (name === undefined || addresses.length === 0) return [];
    const isSegment = ['BROADCAST', 'UP'].every((flag) => flags.includes(flag)) && !flags.includes('NOARP');
    return [{ name, mtu: Number(entry.mtu), loopback: flags.includes('LOOPBACK'), isSegment, addresses }];
  });
}

/** Of `ip -j -4 -d route show`, which leaves out the protocol that it was asked for: then `protocol`. */
export function routesOf(entries: readonly Json[], protocol = ''): readonly LocalRoute[] {
  return entries.flatMap((entry) => {
    const dst = text(entry.dst);
    if (dst === undefined) return [];
    return [
      {
        type: text(entry.type) ?? 'unicast',
        dst,
        dev: text(entry.dev),
        gateway: text(entry.gateway),
        protocol: text(entry.protocol) ?? protocol,
        scope: text(entry.scope) ?? 'global',
        src: text(entry.prefsrc),
        onlink: flagsOf(entry).includes('onlink'),
        metric: Number(entry.metric ?? 0),
      },
    ];
  });
}

/** Of `ip -j -d link show type vxlan`. */
export function vxlansOf(entries: readonly Json[]): readonly LocalVxlan[] {
  return entries.flatMap((entry) => {
    const name = text(entry.ifname);
    const data = (entry.linkinfo as Json | undefined)?.info_data as Json | undefined;
    if (name === undefined || data === undefined) return [];
    return [
      {
        name,
        mac: text(entry.address) ?? '',
        mtu: Number(entry.mtu),
        up: flagsOf(entry).includes('UP'),
        id: Number(data.id),
        port: Number(data.port),
        local: text(data.local),
        learning: data.learning === true,
      },
    ];
  });
}

/** Of `ip -j neigh show nud permanent`. */
export function neighboursOf(entries: readonly Json[]): readonly LocalNeighbour[] {
  return entries.flatMap(({ dst, dev, lladdr }) =>
    typeof dst === 'string' && typeof dev === 'string' ? [{ dst, dev, mac: text(lladdr) ?? '' }] : [],
  );
}

/** Of `bridge -j fdb show dev …`. */
export function forwardingOf(entries: readonly Json[]): readonly ForwardingEntry[] {
  return entries.flatMap(({ mac, dst }) => (typeof mac === 'string' && typeof dst === 'string' ? [{ mac, dst }] : []));
}

/** The link over which this node talks to the others: the one that has its address. */
export function underlayOf(links: readonly LocalLink[], ips: readonly string[]): LocalLink | undefined {
  return links.find(({ loopback, addresses }) => !loopback && addresses.some(({ address }) => ips.includes(address)));
}

function flagsOf(entry: Json): readonly string[] {
  return Array.isArray(entry.flags) ? (entry.flags as readonly string[]) : [];
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}
