import { describe, expect, it } from 'vitest';
import type { corev1, discoveryv1 } from '../../proto/index.ts';
import { keepSlots, planService, type ServicePlan, sourcesOf } from './service-plan.ts';

const FACTS = { nodeName: 'n1', clusterCidr: '10.42.0.0/16', serviceCidr: '10.43.0.0/16', dnsAddress: '10.43.0.10' };
const HTTP = { name: 'http', protocol: 'TCP', port: 80 };

const service = (spec: Partial<corev1.ServiceSpec>, rest: Partial<corev1.Service> = {}): corev1.Service => ({
  metadata: { namespace: 'default', name: 'web' },
  ...rest,
  spec: { clusterIP: '10.43.0.1', type: 'ClusterIP', ports: [HTTP], ...spec },
});
const endpoint = (
  ip: string,
  conditions: discoveryv1.EndpointConditions = {},
  nodeName = 'n2',
): discoveryv1.Endpoint => ({
  addresses: [ip],
  nodeName,
  conditions,
});
const slice = (
  endpoints: readonly discoveryv1.Endpoint[],
  rest: Partial<discoveryv1.EndpointSlice> = {},
): discoveryv1.EndpointSlice => ({
  metadata: { namespace: 'default', name: 'web-1' },
  addressType: 'IPv4',
  ports: [{ name: 'http', protocol: 'TCP', port: 8080 }],
  endpoints: [...endpoints],
  ...rest,
});
const plan = (spec: Partial<corev1.ServiceSpec>, endpoints: readonly discoveryv1.Endpoint[]): ServicePlan =>
  planService(service(spec), [slice(endpoints)], FACTS);
const addresses = (of: ServicePlan): readonly string[] | undefined => of.fronts[0]?.endpoints;

describe('which services are ours', () => {
  it.each([
    ['headless', { clusterIP: 'None' }],
    ['ExternalName', { type: 'ExternalName' }],
    ['of IPv6', { clusterIP: 'fd00::1' }],
    ['the DNS, which the node answers', { clusterIP: '10.43.0.10' }],
  ])('leaves one that is %s alone', (_what, spec) => {
    expect(plan(spec, [endpoint('10.42.0.2')]).fronts).toEqual([]);
  });

  it("leaves one alone that is another proxy's", () => {
    const labels = { 'service.kubernetes.io/service-proxy-name': 'other' };
    expect(planService(service({}, { metadata: { name: 'web', labels } }), [], FACTS).fronts).toEqual([]);
  });
});

describe('which endpoints take connections', () => {
  const [a, b] = ['10.42.0.2', '10.42.0.3'];
  const ending = { ready: false, serving: true, terminating: true };
  const broken = { ready: false, serving: false, terminating: true };
  it.each([
    ['without conditions', [endpoint(a)], [a]],
    ['that are ready, not the others', [endpoint(a, { ready: true }), endpoint(b, { ready: false })], [a]],
    ['that are ready, not those that end', [endpoint(a, { ready: true }), endpoint(b, ending)], [a]],
    ['that end and still serve, when none is ready', [endpoint(a, broken), endpoint(b, ending)], [b]],
    ['none, when none can', [endpoint(a, broken), endpoint(b, { ready: false })], []],
  ])('those %s', (_what, endpoints, expected) => {
    expect(addresses(plan({}, endpoints))).toEqual(expected.map((ip) => `${ip} . 8080`));
  });

  it('one that stands in two slices once, ready when either says so', () => {
    const slices = [slice([endpoint(a, { ready: false })]), slice([endpoint(a, { ready: true })])];
    expect(addresses(planService(service({}), slices, FACTS))).toEqual([`${a} . 8080`]);
  });

  it.each([
    ['another port name', { ports: [{ name: 'admin', protocol: 'TCP', port: 1 }] }],
    ['another transport', { ports: [{ name: 'http', protocol: 'UDP', port: 1 }] }],
    ['another family', { addressType: 'IPv6' }],
  ])('none of slices with %s', (_what, rest) => {
    expect(addresses(planService(service({}), [slice([endpoint(a)], rest)], FACTS))).toEqual([]);
  });

  it('with the inside policy Local those of this node; silence when they are elsewhere', () => {
    const local = { internalTrafficPolicy: 'Local' };
    expect(plan(local, [endpoint(a, {}, 'n1'), endpoint(b)]).fronts).toMatchObject([{ endpoints: [`${a} . 8080`] }]);
    expect(plan(local, [endpoint(b)]).fronts).toMatchObject([{ endpoints: [], whenEmpty: 'drop' }]);
    expect(plan(local, []).fronts).toMatchObject([{ endpoints: [], whenEmpty: 'reject' }]);
  });
});

