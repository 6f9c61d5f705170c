/**
 * From policies, pods and namespaces to sets, maps and chains of the rule table. Pure. What is made, and in which order a packet
 * meets it, is in README.md.
 */
import { createHash } from 'node:crypto';
import { matchesLabels } from '../../lib/selectors.ts';
import type { ChainHook, ElementsType } from '../rules/rule-table.ts';
import type { PolicyPod } from './policy-pods.ts';
import {
  type CompiledPolicy,
  type CompiledRule,
  type Direction,
  isPeer,
  isSelected,
  type NamespaceLabels,
  type Peers,
  type ProtocolPorts,
} from './policy-rules.ts';
import { ALL_ADDRESSES, addressText, portText } from './ranges.ts';

/** All that a plan follows from. */
export interface PolicyState {
  readonly policies: readonly CompiledPolicy[];
  readonly namespaces: NamespaceLabels;
  readonly pods: readonly PolicyPod[];
}

/** A set (its data empty) or a map with its elements. */
export interface PlannedElements {
  readonly kind: 'set' | 'map';
  readonly type: ElementsType;
  readonly elements: ReadonlyMap<string, string>;
}

/** A chain with its rules. */
export interface PlannedChain {
  readonly rules: readonly string[];
  readonly hook?: ChainHook;
}

/** What is wanted in the table, by name. */
export interface PolicyPlan {
  readonly collections: ReadonlyMap<string, PlannedElements>;
  readonly chains: ReadonlyMap<string, PlannedChain>;
}

/** How the two directions differ in the words of nft. */
const WORDS = {
  // A pod's own word first: what it may not send is not asked about at the other end.
  Egress: { short: 'out', guarded: 'saddr', peer: 'daddr', priority: 'filter' },
  Ingress: { short: 'in', guarded: 'daddr', peer: 'saddr', priority: 'filter + 1' },
} as const;
const DIRECTIONS = ['Egress', 'Ingress'] as const;

/** Pairs of a guarded pod's address with itself: nobody keeps a pod from itself. */
const SELF = 'pol_self';
const VERDICTS: ElementsType = { type: 'type ipv4_addr : verdict' };
const ADDRESSES: ElementsType = { type: 'type ipv4_addr' };
const PAIRS: ElementsType = { type: 'type ipv4_addr . ipv4_addr' };
const ADDRESS_PORTS: ElementsType = { type: 'type ipv4_addr . inet_proto . inet_service' };
const READABLE_CHARS = 48;

/** See the top of the file. */
export function planPolicies(state: PolicyState): PolicyPlan {
  return new Planning(state).plan();
}

/** Whether a plan restricts any pod of this node. */
export function guardsAnyone({ collections }: PolicyPlan): boolean {
  return (collections.get(SELF)?.elements.size ?? 0) > 0;
}

class Planning {
  readonly #state: PolicyState;
  readonly #collections = new Map<string, PlannedElements & { readonly elements: Map<string, string> }>();
  readonly #chains = new Map<string, PlannedChain>();
  readonly #localByNamespace = new Map<string, PolicyPod[]>();

  constructor(state: PolicyState) {
    this.#state = state;
    for (const pod of state.pods) {
      if (!pod.local) continue;
      const others = this.#localByNamespace.get(pod.namespace);
      if (others === undefined) this.#localByNamespace.set(pod.namespace, [pod]);
      else others.push(pod);
    }
  }

  plan(): PolicyPlan {
    const self = this.#elements(SELF, 'set', PAIRS);
    for (const direction of DIRECTIONS) {
      const { short, guarded, priority } = WORDS[direction];
      const map = `pol_${short}_pods`;
      const verdicts = this.#elements(map, 'map', VERDICTS);
      for (const [pod, policies] of this.#guarded(direction)) {
        verdicts.set(pod.ip, `goto ${this.#anyOf(direction, policies)}`);
        self.set(`${pod.ip} . ${pod.ip}`, '');
      }
      const rules = [
        'ct state established,related accept',
        `ip saddr . ip daddr @${SELF} accept`,
        `ip ${guarded} vmap @${map}`,
      ];
      const hook: ChainHook = { type: 'filter', hook: 'forward', priority };
      this.#chains.set(`pol_${short}`, { rules: verdicts.size === 0 ? [] : rules, hook });
    }
    return { collections: this.#collections, chains: this.#chains };
  }

  /** Pods of this node that a policy restricts in a direction, each with the chains of all that do. */
  #guarded(direction: Direction): Map<PolicyPod, string[]> {
    const out = new Map<PolicyPod, string[]>();
    for (const policy of this.#state.policies) {
      const rules = policy.directions.get(direction);
      if (rules === undefined) continue;
      const local = this.#localByNamespace.get(policy.namespace) ?? [];
      const pods = local.filter(({ labels }) => matchesLabels(policy.guards, labels));
      if (pods.length === 0) continue;
      const chain = this.#allow(direction, policy, { rules, pods });
      for (const pod of pods) {
        const others = out.get(pod);
        if (others === undefined) out.set(pod, [chain]);
        else others.push(chain);
      }
    }
    return out;
  }

  /** The chain of pods with exactly these policies: whatever none of them allows is dropped. */
  #anyOf(direction: Direction, policies: readonly string[]): string {
    const sorted = policies.toSorted();
    const name = `pol_${WORDS[direction].short}_any_${digest(sorted)}`;
    if (!this.#chains.has(name)) this.#chains.set(name, { rules: [...sorted.map((chain) => `jump ${chain}`), 'drop'] });
    return name;
  }

