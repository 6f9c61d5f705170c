/** A NetworkPolicy compiled: selectors read, defaults filled in, blocks and ports as ranges. Pure. */
import { integerOf } from '../../lib/int-or-string.ts';
import { type LabelRequirements, labelRequirements, matchesLabels } from '../../lib/selectors.ts';
import type { networkingv1 } from '../../proto/index.ts';
import type { PolicyPod } from './policy-pods.ts';
import { addressNumber, addressRange, isIn, merged, type NumberRange, without } from './ranges.ts';

/** Seen from the guarded pod. */
export type Direction = 'Ingress' | 'Egress';

type Labels = Readonly<Record<string, string>>;

/** Labels of the namespaces that are known. */
export type NamespaceLabels = ReadonlyMap<string, Labels | undefined>;

/** Pods by labels, in namespaces by labels or in one by its name. */
export interface PodsBySelector {
  readonly namespaces: LabelRequirements | string;
  readonly pods: LabelRequirements;
}

/** Who is on the other side. */
export interface Peers {
  readonly anyone: boolean;
  readonly pods: readonly PodsBySelector[];
  readonly addresses: readonly NumberRange[];
}

/** Ports of one transport. */
export interface ProtocolPorts {
  readonly protocol: string;
  readonly all: boolean;
  readonly numbers: readonly NumberRange[];
  readonly names: readonly string[];
}

/** What one rule allows. */
export interface CompiledRule {
  readonly peers: Peers;
  /** Undefined: every port, and what has no ports. */
  readonly ports: readonly ProtocolPorts[] | undefined;
}

/** See the top of the file. */
export interface CompiledPolicy {
  readonly namespace: string;
  readonly name: string;
  readonly guards: LabelRequirements;
  /** The rules of each direction that is restricted. */
  readonly directions: ReadonlyMap<Direction, readonly CompiledRule[]>;
}

/** Compiles a policy. */
export function compilePolicy({ metadata, spec = {} }: networkingv1.NetworkPolicy): CompiledPolicy {
  const { namespace = '', name = '' } = metadata ?? {};
  const { policyTypes = [], ingress = [], egress = [] } = spec;
  const types = policyTypes.length > 0 ? policyTypes : egress.length > 0 ? ['Ingress', 'Egress'] : ['Ingress'];
  const directions = new Map<Direction, readonly CompiledRule[]>();
  if (types.includes('Ingress')) {
    const rules = ingress.map(({ from, ports }) => compileRule(namespace, from, ports));
    directions.set('Ingress', rules);
  }
  if (types.includes('Egress')) {
    const rules = egress.map(({ to, ports }) => compileRule(namespace, to, ports));
    directions.set('Egress', rules);
  }
  return { namespace, name, guards: labelRequirements(spec.podSelector) ?? [], directions };
}

function compileRule(
  namespace: string,
  peers: readonly networkingv1.NetworkPolicyPeer[] = [],
  ports: readonly networkingv1.NetworkPolicyPort[] = [],
): CompiledRule {
  return { peers: compilePeers(namespace, peers), ports: ports.length === 0 ? undefined : compilePorts(ports) };
}

function compilePeers(namespace: string, peers: readonly networkingv1.NetworkPolicyPeer[]): Peers {
  const pods: PodsBySelector[] = [];
  const addresses: NumberRange[] = [];
  for (const { ipBlock, podSelector, namespaceSelector } of peers) {
    if (ipBlock !== undefined) {
      const range = addressRange(ipBlock.cidr ?? '');
      const holes = (ipBlock.except ?? []).flatMap((cidr) => addressRange(cidr) ?? []);
      if (range !== undefined) addresses.push(...without(range, holes));
    } else if (podSelector !== undefined || namespaceSelector !== undefined) {
      const namespaces = labelRequirements(namespaceSelector) ?? namespace;
      pods.push({ namespaces, pods: labelRequirements(podSelector) ?? [] });
    }
  }
  return { anyone: peers.length === 0, pods, addresses: merged(addresses) };
}

function compilePorts(ports: readonly networkingv1.NetworkPolicyPort[]): readonly ProtocolPorts[] {
  return [...byProtocol(ports)].map(([protocol, own]) => {
    const numbers: NumberRange[] = [];
    const names = new Set<string>();
    let all = false;
    for (const { port, endPort } of own) {
      const first = integerOf(port);
      if (port === undefined) all = true;
      else if (first === undefined) names.add(port);
      else numbers.push({ first, last: Math.max(first, endPort ?? first) });
    }
    return { protocol, all, numbers: merged(numbers), names: [...names].sort() };
  });
}

function byProtocol(ports: readonly networkingv1.NetworkPolicyPort[]): Map<string, networkingv1.NetworkPolicyPort[]> {
  const out = new Map<string, networkingv1.NetworkPolicyPort[]>();
  for (const port of ports) {
    const protocol = port.protocol ?? 'TCP';
    out.set(protocol, [...(out.get(protocol) ?? []), port]);
  }
  return out;
}

/** Whether a pod is meant by one of the selectors. */
export function isSelected(pod: PolicyPod, selectors: readonly PodsBySelector[], namespaces: NamespaceLabels): boolean {
  return selectors.some(
    (selector) => selectsNamespace(selector, pod.namespace, namespaces) && matchesLabels(selector.pods, pod.labels),
  );
}

/** Whether a pod is among the peers, by labels or by address. */
export function isPeer(pod: PolicyPod, peers: Peers, namespaces: NamespaceLabels): boolean {
  return peers.anyone || isSelected(pod, peers.pods, namespaces) || isIn(peers.addresses, addressNumber(pod.ip));
}

/** A namespace that is not known yet matches only who asks for no label. */
function selectsNamespace({ namespaces: wanted }: PodsBySelector, namespace: string, known: NamespaceLabels): boolean {
  if (typeof wanted === 'string') return wanted === namespace;
  if (wanted.length === 0) return true;
  return known.has(namespace) && matchesLabels(wanted, known.get(namespace));
}
