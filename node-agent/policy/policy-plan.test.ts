/** What policies mean, as packets meet it. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import type { networkingv1 } from '../../proto/index.ts';
import { type Packet, passes } from './packet-walk.ts';
import { guardsAnyone, type PolicyPlan, planPolicies } from './policy-plan.ts';
import type { PolicyPod } from './policy-pods.ts';
import { compilePolicy } from './policy-rules.ts';

const NAMESPACES = new Map([
  ['shop', { 'kubernetes.io/metadata.name': 'shop', team: 'sales' }],
  ['lab', { 'kubernetes.io/metadata.name': 'lab', team: 'science' }],
  ['empty', undefined],
]);

function pod(namespace: string, name: string, ip: string, more: Partial<PolicyPod> = {}): PolicyPod {
  return { namespace, labels: { app: name }, ip, namedPorts: [], local: true, ...more };
}

const MAIN = { name: 'main', protocol: 'TCP', port: 8080 };
const PODS: Readonly<Record<string, PolicyPod>> = {
  web: pod('shop', 'web', '10.42.0.2', { namedPorts: [MAIN] }),
  api: pod('shop', 'api', '10.42.0.3', { namedPorts: [MAIN, { name: 'names', protocol: 'UDP', port: 53 }] }),
  // On another node, with another idea of the port's name.
  far: pod('shop', 'far', '10.42.1.2', { local: false, namedPorts: [{ ...MAIN, port: 9090 }] }),
  probe: pod('lab', 'probe', '10.42.0.4', { namedPorts: [{ ...MAIN, port: 7070 }] }),
  web2: pod('lab', 'web', '10.42.0.5'),
  lone: pod('empty', 'lone', '10.42.0.6', { labels: undefined }),
};
const OTHERS: Readonly<Record<string, string>> = {
  outside: '198.51.100.7',
  near: '198.51.100.200',
  farther: '203.0.113.9',
};

function policy(text: string, name = 'p', namespace = 'shop'): networkingv1.NetworkPolicy {
  return { metadata: { namespace, name }, spec: parse(text) as networkingv1.NetworkPolicySpec };
}

function planOf(policies: readonly networkingv1.NetworkPolicy[], pods = Object.values(PODS)): PolicyPlan {
  return planPolicies({ policies: policies.map(compilePolicy), namespaces: NAMESPACES, pods });
}

/** `web>api tcp 8080`, or `web>api icmp`. */
function packet(line: string): Packet {
  const [, from = '', to = '', protocol = 'tcp', port] = /^(\w+)>(\w+) (\w+)(?: (\d+))?$/.exec(line) ?? [];
  const address = (name: string): string => PODS[name]?.ip ?? OTHERS[name] ?? expect.fail(`who is ${name}?`);
  return {
    saddr: address(from),
    daddr: address(to),
    protocol: protocol as Packet['protocol'],
    ...(port === undefined ? {} : { port: Number(port) }),
  };
}

const DENY_IN = 'podSelector: {}\npolicyTypes: [Ingress]';
const API_FROM = 'podSelector: {matchLabels: {app: api}}\ningress:\n';