describe('where a service can be dialled', () => {
  const ingress = [{ ip: '203.0.113.1' }, { ip: '203.0.113.2', ipMode: 'Proxy' }, { hostname: 'lb' }];
  const status = { loadBalancer: { ingress } };

  it('at its cluster IP, addresses of load balancers, external addresses and ports of the node', () => {
    const spec = { type: 'LoadBalancer', externalIPs: ['198.51.100.1'], ports: [{ ...HTTP, nodePort: 30_080 }] };
    expect(planService(service(spec, { status }), [], FACTS).fronts.map(({ key }) => key)).toEqual([
      '10.43.0.1 . tcp . 80',
      '203.0.113.1 . tcp . 80',
      '198.51.100.1 . tcp . 80',
      'tcp . 30080',
    ]);
  });

  it('with the outside policy Local, clients outside have endpoints of their own, and balancers are told', () => {
    const spec = { type: 'LoadBalancer', externalTrafficPolicy: 'Local', healthCheckNodePort: 32_000 };
    const found = planService(
      service(spec, { status }),
      [slice([endpoint('10.42.0.2', {}, 'n1'), endpoint('10.42.0.3')])],
      FACTS,
    );
    expect(found.fronts[0]).not.toHaveProperty('localEndpoints');
    expect(found.fronts[1]).toMatchObject({
      endpoints: ['10.42.0.2 . 8080', '10.42.0.3 . 8080'],
      localEndpoints: ['10.42.0.2 . 8080'],
    });
    expect(found).toMatchObject({ health: { port: 32_000, localEndpoints: 1 }, localAddresses: ['10.42.0.2'] });
  });

  it.each([
    [[], undefined],
    [['192.0.2.0/24'], ['192.0.2.0/24']],
    [
      ['10.1.0.0/16', '10.0.0.0/8', ' 192.0.2.1/32', 'fd00::/8'],
      ['10.0.0.0/8', '192.0.2.1/32'],
    ],
    [
      ['10.0.0.0/24', '10.0.1.0/24', '10.0.0.128/25'],
      ['10.0.0.0/24', '10.0.1.0/24'],
    ],
  ])('ranges of clients %j are %j in the table', (ranges, expected) => {
    expect(sourcesOf(ranges)).toEqual(expected);
  });
});

describe('slots', () => {
  it.each([
    ['nothing changes', 'abc', 'cba', 'abc'],
    ['one comes', 'abc', 'abcd', 'abcd'],
    ['one leaves: the last takes its slot', 'abcd', 'acd', 'adc'],
    ['the last leaves', 'abc', 'ab', 'ab'],
    ['one is replaced in place', 'abc', 'azc', 'azc'],
    ['two leave at the end', 'abcd', 'ab', 'ab'],
    ['all but the last leave', 'abcd', 'd', 'd'],
    ['all leave', 'abc', '', ''],
    ['all are others', 'ab', 'xyz', 'xyz'],
  ])('%s', (_what, before, wanted, after) => {
    expect(keepSlots(before.split(''), new Set(wanted)).join('')).toBe(after);
  });
});
