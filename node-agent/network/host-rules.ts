/**
 * The node's own part of the table of rules: host ports, masquerading, and the guard of the loopback. Its names begin with `node_`.
 *
 *   node_raw          from the bridge to 127.0.0.0/8: dropped (route_localnet, needed below, would let pods in)
 *   node_prerouting   ┐ to an address of this node: translated by the host port maps, unless a service took it before
 *   node_output       ┘
 *   node_postrouting  leaving the cluster's range: masqueraded; a pod reaching itself through the node, or the node's own
 *                     loopback reaching a pod: masqueraded, or the answer would not come back this way
 */
import type { Elements, RuleTable } from '../rules/rule-table.ts';
import type { PodAttachment } from './pod-network.ts';

/** What the node's rules depend on. */
export interface HostRulesOptions {
  readonly bridge: string;
  /** The pod range of this node, and of the whole cluster (no masquerading inside it). */
  readonly podCidr: string;
  readonly clusterCidr: string;
  /**
   * Whether answers between two pods on the bridge pass the kernel's translation (bridge-nf-call-iptables). Where they do not, all
   * that was translated between pods of this node has to come back through the node.
   */
  readonly bridgeFiltered: boolean;
}

/** One entry of a map: `key : data`, in nft's own words. */
export interface MapElement {
  readonly map: 'node_hostports' | 'node_hostports_ip';
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
      const map = any ? 'node_hostports' : 'node_hostports_ip';
      const key = any ? suffix : `${port.hostIP} . ${suffix}`;
      const name = `${map} ${key}`;
      if (!elements.has(name)) {
        elements.set(name, { map, key, data: `${podIp} . ${port.containerPort}` });
      }
    }
  }
  return [...elements.values()].sort((a, b) => (`${a.map} ${a.key}` < `${b.map} ${b.key}` ? -1 : 1));
}

/** The rules of the node's chains by name. Pure. */
export function hostChains(options: HostRulesOptions): Readonly<Record<HostChain, readonly string[]>> {
  const { bridge, podCidr, clusterCidr, bridgeFiltered } = options;
  const toThisNode = ['fib daddr type local meta l4proto { tcp, udp, sctp } jump node_translate'];
  return {
    node_translate: [
      'dnat ip to ip daddr . meta l4proto . th dport map @node_hostports_ip',
      'dnat ip to meta l4proto . th dport map @node_hostports',
    ],
    node_raw: [`iifname "${bridge}" ip daddr 127.0.0.0/8 drop`],
    node_prerouting: toThisNode,
    node_output: toThisNode,
    node_postrouting: [
      `oifname "${bridge}" ip saddr 127.0.0.0/8 masquerade`,
      bridgeFiltered
        ? `oifname "${bridge}" ct status dnat ip saddr . ip daddr @node_hairpin masquerade`
        : `oifname "${bridge}" ip saddr ${podCidr} ct status dnat masquerade`,
      `oifname != "${bridge}" ip saddr ${podCidr} ip daddr != ${clusterCidr} masquerade`,
    ],
  };
}

/** Chains of the node's part. */
export type HostChain = 'node_translate' | 'node_raw' | 'node_prerouting' | 'node_output' | 'node_postrouting';

const HOOKS = {
  node_translate: undefined,
  node_raw: { type: 'filter', hook: 'prerouting', priority: 'raw' },
  node_prerouting: { type: 'nat', hook: 'prerouting', priority: 'dstnat + 5' },
  node_output: { type: 'nat', hook: 'output', priority: '-95' },
  node_postrouting: { type: 'nat', hook: 'postrouting', priority: 'srcnat' },
} as const;

/** Puts the node's part into a table and keeps its host ports. Nothing is in force before the table's commit. */
export class HostRules {
  readonly #table: RuleTable;

  constructor(table: RuleTable) {
    this.#table = table;
  }

  /** Declares everything, with the host ports of these pods. */
  declare(options: HostRulesOptions, attachments: readonly PodAttachment[]): void {
    this.setPods(attachments);
    const rules = hostChains(options);
    for (const [name, hook] of Object.entries(HOOKS)) this.#table.chain(name, rules[name as HostChain], hook);
  }

  /** The host ports of these pods and no others. */
  setPods(attachments: readonly PodAttachment[]): void {
    const elements = hostPortElements(attachments);
    const ofMap = (map: MapElement['map']): Map<string, string> =>
      new Map(elements.filter((element) => element.map === map).map(({ key, data }) => [key, data]));
    const hairpins = elements.map(({ data }) => data.split(' . ')[0] ?? '');
    const ports = 'type inet_proto . inet_service : ipv4_addr . inet_service';
    const portsOfAddress = 'type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service';
    replace(this.#table.map('node_hostports', { type: ports }), ofMap('node_hostports'));
    replace(this.#table.map('node_hostports_ip', { type: portsOfAddress }), ofMap('node_hostports_ip'));
    replace(
      this.#table.set('node_hairpin', { type: 'type ipv4_addr . ipv4_addr' }),
      new Map(hairpins.map((ip) => [`${ip} . ${ip}`, ''])),
    );
  }
}

function replace(elements: Elements, wanted: ReadonlyMap<string, string>): void {
  for (const key of [...elements.keys()]) if (!wanted.has(key)) elements.delete(key);
  for (const [key, data] of wanted) elements.put(key, data);
}