/** What a policy of the namespace shop says, which packets pass, and which do not. */
const CASES: readonly (readonly [what: string, spec: string, passing: string, dropped: string])[] = [
  [
    'default deny ingress: all pods of the namespace hear nobody, and may speak',
    DENY_IN,
    'web>web2 tcp 1, api>outside udp 9, outside>web2 tcp 80, probe>far tcp 1, web>web tcp 8080, api>api icmp',
    'web>api tcp 8080, probe>api tcp 8080, outside>api udp 53, far>web icmp, web2>web sctp 5',
  ],
  [
    'default deny egress: they hear everybody, and speak to nobody',
    'podSelector: {}\npolicyTypes: [Egress]',
    'web2>api tcp 1, outside>web tcp 80, far>web tcp 5, api>api tcp 1',
    'web>api tcp 8080, api>web2 tcp 1, api>outside udp 53, web>far icmp',
  ],
  [
    'default deny of both',
    'podSelector: {}\npolicyTypes: [Ingress, Egress]',
    'web2>probe tcp 1, probe>far tcp 1',
    'web>api tcp 1, web2>api tcp 1, api>web2 tcp 1, outside>api tcp 1',
  ],
  ['types left out, without egress rules: ingress only', 'podSelector: {}', 'api>outside tcp 1', 'outside>api tcp 1'],
  [
    'types left out, with egress rules: both',
    'podSelector: {}\negress: [{to: [{ipBlock: {cidr: 198.51.100.0/24}}]}]',
    'api>outside tcp 1',
    'outside>api tcp 1, api>farther tcp 1',
  ],
  [
    'only egress named: rules of ingress mean nothing',
    'podSelector: {}\npolicyTypes: [Egress]\ningress: []\negress: [{}]',
    'web>api tcp 1, outside>api tcp 1, api>outside udp 1',
    '',
  ],
  ['an empty rule allows everything', `${API_FROM}- {}`, 'web>api tcp 1, outside>api icmp, probe>api sctp 7', ''],
  ['empty lists of peers and ports, too', `${API_FROM}- {from: [], ports: []}`, 'web>api tcp 1, outside>api icmp', ''],
  [
    'an empty list of rules allows nothing',
    `${API_FROM.trimEnd()} []`,
    'api>web tcp 1',
    'web>api tcp 1, outside>api tcp 1',
  ],
  [
    'pods by label, in the own namespace only',
    `${API_FROM}- from: [{podSelector: {matchLabels: {app: web}}}]`,
    'web>api tcp 1, web>api icmp, outside>web tcp 1',
    'web2>api tcp 1, far>api tcp 1, outside>api tcp 1',
  ],
  [
    'all pods of the own namespace',
    `${API_FROM}- from: [{podSelector: {}}]`,
    'web>api tcp 1, far>api tcp 1',
    'web2>api tcp 1, outside>api tcp 1',
  ],
  [
    'all pods of namespaces by label',
    `${API_FROM}- from: [{namespaceSelector: {matchLabels: {team: science}}}]`,
    'probe>api tcp 1, web2>api udp 1',
    'web>api tcp 1, lone>api tcp 1, outside>api tcp 1',
  ],
  [
    'all pods of all namespaces, and nobody else',
    `${API_FROM}- from: [{namespaceSelector: {}}]`,
    'probe>api tcp 1, web>api tcp 1, lone>api tcp 1, far>api tcp 1',
    'outside>api tcp 1',
  ],
  [
    'pods by label in namespaces by label: both must hold',
    `${API_FROM}- from: [{namespaceSelector: {matchLabels: {team: science}}, podSelector: {matchLabels: {app: web}}}]`,
    'web2>api tcp 1',
    'web>api tcp 1, probe>api tcp 1',
  ],
  [
    'two peers of one rule: either',
    `${API_FROM}- from: [{namespaceSelector: {matchLabels: {team: science}}}, {podSelector: {matchLabels: {app: web}}}]`,
    'web2>api tcp 1, web>api tcp 1, probe>api tcp 1',
    'far>api tcp 1, lone>api tcp 1',
  ],
  [
    'expressions, also about labels that are not there',
    `${API_FROM}- from: [{namespaceSelector: {matchExpressions: [{key: team, operator: NotIn, values: [science]}]}}]`,
    'web>api tcp 1, lone>api tcp 1',
    'probe>api tcp 1',
  ],
  [
    'a namespace by its name',
    `${API_FROM}- from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: lab}}}]`,
    'probe>api tcp 1',
    'web>api tcp 1',
  ],
  [
    'blocks with exceptions; an exception takes nothing from other peers',
    `${API_FROM}- from: [{ipBlock: {cidr: 198.51.100.0/24, except: [198.51.100.128/25]}}, {ipBlock: {cidr: 203.0.113.9/32}}]`,
    'outside>api tcp 1, farther>api tcp 1',
    'near>api tcp 1, web>api tcp 1',
  ],
  [
    'a block that holds pods means them as well',
    `${API_FROM}- from: [{ipBlock: {cidr: 10.42.0.0/16, except: [10.42.0.4/31]}}]`,
    'web>api tcp 1, far>api tcp 1, lone>api tcp 1',
    'probe>api tcp 1, web2>api tcp 1, outside>api tcp 1',
  ],
  [
    'the block of everything',
    `${API_FROM}- from: [{ipBlock: {cidr: 0.0.0.0/0}}]`,
    'web>api tcp 1, outside>api tcp 1',
    '',
  ],
  [
    'a block of IPv6 means nobody here',
    `${API_FROM}- from: [{ipBlock: {cidr: 'fd00::/8'}}]`,
    '',
    'web>api tcp 1, outside>api tcp 1',
  ],
  [
    'ports by number, TCP unless said',
    `${API_FROM}- ports: [{port: 80}, {port: 53, protocol: UDP}, {port: 5, protocol: SCTP}]`,
    'web>api tcp 80, outside>api udp 53, web>api sctp 5',
    'web>api udp 80, web>api tcp 53, web>api tcp 81, web>api sctp 80, web>api icmp',
  ],
  [
    'ranges of ports, also overlapping ones',
    `${API_FROM}- ports: [{port: 8000, endPort: 8010}, {port: 8005, endPort: 8020}, {port: 8021}, {port: 8030}]`,
    'web>api tcp 8000, web>api tcp 8015, web>api tcp 8021, web>api tcp 8030',
    'web>api tcp 7999, web>api tcp 8022, web>api udp 8000',
  ],
  [
    'all ports of a protocol',
    `${API_FROM}- ports: [{protocol: UDP}, {protocol: UDP, port: 53}]`,
    'web>api udp 9',
    'web>api tcp 9, web>api icmp',
  ],
  [
    'named ports of the guarded pod, by protocol',
    `${API_FROM}- ports: [{port: main}, {port: names}, {port: names, protocol: UDP}]`,
    'web>api tcp 8080, outside>api udp 53',
    'web>api tcp 53, web>api udp 8080, web>api tcp 9090',
  ],
  ['a name that no pod has', `${API_FROM}- ports: [{port: nothing}]`, '', 'web>api tcp 8080'],
  [
    'peers and ports of one rule: both must hold; of two rules: either',
    `${API_FROM}- {from: [{podSelector: {matchLabels: {app: web}}}], ports: [{port: main}]}\n- {from: [{ipBlock: {cidr: 198.51.100.7/32}}], ports: [{port: 22}]}`,
    'web>api tcp 8080, outside>api tcp 22',
    'web>api tcp 22, outside>api tcp 8080, far>api tcp 8080',
  ],
  [
    'named ports of the other end, each its own',
    'podSelector: {matchLabels: {app: api}}\npolicyTypes: [Egress]\negress:\n- {to: [{namespaceSelector: {}}], ports: [{port: main}]}',
    'api>web tcp 8080, api>far tcp 9090, api>probe tcp 7070',
    'api>web tcp 9090, api>far tcp 8080, api>web2 tcp 8080, api>outside tcp 8080',
  ],
  [
    'named ports to anyone: whoever has one of that name',
    'podSelector: {matchLabels: {app: api}}\npolicyTypes: [Egress]\negress:\n- ports: [{port: main}, {port: 443}]',
    'api>far tcp 9090, api>probe tcp 7070, api>outside tcp 443',
    'api>outside tcp 8080, api>probe tcp 8080',
  ],
  [
    'named ports in a block',
    'podSelector: {matchLabels: {app: api}}\npolicyTypes: [Egress]\negress:\n- {to: [{ipBlock: {cidr: 10.42.1.0/24}}], ports: [{port: main}]}',
    'api>far tcp 9090',
    'api>far tcp 8080, api>web tcp 8080',
  ],
];

