import { describe, expect, it } from 'vitest';
import type { corev1, discoveryv1 } from '../../proto/index.ts';
import { MemoryRuleTable } from '../rules/memory-rule-table.ts';
import { forgetArguments, staleArguments } from './conntrack.ts';
import { ServedPods } from './served-pods.ts';
import { ServiceLedger } from './service-ledger.ts';

const FACTS = { nodeName: 'n1', clusterCidr: '10.42.0.0/16', serviceCidr: '10.43.0.0/16', dnsAddress: '10.43.0.10' };

const service = (clusterIP: string, spec: Partial<corev1.ServiceSpec> = {}): corev1.Service => ({
  spec: { clusterIP, type: 'ClusterIP', ports: [{ protocol: 'TCP', port: 80, nodePort: 0 }], ...spec },
});
const slice = (ips: readonly string[], nodeName = 'n1', protocol = 'TCP'): discoveryv1.EndpointSlice => ({
  metadata: { namespace: 'default' },
  addressType: 'IPv4',
  ports: [{ protocol, port: 8080 }],
  endpoints: ips.map((ip) => ({ addresses: [ip], nodeName, conditions: { ready: true } })),
});
const ips = (count: number): string[] => Array.from({ length: count }, (_, index) => `10.42.0.${index + 2}`);

function world(): { readonly table: MemoryRuleTable; readonly ledger: ServiceLedger } {
  const table = new MemoryRuleTable('t');
  const ledger = new ServiceLedger(table, FACTS);
  ledger.declare();
  return { table, ledger };
}

describe('services in the table', () => {
  it('what a plain service adds', () => {
    const { table, ledger } = world();
    const before = table.lines();
    ledger.update('default/web', service('10.43.0.1'), [slice(['10.42.0.2', '10.42.0.3'])]);
    expect(table.lines().filter((line) => !before.includes(line))).toEqual([
      'svc_addresses 10.43.0.1 . tcp . 80 : goto svc_tcp_pick_2',
      'svc_hairpin 10.42.0.2 . 10.42.0.2',
      'svc_hairpin 10.42.0.3 . 10.42.0.3',
      'svc_tcp_endpoints 10.43.0.1 . 80 . 0 : 10.42.0.2 . 8080',
      'svc_tcp_endpoints 10.43.0.1 . 80 . 1 : 10.42.0.3 . 8080',
      'svc_tcp_pick_2 dnat ip to ip daddr . tcp dport . numgen random mod 2 map @svc_tcp_endpoints',
    ]);
    ledger.update('default/web', undefined, []);
    expect(table.lines()).toEqual(before);
  });

  it.each([
    ['affinity', { sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: 9 } } }],
    ['the outside policy Local', { type: 'NodePort', externalTrafficPolicy: 'Local', externalIPs: ['192.0.2.9'] }],
    ['a port of the node', { type: 'NodePort', ports: [{ protocol: 'UDP', port: 53, nodePort: 30_053 }] }],
    ['ranges', { type: 'LoadBalancer', loadBalancerSourceRanges: ['192.0.2.0/24'] }],
  ])('a service with %s leaves nothing behind, and nothing of one state stays in another', (_what, spec) => {
    const { table, ledger } = world();
    const before = table.lines();
    const status = { loadBalancer: { ingress: [{ ip: '203.0.113.1' }] } };
    const states = [ips(3), ips(1), [], ips(2), ['10.42.7.7'], ips(4)];
    const of = (at: ServiceLedger, state: readonly string[]): void =>
      void at.update('default/web', { ...service('10.43.0.1', spec), status }, [
        slice(state.slice(1)),
        slice(state.slice(0, 1), 'n2'),
        slice(state, 'n1', 'UDP'),
      ]);
    for (const state of states) of(ledger, state);
    const fresh = world();
    of(fresh.ledger, ips(4));
    const names = (lines: readonly string[]): string[] => lines.map((line) => line.replace(/ : .*/, ''));
    expect(names(table.lines())).toEqual(names(fresh.table.lines()));
    ledger.update('default/web', undefined, []);
    expect(table.lines()).toEqual(before);
  });

  it('one endpoint of a thousand services is a few elements', () => {
    const { table, ledger } = world();
    const of = (index: number, endpoints: readonly string[]): void =>
      void ledger.update(`default/s${index}`, service(`10.43.${index >> 8}.${index & 255}`), [slice(endpoints)]);
    for (let index = 20; index < 1020; index += 1) of(index, ips(10));
    table.changes = 0;
    of(500, [...ips(9), '10.42.9.9']);
    expect(table.changes).toBeLessThanOrEqual(3);
    table.changes = 0;
    of(500, ips(9));
    expect(table.changes).toBeLessThanOrEqual(6);
  });

  it('an address that two services name is the first one’s until it lets go', () => {
    const { table, ledger } = world();
    const spec = { externalIPs: ['192.0.2.9'] };
    ledger.update('default/one', service('10.43.0.1', spec), [slice(['10.42.0.2'])]);
    ledger.update('default/two', service('10.43.0.2', spec), [slice(['10.42.0.3'])]);
    const at = (): string | undefined => table.lines().find((line) => line.startsWith('svc_tcp_endpoints 192.0.2.9'));
    expect(at()).toContain('10.42.0.2');
    ledger.update('default/one', service('10.43.0.1'), [slice(['10.42.0.2'])]);
    expect(at()).toContain('10.42.0.3');
    ledger.update('default/two', undefined, []);
    expect(at()).toBeUndefined();
  });

  it('says which endpoints a front lost, so that UDP clients of theirs are sent on', () => {
    const { ledger } = world();
    const udp = service('10.43.0.1', {
      type: 'NodePort',
      ports: [{ protocol: 'UDP', port: 53, nodePort: 30_053 }],
    });
    const forgotten = (endpoints: readonly string[]): readonly string[] =>
      ledger
        .update('default/dns', udp, [slice(endpoints, 'n1', 'UDP')])
        .flatMap(forgetArguments)
        .map((argv) => argv.slice(5).join(' '));
    expect(forgotten(['10.42.0.2'])).toEqual(['--orig-port-dst 53 --orig-dst 10.43.0.1', '--orig-port-dst 30053']);
    expect(forgotten(['10.42.0.2', '10.42.0.3'])).toEqual([]);
    expect(forgotten(['10.42.0.3'])).toEqual([
      '--orig-port-dst 53 --orig-dst 10.43.0.1 --dst-nat 10.42.0.2',
      '--orig-port-dst 30053 --dst-nat 10.42.0.2',
    ]);
  });
});

