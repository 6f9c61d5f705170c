import { describe, expect, it } from 'vitest';
import { type discoveryv1, type Json, KINDS, type KubeObject, type networkingv1, toJson } from '../../proto/index.ts';
import { definitionFor, problemsOf, readObject, updateProblems, withValue } from './test-objects.ts';
import { expectProblem } from './valid-objects.ts';

const backend: Json = { service: { name: 'web', port: { number: 80 } } };

const VALID: Readonly<Record<string, Json>> = {
  NetworkPolicy: {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name: 'p', namespace: 'shop' },
    spec: {
      podSelector: {},
      ingress: [{ from: [{ podSelector: {} }], ports: [{ port: 80 }] }],
      egress: [{ to: [{ ipBlock: { cidr: '10.0.0.0/8', except: ['10.1.0.0/16'] } }] }],
    },
  },
  Ingress: {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    metadata: { name: 'i', namespace: 'shop' },
    spec: {
      rules: [{ host: 'a.example.com', http: { paths: [{ path: '/', pathType: 'Prefix', backend }] } }],
      tls: [{ hosts: ['a.example.com'], secretName: 's' }],
    },
  },
  IngressClass: {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'IngressClass',
    metadata: { name: 'c' },
    spec: { controller: 'example.com/c', parameters: { kind: 'Settings', name: 's' } },
  },
  EndpointSlice: {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: 's', namespace: 'shop' },
    addressType: 'IPv4',
    endpoints: [{ addresses: ['10.0.0.1'] }],
    ports: [{ name: 'http', port: 80 }],
  },
  Endpoints: {
    apiVersion: 'v1',
    kind: 'Endpoints',
    metadata: { name: 'e', namespace: 'shop' },
    subsets: [{ addresses: [{ ip: '10.0.0.1' }], ports: [{ port: 80 }] }],
  },
};
const valid = (kind: string): Json => VALID[kind] ?? null;
const INGRESS = 'spec.ingress.0';
const EGRESS = 'spec.egress.0.to.0';
const PATH = 'spec.rules.0.http.paths.0';
const path = 'spec.rules[0].http.paths[0]';

