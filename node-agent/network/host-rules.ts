import type { PodAttachment } from './pod-network.ts';

/** What the node's rules depend on. */
export interface HostRulesOptions {
  /** Name of our nftables table. */
  readonly table: string;
  readonly bridge: string;
  /** The pod range of this node, and of the whole cluster (no masquerading inside it). */
  readonly podCidr: string;
  readonly clusterCidr: string;
}

/** One entry of a map: `key : data`, in nft's own words. */
export interface MapElement {
  readonly map: 'hostports' | 'hostports_ip';
  readonly key: string;
  readonly data: string;
}

/** The host ports of all attached pods as map entries, sorted. The first pod by uid wins a port that two ask for. Pure. */
export function hostPortElements(attachments: readonly PodAttachment[]): readonly MapElement[] {
  const elements = new Map<string, MapElement>();
  for (const pod of attachments.toSorted((a, b) => (a.podUid < b.podUid ? -1 : 1))) {
    const podIp = pod.ips.find((ip) => !ip.includes(':'));
    if (podIp === undefined) {
      continue;
    }
    for (const port of pod.hostPorts) {
      const any = port.hostIP === undefined || port.hostIP === '' || port.hostIP === '0.0.0.0';
      const suffix = `${port.protocol.toLowerCase()} . ${port.hostPort}`;
      const map = any ? 'hostports' : 'hostports_ip';
      const key = any ? suffix : `${port.hostIP} . ${suffix}`;
      const name = `${map} ${key}`;
      if (!elements.has(name)) {
        elements.set(name, { map, key, data: `${podIp} . ${port.containerPort}` });
      }
    }
  }
  return [...elements.values()].sort((a, b) => (`${a.map} ${a.key}` < `${b.map} ${b.key}` ? -1 : 1));
}

/**
 * The whole table as one `nft -f -` transaction that replaces whatever was there. Pure.
 *
 *   raw_in       from the bridge to 127.0.0.0/8: dropped (route_localnet, needed below, would let pods in)
 *   prerouting   ┐ to an address of this node: translated by the host port maps
 *   output       ┘
 *   postrouting  leaving the cluster's range: masqueraded; a pod reaching itself through the node, or the node's own
 *                loopback reaching a pod: masqueraded, or the answer would not come back this way
 */
export function fullTable(options: HostRulesOptions, elements: readonly MapElement[]): string {
  const { table, bridge, podCidr, clusterCidr } = options;
  const inMap = (map: MapElement['map']): string => {
    const own = elements.filter((element) => element.map === map);
    return own.length === 0 ? '' : `    elements = { ${own.map((e) => `${e.key} : ${e.data}`).join(', ')} }\n`;
  };
  return `add table ip ${table}
delete table ip ${table}
table ip ${table} {
  map hostports {
    type inet_proto . inet_service : ipv4_addr . inet_service
${inMap('hostports')}  }
  map hostports_ip {
    type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service
${inMap('hostports_ip')}  }
  chain raw_in {
    type filter hook prerouting priority raw; policy accept;
    iifname "${bridge}" ip daddr 127.0.0.0/8 drop
  }
  chain translate {
    dnat ip addr . port to ip daddr . meta l4proto . th dport map @hostports_ip
    dnat ip addr . port to meta l4proto . th dport map @hostports
  }
  chain prerouting {
    type nat hook prerouting priority dstnat; policy accept;
    fib daddr type local meta l4proto { tcp, udp, sctp } jump translate
  }
  chain output {
    type nat hook output priority -100; policy accept;
    fib daddr type local meta l4proto { tcp, udp, sctp } jump translate
  }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    oifname "${bridge}" ip saddr 127.0.0.0/8 masquerade
    oifname "${bridge}" ip saddr ${podCidr} ct status dnat masquerade
    oifname != "${bridge}" ip saddr ${podCidr} ip daddr != ${clusterCidr} masquerade
  }
}
`;
}

/** The smallest transaction from one set of entries to another; empty when they are equal. Pure. */
export function changeElements(table: string, from: readonly MapElement[], to: readonly MapElement[]): string {
  const had = new Map(from.map((element) => [`${element.map} ${element.key}`, element]));
  const wanted = new Map(to.map((element) => [`${element.map} ${element.key}`, element]));
  const lines: string[] = [];
  for (const [name, element] of had) {
    if (wanted.get(name)?.data !== element.data) {
      lines.push(`delete element ip ${table} ${element.map} { ${element.key} }`);
    }
  }
  for (const [name, element] of wanted) {
    if (had.get(name)?.data !== element.data) {
      lines.push(`add element ip ${table} ${element.map} { ${element.key} : ${element.data} }`);
    }
  }
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`;
}