const lines = (text: string): string[] => (text === '' ? [] : text.split(', '));

describe('a policy of the namespace shop', () => {
  it.each(CASES)('%s', (_what, spec, passing, dropped) => {
    const plan = planOf([policy(spec)]);
    expect(lines(passing).filter((line) => !passes(plan, packet(line)))).toEqual([]);
    expect(lines(dropped).filter((line) => passes(plan, packet(line)))).toEqual([]);
    // What is open stays open.
    expect(lines(dropped).filter((line) => !passes(plan, { ...packet(line), established: true }))).toEqual([]);
  });
});

describe('several policies', () => {
  const fromWeb = policy(`${API_FROM}- from: [{podSelector: {matchLabels: {app: web}}}]`, 'from-web');
  const deny = policy(DENY_IN, 'deny');

  it('allow what any of them allows, in whatever order', () => {
    for (const policies of [
      [deny, fromWeb],
      [fromWeb, deny],
    ]) {
      const plan = planOf(policies);
      expect(passes(plan, packet('web>api tcp 1'))).toBe(true);
      expect(passes(plan, packet('far>api tcp 1'))).toBe(false);
      expect(passes(plan, packet('api>web tcp 1'))).toBe(false);
    }
  });

  it('at both ends must both allow', () => {
    const out = policy(
      'podSelector: {matchLabels: {app: web}}\npolicyTypes: [Egress]\negress: [{ports: [{port: 80}]}]',
      'out',
    );
    const plan = planOf([fromWeb, out]);
    expect(passes(plan, packet('web>api tcp 80'))).toBe(true);
    expect(passes(plan, packet('web>api tcp 81'))).toBe(false);
    expect(passes(planOf([deny, out]), packet('web>api tcp 80'))).toBe(false);
  });

  it('with the same name in two namespaces, or names that read alike, are kept apart', () => {
    const plan = planOf([
      policy(`${API_FROM}- ports: [{port: 1}]`, 'a-b'),
      policy('podSelector: {}\ningress: [{ports: [{port: 2}]}]', 'a-b', 'lab'),
      policy('podSelector: {matchLabels: {app: web}}\ningress: [{ports: [{port: 3}]}]', 'a.b'),
    ]);
    const open = ['web>api tcp 1', 'web>probe tcp 2', 'api>web tcp 3'];
    expect(open.filter((line) => passes(plan, packet(line)))).toEqual(open);
    expect(['web>api tcp 2', 'web>probe tcp 1', 'api>web tcp 1'].filter((line) => passes(plan, packet(line)))).toEqual(
      [],
    );
  });
});

