/** A plan lets through what Kubernetes' words about policies allow, read one by one, and nothing else. */
import { BlockList, isIPv4 } from 'node:net';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { selectorMatches } from '../../lib/selectors.ts';
import type { networkingv1 } from '../../proto/index.ts';
import { type Packet, passes } from './packet-walk.ts';
import { type PolicyWorldState, packets, policyWorlds } from './policy-arbitrary.ts';
import { planPolicies } from './policy-plan.ts';
import { compilePolicy } from './policy-rules.ts';

interface Rule {
  readonly peers?: readonly networkingv1.NetworkPolicyPeer[] | undefined;
  readonly ports?: readonly networkingv1.NetworkPolicyPort[] | undefined;
}

/** Whether the packet may pass this node, by the words alone. */
function isAllowed(world: PolicyWorldState, packet: Packet): boolean {
  if (packet.saddr === packet.daddr) return true;
  return (
    allows(world, packet, { type: 'Egress', guarded: packet.saddr, other: packet.daddr }) &&
    allows(world, packet, { type: 'Ingress', guarded: packet.daddr, other: packet.saddr })
  );
}

function allows(
  world: PolicyWorldState,
  packet: Packet,
  { type, guarded, other }: { readonly type: string; readonly guarded: string; readonly other: string },
): boolean {
  const pod = world.pods.find(({ ip }) => ip === guarded);
  if (pod?.local !== true) return true;
  const own = world.policies.filter(
    ({ metadata, spec }) =>
      metadata?.namespace === pod.namespace &&
      selectorMatches(spec?.podSelector, pod.labels) &&
      typesOf(spec).includes(type),
  );
  if (own.length === 0) return true;
  return own.some(({ metadata, spec }) => {
    const rules: Rule[] =
      type === 'Ingress'
        ? (spec?.ingress ?? []).map(({ from, ports }) => ({ peers: from, ports }))
        : (spec?.egress ?? []).map(({ to, ports }) => ({ peers: to, ports }));
    return rules.some(
      ({ peers = [], ports = [] }) =>
        (peers.length === 0 || peers.some((peer) => isMeant(world, peer, other, metadata?.namespace ?? ''))) &&
        (ports.length === 0 || ports.some((port) => isPort(world, port, packet))),
    );
  });
}

function typesOf(spec: networkingv1.NetworkPolicySpec | undefined): readonly string[] {
  const { policyTypes = [], egress = [] } = spec ?? {};
  if (policyTypes.length > 0) return policyTypes;
  return egress.length > 0 ? ['Ingress', 'Egress'] : ['Ingress'];
}

function isMeant(world: PolicyWorldState, peer: networkingv1.NetworkPolicyPeer, ip: string, own: string): boolean {
  const { ipBlock, podSelector, namespaceSelector } = peer;
  if (ipBlock !== undefined) return holds(ipBlock.cidr ?? '', ip) && !(ipBlock.except ?? []).some((c) => holds(c, ip));
  const pod = world.pods.find((one) => one.ip === ip);
  if (pod === undefined) return false;
  const inNamespace =
    namespaceSelector === undefined
      ? pod.namespace === own
      : selectorMatches(namespaceSelector, world.namespaces.get(pod.namespace));
  return inNamespace && (podSelector === undefined || selectorMatches(podSelector, pod.labels));
}

function holds(cidr: string, ip: string): boolean {
  const [address = '', bits] = cidr.split('/');
  if (!isIPv4(address)) return false;
  const list = new BlockList();
  list.addSubnet(address, Number(bits), 'ipv4');
  return list.check(ip, 'ipv4');
}

/** A name means a port of the pod that the packet goes to. */
function isPort(world: PolicyWorldState, wanted: networkingv1.NetworkPolicyPort, packet: Packet): boolean {
  const { port, endPort, protocol = 'TCP' } = wanted;
  if (packet.port === undefined || protocol.toLowerCase() !== packet.protocol) return false;
  if (port === undefined) return true;
  if (/^\d+$/.test(port)) return Number(port) <= packet.port && packet.port <= (endPort ?? Number(port));
  const named = world.pods.find(({ ip }) => ip === packet.daddr)?.namedPorts ?? [];
  return named.some((one) => one.name === port && one.protocol === protocol && one.port === packet.port);
}

it('lets through exactly what the policies allow', () => {
  const cases = policyWorlds.chain((world) =>
    fc.tuple(fc.constant(world), fc.array(packets(world), { minLength: 20, maxLength: 20 })),
  );
  fc.assert(
    fc.property(cases, ([world, sent]) => {
      const plan = planPolicies({ ...world, policies: world.policies.map(compilePolicy) });
      for (const packet of sent) expect([packet, passes(plan, packet)]).toEqual([packet, isAllowed(world, packet)]);
    }),
    { numRuns: 400 },
  );
});
