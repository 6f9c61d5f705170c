/** For property tests: random policies, pods and packets in a small world, so that they meet. */
import fc from 'fast-check';
import type { networkingv1 } from '../../proto/index.ts';
import type { Packet } from './packet-walk.ts';
import type { PolicyPod } from './policy-pods.ts';

/** A cluster with policies. */
export interface PolicyWorldState {
  readonly namespaces: ReadonlyMap<string, Readonly<Record<string, string>>>;
  readonly pods: readonly PolicyPod[];
  readonly policies: readonly networkingv1.NetworkPolicy[];
}

const NAMESPACES = ['a', 'b'];
const PORT_NAMES = ['main', 'other'];
const PROTOCOLS = ['TCP', 'UDP', 'SCTP'];
const OUTSIDE = ['10.42.0.200', '192.0.2.1', '192.0.2.130'];

const labels = fc.dictionary(fc.constantFrom('x', 'y'), fc.constantFrom('1', '2'), { noNullPrototype: true });
const selector = fc.record(
  {
    matchLabels: labels,
    matchExpressions: fc.array(
      fc.record({
        key: fc.constantFrom('x', 'y'),
        operator: fc.constantFrom('In', 'NotIn', 'Exists', 'DoesNotExist'),
        values: fc.constant<string[]>(['1']),
      }),
      { maxLength: 1 },
    ),
  },
  { requiredKeys: [] },
);
const port = fc.integer({ min: 1, max: 6 });
const policyPort = fc.oneof(
  fc.record({ protocol: fc.constantFrom(...PROTOCOLS) }, { requiredKeys: [] }),
  fc.record({ port: port.map(String), protocol: fc.constantFrom(...PROTOCOLS) }, { requiredKeys: ['port'] }),
  fc.tuple(port, fc.nat(3)).map(([first, more]) => ({ port: String(first), endPort: first + more })),
  fc.record(
    { port: fc.constantFrom(...PORT_NAMES), protocol: fc.constantFrom(...PROTOCOLS) },
    { requiredKeys: ['port'] },
  ),
);
const block = fc.constantFrom<networkingv1.IPBlock>(
  { cidr: '0.0.0.0/0' },
  { cidr: '0.0.0.0/0', except: ['10.42.0.0/16'] },
  { cidr: '192.0.2.0/24', except: ['192.0.2.128/25', '192.0.2.1/32'] },
  { cidr: '192.0.2.7/24' },
  { cidr: '10.42.0.2/31' },
  { cidr: '10.42.0.0/29', except: ['10.42.0.3/32'] },
  { cidr: 'fd00::/8' },
);
const peer = fc.oneof(
  block.map((ipBlock) => ({ ipBlock })),
  fc.record({ podSelector: selector }),
  fc.record({ namespaceSelector: selector }),
  fc.record({ podSelector: selector, namespaceSelector: selector }),
);
const peers = fc.array(peer, { maxLength: 3 });
const ports = fc.array(policyPort, { maxLength: 3 });

const policy = fc.record({
  metadata: fc.record({ namespace: fc.constantFrom(...NAMESPACES) }),
  spec: fc.record(
    {
      podSelector: selector,
      policyTypes: fc.constantFrom<string[][]>([], ['Ingress'], ['Egress'], ['Ingress', 'Egress']),
      ingress: fc.array(fc.record({ from: peers, ports }, { requiredKeys: [] }), { maxLength: 2 }),
      egress: fc.array(fc.record({ to: peers, ports }, { requiredKeys: [] }), { maxLength: 2 }),
    },
    { requiredKeys: ['podSelector'] },
  ),
});

const namedPort = fc.record({
  name: fc.constantFrom(...PORT_NAMES),
  protocol: fc.constantFrom(...PROTOCOLS),
  port,
});
const pod = fc.record({
  namespace: fc.constantFrom(...NAMESPACES),
  labels: fc.option(labels, { nil: undefined }),
  local: fc.boolean(),
  namedPorts: fc.uniqueArray(namedPort, { maxLength: 2, selector: ({ name }) => name }),
});

/** Any cluster. */
export const policyWorlds: fc.Arbitrary<PolicyWorldState> = fc
  .record({
    namespaces: fc.tuple(...NAMESPACES.map(() => labels)),
    pods: fc.array(pod, { minLength: 1, maxLength: 4 }),
    policies: fc.array(policy, { maxLength: 4 }),
  })
  .map(({ namespaces, pods, policies }) => ({
    namespaces: new Map(NAMESPACES.map((name, at) => [name, namespaces[at] ?? {}])),
    pods: pods.map((one, at) => ({ ...one, ip: `10.42.0.${at + 1}` })),
    policies: policies.map(({ metadata, spec }, at) => ({ metadata: { ...metadata, name: `p${at}` }, spec })),
  }));

/** Any first packet between pods of a cluster, and others. */
export function packets({ pods }: PolicyWorldState): fc.Arbitrary<Packet> {
  const address = fc.constantFrom(...pods.map(({ ip }) => ip), ...pods.map(({ ip }) => ip), ...OUTSIDE);
  const protocol = fc.constantFrom('tcp', 'udp', 'sctp', 'icmp' as const);
  return fc
    .record({ saddr: address, daddr: address, protocol, port: fc.integer({ min: 1, max: 9 }) })
    .map(({ port: to, ...rest }) => (rest.protocol === 'icmp' ? rest : { ...rest, port: to })) as fc.Arbitrary<Packet>;
}