describe('connections made while no agent was there', () => {
  const line = (dialled: string, port: number, endpoint: string, endpointPort: number): string =>
    `udp 17 20 src=10.42.0.9 dst=${dialled} sport=4000 dport=${port} src=${endpoint} dst=10.42.0.9 sport=${endpointPort} dport=4000 mark=0`;
  const { ledger } = world();
  const ports = [{ protocol: 'UDP', port: 53, nodePort: 30_053 }];
  ledger.update('default/dns', service('10.43.0.1', { type: 'NodePort', ports }), [slice(['10.42.0.2'], 'n1', 'UDP')]);

  it.each([
    ['to an endpoint', line('10.43.0.1', 53, '10.42.0.2', 8080), []],
    [
      'to an endpoint that is gone',
      line('10.43.0.1', 53, '10.42.0.3', 8080),
      ['53 --orig-dst 10.43.0.1 --dst-nat 10.42.0.3'],
    ],
    [
      'through a port of the node',
      line('192.0.2.1', 30_053, '10.42.0.3', 8080),
      ['30053 --orig-dst 192.0.2.1 --dst-nat 10.42.0.3'],
    ],
    ['to no service', line('192.0.2.1', 53, '10.42.0.3', 8080), []],
    ['that were not translated', line('10.43.0.1', 53, '10.43.0.1', 53), []],
    ['of another kind', 'unknown 2 500 src=10.42.1.1 dst=224.0.0.22 [UNREPLIED]', []],
  ])('%s', (_what, listing, expected) => {
    const calls = staleArguments(`${listing}\n${listing}\n`, (key) => ledger.front(key));
    expect(calls.map((argv) => argv.slice(6).join(' '))).toEqual(expected);
  });
});

describe('pods that services send to', () => {
  const of = (uid: string, terminating = false): discoveryv1.EndpointSlice => ({
    endpoints: [{ targetRef: { kind: 'Pod', namespace: 'default', name: 'p', uid }, conditions: { terminating } }],
  });
  const pod = { namespace: 'default', name: 'p', uid: 'u' };

  it('are those in any slice that are not ending', () => {
    const served = new ServedPods();
    expect(served.has(pod)).toBe(false);
    served.update('one', of('u'));
    served.update('two', of('u'));
    served.update('one', of('u', true));
    expect(served.has(pod)).toBe(true);
    served.update('two', undefined);
    expect(served.has(pod)).toBe(false);
    served.update('one', of('other'));
    expect(served.has(pod)).toBe(false);
  });
});