describe('kinds of the network', () => {
  it.each(Object.keys(VALID))('%s is valid, and may stay as it is', (kind) => {
    expect(problemsOf(valid(kind))).toEqual([]);
    expect(updateProblems(valid(kind), valid(kind))).toEqual([]);
  });

  it.each<[kind: string, path: string, value: Json | undefined, problem: string]>([
    [
      'NetworkPolicy',
      `${INGRESS}.ports.0.port`,
      70_000,
      'spec.ingress[0].ports[0].port: Invalid value: 70000: must be between 1 and 65535, inclusive',
    ],
    [
      'NetworkPolicy',
      `${INGRESS}.ports.0.protocol`,
      'tcp',
      'spec.ingress[0].ports[0].protocol: Unsupported value: "tcp": supported values: "SCTP", "TCP", "UDP"',
    ],
    [
      'NetworkPolicy',
      `${INGRESS}.ports.0`,
      { endPort: 90 },
      'spec.ingress[0].ports[0].endPort: Invalid value: 90: may not be specified when `port` is not specified',
    ],
    [
      'NetworkPolicy',
      `${INGRESS}.ports.0`,
      { port: 'http', endPort: 90 },
      'spec.ingress[0].ports[0].endPort: Invalid value: 90: may not be specified when `port` is non-numeric',
    ],
    [
      'NetworkPolicy',
      `${INGRESS}.ports.0.endPort`,
      79,
      'spec.ingress[0].ports[0].endPort: Invalid value: 79: must be greater than or equal to `port`',
    ],
    ['NetworkPolicy', `${INGRESS}.from.0`, {}, 'spec.ingress[0].from[0]: Required value: must specify a peer'],
    [
      'NetworkPolicy',
      `${EGRESS}.podSelector`,
      {},
      'spec.egress[0].to[0]: Forbidden: may not specify both ipBlock and another peer',
    ],
    ['NetworkPolicy', `${EGRESS}.ipBlock.cidr`, undefined, 'spec.egress[0].to[0].ipBlock.cidr: Required value'],
    [
      'NetworkPolicy',
      `${EGRESS}.ipBlock.cidr`,
      '10.0.0.0/33',
      'spec.egress[0].to[0].ipBlock.cidr: Invalid value: "10.0.0.0/33": must be a valid CIDR value…',
    ],
    [
      'NetworkPolicy',
      `${EGRESS}.ipBlock.except.0`,
      '10.0.0.0/8',
      'spec.egress[0].to[0].ipBlock.except[0]: Invalid value: "10.0.0.0/8": must be a strict subset of `cidr`',
    ],
    [
      'NetworkPolicy',
      `${EGRESS}.ipBlock.except.0`,
      '11.1.0.0/16',
      'spec.egress[0].to[0].ipBlock.except[0]: Invalid value: "11.1.0.0/16": must be a strict subset of `cidr`',
    ],
    [
      'NetworkPolicy',
      `${EGRESS}.ipBlock.except.0`,
      'fd00::/64',
      'spec.egress[0].to[0].ipBlock.except[0]: Invalid value: "fd00::/64": must be a strict subset of `cidr`',
    ],
    [
      'NetworkPolicy',
      'spec.policyTypes',
      ['Both'],
      'spec.policyTypes[0]: Unsupported value: "Both": supported values: "Egress", "Ingress"',
    ],
    [
      'NetworkPolicy',
      'spec.policyTypes',
      ['Ingress', 'Egress', 'Ingress'],
      'spec.policyTypes: Invalid value: ["Ingress","Egress","Ingress"]: may not specify more than two policyTypes',
    ],
    ['Ingress', 'spec', {}, 'spec: Invalid value: []: either `defaultBackend` or `rules` must be specified'],
    ['Ingress', `${PATH}.pathType`, undefined, `${path}.pathType: Required value`],
    [
      'Ingress',
      `${PATH}.pathType`,
      'Regex',
      `${path}.pathType: Unsupported value: "Regex": supported values: "Exact", "ImplementationSpecific", "Prefix"`,
    ],
    ['Ingress', `${PATH}.path`, 'a', `${path}.path: Invalid value: "a": must be an absolute path`],
    ['Ingress', `${PATH}.path`, undefined, `${path}.path: Invalid value: "": must be an absolute path`],
    ['Ingress', `${PATH}.path`, '/a//b', `${path}.path: Invalid value: "/a//b": must not contain '//'`],
    ['Ingress', `${PATH}.path`, '/a/..', `${path}.path: Invalid value: "/a/..": cannot end with '/..'`],
    ['Ingress', `${PATH}.backend`, undefined, `${path}.backend: Required value`],
    [
      'Ingress',
      `${PATH}.backend`,
      { resource: { kind: 'B', name: 'b' }, service: { name: 'web' } },
      `${path}.backend: Invalid value: "": cannot set both resource and service backends`,
    ],
    ['Ingress', `${PATH}.backend.service.port`, {}, `${path}.backend: Required value: port name or number is required`],
    [
      'Ingress',
      `${PATH}.backend.service.port.name`,
      'http',
      `${path}.backend: Invalid value: "": cannot set both port name & port number`,
    ],
    [
      'Ingress',
      `${PATH}.backend.service.name`,
      '1web',
      `${path}.backend.service.name: Invalid value: "1web": a DNS-1035 label must consist of…`,
    ],
    ['Ingress', `${PATH}.backend.service.name`, undefined, `${path}.backend.service.name: Required value`],
    ['Ingress', 'spec.rules.0.http.paths', [], 'spec.rules[0].http.paths: Required value'],
    [
      'Ingress',
      'spec.rules.0.host',
      '10.0.0.1',
      'spec.rules[0].host: Invalid value: "10.0.0.1": must be a DNS name, not an IP address',
    ],
    [
      'Ingress',
      'spec.rules.0.host',
      'a.*.example.com',
      `spec.rules[0].host: Invalid value: "a.*.example.com": a wildcard DNS-1123 subdomain must start with '*.'…`,
    ],
    [
      'Ingress',
      'spec.tls.0.hosts.0',
      'A.example.com',
      'spec.tls[0].hosts[0]: Invalid value: "A.example.com": a lowercase RFC 1123 subdomain must consist of…',
    ],
    [
      'Ingress',
      'spec.ingressClassName',
      'A',
      'spec.ingressClassName: Invalid value: "A": a lowercase RFC 1123 subdomain must consist of…',
    ],
    ['IngressClass', 'spec.controller', undefined, 'spec.controller: Required value'],
    [
      'IngressClass',
      'spec.controller',
      'plain',
      'spec.controller: Invalid value: "plain": must be a domain-prefixed path (such as "acme.io/foo")',
    ],
    [
      'IngressClass',
      'spec.parameters.scope',
      'Namespace',
      "spec.parameters.namespace: Required value: `parameters.scope` is set to 'Namespace'",
    ],
    [
      'IngressClass',
      'spec.parameters.namespace',
      'shop',
      "spec.parameters.namespace: Forbidden: `parameters.scope` is set to 'Cluster'",
    ],
    ['EndpointSlice', 'addressType', undefined, 'addressType: Required value'],
    [
      'EndpointSlice',
      'addressType',
      'IPv6',
      'endpoints[0].addresses[0]: Invalid value: "10.0.0.1": must be a valid IPv6 address',
    ],
    ['EndpointSlice', 'endpoints.0.addresses', [], 'endpoints[0].addresses: Required value'],
    [
      'EndpointSlice',
      'endpoints.0.addresses.0',
      '127.0.0.1',
      'endpoints[0].addresses[0]: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)',
    ],
    [
      'EndpointSlice',
      'endpoints.0.addresses',
      Array.from({ length: 101 }, (_, i) => `10.0.1.${i}`),
      'endpoints[0].addresses: Too many: 101: must have at most 100 items',
    ],
    ['EndpointSlice', 'ports', [{}, { port: 1 }], 'ports[1].name: Duplicate value: ""'],
    [
      'EndpointSlice',
      'endpoints.0.hints',
      { forZones: [{ name: 'a' }, { name: 'a' }] },
      'endpoints[0].hints.forZones[1].name: Duplicate value: "a"',
    ],
    ['Endpoints', 'subsets.0.addresses', [], 'subsets[0]: Required value: must specify `addresses` or…'],
    [
      'Endpoints',
      'subsets.0.addresses.0.ip',
      'web',
      'subsets[0].addresses[0].ip: Invalid value: "web": must be a valid IP address…',
    ],
    [
      'Endpoints',
      'subsets.0.addresses.0.ip',
      '169.254.1.1',
      'subsets[0].addresses[0].ip: Invalid value: "169.254.1.1": may not be in the link-local range…',
    ],
    [
      'Endpoints',
      'subsets.0.ports',
      [{ port: 80 }, { name: 'b', port: 81 }],
      'subsets[0].ports[0].name: Required value',
    ],
    ['Endpoints', 'subsets.0.ports.0.port', 0, 'subsets[0].ports[0].port: Required value'],
  ])('%s with another %s is refused', (kind, at, value, problem) => {
    expectProblem(problemsOf(withValue(valid(kind), at, value)), problem);
  });

  it.each<[kind: string, path: string, value: Json]>([
    ['NetworkPolicy', `${INGRESS}.ports.0.endPort`, 80],
    ['NetworkPolicy', `${EGRESS}.ipBlock`, { cidr: 'fd00::/56', except: ['fd00:0:0:1::/64'] }],
    ['NetworkPolicy', INGRESS, {}],
    ['Ingress', 'spec.rules.0.host', '*.example.com'],
    ['Ingress', PATH, { pathType: 'ImplementationSpecific', backend }],
    ['Ingress', 'spec', { defaultBackend: { resource: { kind: 'Bucket', name: 'b' } } }],
    ['IngressClass', 'spec.parameters', { kind: 'S', name: 's', scope: 'Namespace', namespace: 'shop' }],
    ['Endpoints', 'subsets.0', { addresses: [{ ip: 'fd00::1' }] }],
  ])('%s with another %s is fine', (kind, at, value) => {
    expect(problemsOf(withValue(valid(kind), at, value))).toEqual([]);
  });

  it('a slice of names holds names', () => {
    const slice = withValue(valid('EndpointSlice'), 'addressType', 'FQDN');
    expect(problemsOf(withValue(slice, 'endpoints.0.addresses', ['db.example.com.']))).toEqual([]);
    expectProblem(
      problemsOf(withValue(slice, 'endpoints.0.addresses', ['db'])),
      'endpoints[0].addresses[0]: Invalid value: "db": should be a domain with at least two segments separated by dots',
    );
  });

  it.each<[kind: string, path: string, value: Json, problem: string]>([
    [
      'IngressClass',
      'spec.controller',
      'example.com/d',
      'spec.controller: Invalid value: "example.com/d": field is immutable (it was "example.com/c")',
    ],
    ['EndpointSlice', 'addressType', 'FQDN', 'addressType: Invalid value: "FQDN": field is immutable (it was "IPv4")'],
  ])('%s may not change its %s', (kind, at, value, problem) => {
    const old = kind === 'EndpointSlice' ? withValue(valid(kind), 'endpoints', []) : valid(kind);
    expectProblem(updateProblems(withValue(old, at, value), old), problem);
  });

  it('an ingress may not name two classes when it is made, and is warned of the older way', () => {
    const annotated = withValue(valid('Ingress'), 'metadata.annotations', { 'kubernetes.io/ingress.class': 'old' });
    const definition = definitionFor(annotated);
    const both = readObject<networkingv1.Ingress>(withValue(annotated, 'spec.ingressClassName', 'new'));
    expect(definition.validateCreate?.(both)).toEqual([
      {
        field: 'metadata.annotations[kubernetes.io/ingress.class]',
        reason: 'FieldValueInvalid',
        message: 'Invalid value: "old": must match `ingressClassName` when both are specified',
      },
    ]);
    expect(definition.validateCreate?.(readObject(annotated))).toEqual([]);
    expect(definition.warnings?.(readObject(annotated))).toEqual([
      `annotation "kubernetes.io/ingress.class" is deprecated, please use 'spec.ingressClassName' instead`,
    ]);
  });
});