describe('a plan', () => {
  it('has nothing but empty chains where no policy chooses a pod of this node', () => {
    const elsewhere = policy('podSelector: {matchLabels: {app: far}}', 'far');
    for (const policies of [[], [elsewhere]]) {
      const plan = planOf(policies);
      expect(guardsAnyone(plan)).toBe(false);
      expect([...plan.chains.values()].flatMap(({ rules }) => rules)).toEqual([]);
      expect([...plan.collections.keys()]).toEqual(['pol_self', 'pol_out_pods', 'pol_in_pods']);
    }
  });

  it('changes by a few elements when a pod comes', () => {
    const policies = [policy(DENY_IN, 'deny'), policy(`${API_FROM}- from: [{podSelector: {}}]`, 'near')];
    const before = planOf(policies);
    const after = planOf(policies, [...Object.values(PODS), pod('shop', 'web', '10.42.0.99')]);
    expect([...after.chains]).toEqual([...before.chains]);
    const added = [...after.collections].flatMap(([name, { elements }]) =>
      [...elements.keys()].filter((key) => before.collections.get(name)?.elements.has(key) !== true),
    );
    expect(added).toEqual(['10.42.0.99 . 10.42.0.99', '10.42.0.99', '10.42.0.99']);
  });

  it('shares the set of pods between rules with the same selectors', () => {
    const text =
      'podSelector: {matchLabels: {app: api}}\ningress:\n- {from: [{podSelector: {}}], ports: [{port: 1}]}\n- {from: [{podSelector: {}}], ports: [{port: 2}]}';
    const sets = [...planOf([policy(text), policy(text, 'q')]).collections.keys()];
    expect(sets.filter((name) => name.startsWith('pol_peers_'))).toHaveLength(1);
  });
});

const PUBLISHED = join(import.meta.dirname, '../../../shared/manifests');

describe.skipIf(!existsSync(PUBLISHED))('published policies', () => {
  const files = existsSync(PUBLISHED)
    ? readdirSync(PUBLISHED, { recursive: true, encoding: 'utf8' }).filter((file) => /polic.*\.ya?ml$/.test(file))
    : [];
  const policies = files.flatMap((file) =>
    parseAllDocuments(readFileSync(join(PUBLISHED, file), 'utf8'))
      .map((document) => document.toJS() as networkingv1.NetworkPolicy & { kind?: string })
      .filter((object) => object?.kind === 'NetworkPolicy'),
  );

  it('of a shop of twelve services let the calls through that the shop makes', () => {
    const names = ['frontend', 'checkoutservice', 'cartservice', 'redis-cart', 'paymentservice', 'adservice'];
    const pods = names.map((name, at) => pod('shop', name, `10.42.0.${at + 10}`));
    const own = policies.filter(({ metadata }) => [...names, 'deny-all'].includes(metadata?.name ?? ''));
    const plan = planOf(
      own.map((one) => ({ ...one, metadata: { ...one.metadata, namespace: 'shop' } })),
      pods,
    );
    const call = (from: string, to: string, port: number): boolean => {
      const ip = (name: string): string => `10.42.0.${names.indexOf(name) + 10}`;
      return passes(plan, { saddr: ip(from), daddr: ip(to), protocol: 'tcp', port });
    };
    expect(own).toHaveLength(names.length + 1);
    expect(call('frontend', 'checkoutservice', 5050)).toBe(true);
    expect(call('cartservice', 'redis-cart', 6379)).toBe(true);
    expect(call('frontend', 'redis-cart', 6379)).toBe(false);
    expect(call('cartservice', 'redis-cart', 6380)).toBe(false);
    expect(call('frontend', 'paymentservice', 50051)).toBe(false);
    expect(call('checkoutservice', 'paymentservice', 50051)).toBe(true);
    expect(passes(plan, { saddr: '198.51.100.7', daddr: '10.42.0.10', protocol: 'tcp', port: 8080 })).toBe(true);
  });

  it('all have a plan that packets can be followed through', () => {
    expect(policies.length).toBeGreaterThan(15);
    for (const one of policies) {
      const { matchLabels } = one.spec?.podSelector ?? {};
      const guarded = pod('shop', 'x', '10.42.0.77', { labels: matchLabels });
      const plan = planOf(
        [{ ...one, metadata: { ...one.metadata, namespace: 'shop' } }],
        [...Object.values(PODS), guarded],
      );
      expect(guardsAnyone(plan)).toBe(true);
      for (const line of ['web>api tcp 1', 'outside>web udp 53'])
        expect(typeof passes(plan, packet(line))).toBe('boolean');
    }
  });
});