  /** The chain of what one policy allows. */
  #allow(
    direction: Direction,
    { namespace, name }: CompiledPolicy,
    { rules, pods }: { readonly rules: readonly CompiledRule[]; readonly pods: readonly PolicyPod[] },
  ): string {
    const readable = `${namespace}_${name}`.replace(/[^a-zA-Z0-9]/g, '_').slice(0, READABLE_CHARS);
    const key = `${readable}_${digest([namespace, name])}`;
    const chain = `pol_${WORDS[direction].short}_${key}`;
    const lines = rules.flatMap((rule, index) => {
      const named = { set: `${chain}_${index}`, pods };
      return direction === 'Ingress' ? this.#ingress(rule, named) : this.#egress(rule, named);
    });
    this.#chains.set(chain, { rules: [...new Set(lines)] });
    return chain;
  }

  /** A named port is what the guarded pod calls so. */
  #ingress({ peers, ports }: CompiledRule, named: { set: string; pods: readonly PolicyPod[] }): string[] {
    const matches = this.#peerMatches('Ingress', peers);
    const portMatches = portMatchesOf(ports);
    const wanted = namesOf(ports);
    if (wanted.length > 0) {
      this.#addNamedPorts(named.set, wanted, named.pods);
      portMatches.push(`ip daddr . meta l4proto . th dport @${named.set}`);
    }
    return matches.flatMap((peer) => portMatches.map((port) => words(peer, port, 'accept')));
  }

  /** A named port is what the pod at the other end calls so, each its own. */
  #egress({ peers, ports }: CompiledRule, named: { set: string }): string[] {
    const matches = this.#peerMatches('Egress', peers);
    const lines = matches.flatMap((peer) => portMatchesOf(ports).map((port) => words(peer, port, 'accept')));
    const wanted = namesOf(ports);
    if (wanted.length > 0) {
      const { pods, namespaces } = this.#state;
      const others = pods.filter((pod) => isPeer(pod, peers, namespaces));
      this.#addNamedPorts(named.set, wanted, others);
      lines.push(`ip daddr . meta l4proto . th dport @${named.set} accept`);
    }
    return lines;
  }

  /** What a packet from or to one of the peers looks like; several ways, or none. */
  #peerMatches(direction: Direction, peers: Peers): string[] {
    const { peer } = WORDS[direction];
    const [block] = peers.addresses;
    if (peers.anyone || (block?.first === ALL_ADDRESSES.first && block.last === ALL_ADDRESSES.last)) return [''];
    const out: string[] = [];
    if (peers.pods.length > 0) out.push(`ip ${peer} @${this.#peerSet(peers)}`);
    if (peers.addresses.length > 0) out.push(`ip ${peer} ${anyOf(peers.addresses.map(addressText))}`);
    return out;
  }

  /** Addresses of the pods that some selectors mean. Rules with the same selectors share it. */
  #peerSet({ pods: selectors }: Peers): string {
    const name = `pol_peers_${digest(selectors.map((selector) => JSON.stringify(selector)).sort())}`;
    if (this.#collections.has(name)) return name;
    const elements = this.#elements(name, 'set', ADDRESSES);
    for (const pod of this.#state.pods) {
      if (isSelected(pod, selectors, this.#state.namespaces)) elements.set(pod.ip, '');
    }
    return name;
  }

  #addNamedPorts(set: string, wanted: readonly NamedPortOf[], pods: readonly PolicyPod[]): void {
    const elements = this.#elements(set, 'set', ADDRESS_PORTS);
    for (const { ip, namedPorts } of pods) {
      for (const { name, protocol, port } of namedPorts) {
        if (!wanted.some((one) => one.name === name && one.protocol === protocol)) continue;
        elements.set(`${ip} . ${protocol.toLowerCase()} . ${port}`, '');
      }
    }
  }

  #elements(name: string, kind: 'set' | 'map', type: ElementsType): Map<string, string> {
    const elements = new Map<string, string>();
    this.#collections.set(name, { kind, type, elements });
    return elements;
  }
}

interface NamedPortOf {
  readonly name: string;
  readonly protocol: string;
}

function namesOf(ports: readonly ProtocolPorts[] | undefined): NamedPortOf[] {
  return (ports ?? []).flatMap(({ protocol, all, names }) => (all ? [] : names.map((name) => ({ name, protocol }))));
}

/** What a packet to one of the numbered ports looks like; several ways, or none. */
function portMatchesOf(ports: readonly ProtocolPorts[] | undefined): string[] {
  if (ports === undefined) return [''];
  return ports.flatMap(({ protocol, all, numbers }) => {
    const transport = protocol.toLowerCase();
    if (all) return [`meta l4proto ${transport}`];
    return numbers.length === 0 ? [] : [`${transport} dport ${anyOf(numbers.map(portText))}`];
  });
}

function anyOf(texts: readonly string[]): string {
  return texts.length === 1 ? (texts[0] ?? '') : `{ ${texts.join(', ')} }`;
}

function words(...parts: readonly string[]): string {
  return parts.filter((part) => part !== '').join(' ');
}

function digest(parts: readonly string[]): string {
  return createHash('sha256').update(parts.join('\n')).digest('hex').slice(0, 12);
}