describe('annotations for other proxies', () => {
  const REWRITE = 'nginx.ingress.kubernetes.io/rewrite-target';
  it.each([
    ['of the built-in class', 'skiff', REWRITE, 1],
    ['of no class', undefined, REWRITE, 1],
    ['of another class', 'nginx', REWRITE, 0],
    ['of the built-in class', 'skiff', 'example.com/note', 0],
  ])('an Ingress %s (%s) with %s: %d warnings', (_, ingressClassName, annotation, count) => {
    const annotated = withValue(valid('Ingress'), 'metadata.annotations', { [annotation]: '/' });
    const object = readObject<networkingv1.Ingress>(annotated);
    const asked: networkingv1.Ingress = { ...object, spec: { ...object.spec, ingressClassName } };
    const warnings = definitionFor(annotated).warnings?.(asked);
    expect(warnings).toEqual(
      Array.from(
        { length: count },
        () => `annotation "${annotation}" has no effect: the built-in proxy has no such setting`,
      ),
    );
  });
});

describe('defaults of the network kinds', () => {
  it('say which directions a policy restricts', () => {
    const spec = (json: Json): networkingv1.NetworkPolicySpec | undefined =>
      readObject<networkingv1.NetworkPolicy>(json).spec;
    expect(spec(valid('NetworkPolicy'))?.policyTypes).toEqual(['Ingress', 'Egress']);
    expect(spec(withValue(valid('NetworkPolicy'), 'spec.egress', []))?.policyTypes).toEqual(['Ingress']);
    expect(spec(withValue(valid('NetworkPolicy'), 'spec.policyTypes', ['Egress']))?.policyTypes).toEqual(['Egress']);
  });

  it('name and protocol of a slice', () => {
    const slice = readObject<discoveryv1.EndpointSlice>(withValue(valid('EndpointSlice'), 'ports', [{ port: 80 }]));
    expect(toJson(KINDS.EndpointSlice.messageName, slice).ports).toEqual([{ name: '', port: 80, protocol: 'TCP' }]);
  });
});

describe('columns of the network kinds', () => {
  const cells = (json: Json): Record<string, string> => {
    const object = readObject<KubeObject>(json);
    return Object.fromEntries(definitionFor(json).columns.map((column) => [column.name, column.cell(object)]));
  };

  it('are those of kubectl', () => {
    expect(cells(valid('NetworkPolicy'))).toMatchObject({ NAME: 'p', 'POD-SELECTOR': '<none>' });
    expect(cells(valid('Ingress'))).toMatchObject({
      CLASS: '<none>',
      HOSTS: 'a.example.com',
      ADDRESS: '',
      PORTS: '80, 443',
    });
    expect(cells(valid('IngressClass'))).toMatchObject({ CONTROLLER: 'example.com/c', PARAMETERS: 'Settings/s' });
    expect(cells(valid('EndpointSlice'))).toMatchObject({ ADDRESSTYPE: 'IPv4', PORTS: '80', ENDPOINTS: '10.0.0.1' });
    expect(cells(valid('Endpoints'))).toMatchObject({ ENDPOINTS: '10.0.0.1:80' });
  });

  it('cut long lists', () => {
    const ips = ['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.4', '10.0.0.5'];
    const many = withValue(
      valid('Endpoints'),
      'subsets.0.addresses',
      ips.map((ip) => ({ ip })),
    );
    expect(cells(many).ENDPOINTS).toBe('10.0.0.1:80,10.0.0.2:80,10.0.0.3:80 + 2 more...');
    expect(cells(withValue(valid('Endpoints'), 'subsets', [])).ENDPOINTS).toBe('<none>');
    const slice = withValue(valid('EndpointSlice'), 'endpoints.0.addresses', ips);
    expect(cells(slice).ENDPOINTS).toBe('10.0.0.1,10.0.0.2,10.0.0.3 + 2 more...');
    expect(cells(withValue(slice, 'ports', [{ name: 'all' }, {}])).PORTS).toBe('all,');
    const hosts = ['a', 'b', 'c', 'd'].map((host) => ({ host }));
    expect(cells(withValue(valid('Ingress'), 'spec.rules', hosts)).HOSTS).toBe('a,b,c + 1 more...');
    expect(cells(withValue(valid('Ingress'), 'spec.rules', [{}])).HOSTS).toBe('*');
  });
});
