import { describe, expect, it } from 'vitest';
import { type corev1, type Json, KINDS, toJson } from '../../proto/index.ts';
import { service } from './service.ts';
import { problemsOf, readObject, updateProblems, withValue } from './test-objects.ts';
import { expectProblem } from './valid-objects.ts';

const made = (spec: Json): Json => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'web', namespace: 'shop' },
  spec,
});
const ports: Json = [{ name: 'http', port: 80 }];
const plain = made({ selector: { app: 'web' }, ports });
const balanced = made({ type: 'LoadBalancer', selector: { app: 'web' }, ports });
const named = made({ type: 'ExternalName', externalName: 'db.example.com' });
const addressed = made({ selector: { app: 'web' }, ports, clusterIP: '10.43.0.9' });
const headless = made({ selector: { app: 'web' }, ports, clusterIP: 'None' });

const specOf = (json: Json): corev1.ServiceSpec => readObject<corev1.Service>(json).spec ?? {};

describe('defaults of a service', () => {
  it('are those of a cluster of IPv4', () => {
    expect(
      toJson('skiff.core.v1.ServiceSpec', specOf(made({ selector: { app: 'web' }, ports: [{ port: 80 }] }))),
    ).toEqual({
      internalTrafficPolicy: 'Cluster',
      ipFamilies: ['IPv4'],
      ipFamilyPolicy: 'SingleStack',
      ports: [{ port: 80, protocol: 'TCP', targetPort: 80 }],
      selector: { app: 'web' },
      sessionAffinity: 'None',
      type: 'ClusterIP',
    });
  });

  it.each<[what: string, json: Json, fields: object]>([
    ['balanced', balanced, { allocateLoadBalancerNodePorts: true, externalTrafficPolicy: 'Cluster' }],
    ['on every node', withValue(plain, 'spec.type', 'NodePort'), { externalTrafficPolicy: 'Cluster' }],
    [
      'with external addresses',
      withValue(plain, 'spec.externalIPs', ['1.2.3.4']),
      { externalTrafficPolicy: 'Cluster' },
    ],
    [
      'that keeps clients',
      withValue(plain, 'spec.sessionAffinity', 'ClientIP'),
      { sessionAffinityConfig: { clientIP: { timeoutSeconds: 10_800 } } },
    ],
    ['with one address', addressed, { clusterIPs: ['10.43.0.9'] }],
    ['headless', headless, { clusterIPs: ['None'], ipFamilies: ['IPv4'], ipFamilyPolicy: 'SingleStack' }],
    [
      'headless, without selector',
      withValue(headless, 'spec.selector', undefined),
      { ipFamilies: ['IPv4', 'IPv6'], ipFamilyPolicy: 'RequireDualStack' },
    ],
  ])('of one %s', (_what, json, fields) => {
    expect(specOf(json)).toMatchObject(fields);
  });

  it('of one that is only a name, have no addresses', () => {
    expect(Object.keys(specOf(named)).sort()).toEqual(['externalName', 'sessionAffinity', 'type']);
  });

  it('drop the settings of an affinity that is not there', () => {
    const spec = specOf(withValue(plain, 'spec.sessionAffinityConfig', { clientIP: { timeoutSeconds: 5 } }));
    expect(spec).not.toHaveProperty('sessionAffinityConfig');
  });
});

describe('a service is refused with', () => {
  it.each<[name: string, json: Json]>([
    ['plain', plain],
    ['balanced', balanced],
    ['named', named],
    ['addressed', addressed],
    ['headless', headless],
    ['headless without ports', withValue(headless, 'spec.ports', [])],
  ])('nothing when it is %s', (_name, json) => {
    expect(problemsOf(json)).toEqual([]);
    expect(updateProblems(json, json)).toEqual([]);
  });

  it.each<[json: Json, path: string, value: Json | undefined, problem: string]>([
    [plain, 'metadata.name', '1web', 'metadata.name: Invalid value: "1web": a DNS-1035 label must consist of…'],
    [plain, 'metadata.name', 'a.b', 'metadata.name: Invalid value: "a.b": a DNS-1035 label must consist of…'],
    [plain, 'spec.ports', [], 'spec.ports: Required value'],
    [plain, 'spec.ports.0.port', 0, 'spec.ports[0].port: Required value'],
    [plain, 'spec.ports.0.port', 65_536, 'spec.ports[0].port: Invalid value: 65536: must be between 1 and 65535…'],
    [plain, 'spec.ports.0.name', 'HTTP', 'spec.ports[0].name: Invalid value: "HTTP": a lowercase RFC 1123 label…'],
    [plain, 'spec.ports.0.targetPort', 'a_b', 'spec.ports[0].targetPort: Invalid value: "a_b": must contain only…'],
    [plain, 'spec.ports.0.protocol', 'tcp', 'spec.ports[0].protocol: Unsupported value: "tcp": supported values: "…'],
    [plain, 'spec.ports.1', { port: 81 }, 'spec.ports[1].name: Required value'],
    [plain, 'spec.ports.1', { name: 'http', port: 81 }, 'spec.ports[1].name: Duplicate value: "http"'],
    [plain, 'spec.ports.1', { name: 'b', port: 80 }, 'spec.ports[1]: Duplicate value: {"protocol":"TCP","port":80}'],
    [
      plain,
      'spec.ports.0.nodePort',
      30_001,
      "spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'",
    ],
    [
      balanced,
      'spec.ports.0.nodePort',
      80,
      'spec.ports[0].nodePort: Invalid value: 80: provided port is not in the valid range. The range of valid ports is 30000-32767',
    ],
    [
      balanced,
      'spec.ports',
      [
        { name: 'a', port: 1, nodePort: 30_001 },
        { name: 'b', port: 2, nodePort: 30_001 },
      ],
      'spec.ports[1].nodePort: Duplicate value: 30001',
    ],
    [
      balanced,
      'spec.ports.0.port',
      10_250,
      'spec.ports[0]: Invalid value: 10250: may not expose port 10250 externally…',
    ],
    [
      plain,
      'spec.type',
      'Magic',
      'spec.type: Unsupported value: "Magic": supported values: "ClusterIP", "ExternalName"…',
    ],
    [plain, 'spec.clusterIP', '10.43.0', 'spec.clusterIPs[0]: Invalid value: "10.43.0": must be a valid IP address…'],
    [
      plain,
      'spec.clusterIPs',
      ['10.43.0.1'],
      'spec.clusterIP: Required value: must be set when `clusterIPs` is specified',
    ],
    [
      addressed,
      'spec.clusterIPs',
      ['10.43.0.1'],
      'spec.clusterIPs: Invalid value: ["10.43.0.1"]: first value must match `clusterIP`',
    ],
    [
      headless,
      'spec.clusterIPs',
      ['None', '10.43.0.1'],
      `spec.clusterIPs: Invalid value: ["None","10.43.0.1"]: 'None' must be the first and only value`,
    ],
    [
      headless,
      'spec.type',
      'NodePort',
      `spec.clusterIPs[0]: Invalid value: "None": may not be set to 'None' for NodePort services`,
    ],
    [
      addressed,
      'spec.clusterIPs',
      ['10.43.0.9', '10.43.0.10'],
      'spec.clusterIPs: Invalid value: ["10.43.0.9","10.43.0.10"]: may specify no more than one IP for each IP family',
    ],
    [
      addressed,
      'spec.ipFamilies',
      ['IPv6'],
      'spec.clusterIPs[0]: Invalid value: "10.43.0.9": expected an IPv6 value as indicated by `ipFamilies[0]`',
    ],
    [
      plain,
      'spec.ipFamilies',
      ['IPv5'],
      'spec.ipFamilies[0]: Unsupported value: "IPv5": supported values: "IPv4", "IPv6"',
    ],
    [plain, 'spec.ipFamilies', ['IPv4', 'IPv4'], 'spec.ipFamilies[1]: Duplicate value: "IPv4"'],
    [named, 'spec.externalName', undefined, 'spec.externalName: Required value'],
    [named, 'spec.externalName', 'A.b', 'spec.externalName: Invalid value: "A.b": a lowercase RFC 1123 subdomain…'],
    [named, 'spec.clusterIP', '10.43.0.1', 'spec.clusterIPs: Forbidden: may not be set for ExternalName services'],
    [named, 'spec.ipFamilyPolicy', 'SingleStack', 'spec.ipFamilyPolicy: Forbidden: may not be set for ExternalName…'],
    [
      plain,
      'spec.sessionAffinity',
      'Cookie',
      'spec.sessionAffinity: Unsupported value: "Cookie": supported values: "ClientIP", "None"',
    ],
    [plain, 'spec.externalIPs', ['x'], 'spec.externalIPs[0]: Invalid value: "x": must be a valid IP address…'],
    [plain, 'spec.externalIPs', ['127.0.0.1'], 'spec.externalIPs[0]: Invalid value: "127.0.0.1": may not be in the…'],
    [
      plain,
      'spec.externalTrafficPolicy',
      'Local',
      'spec.externalTrafficPolicy: Invalid value: "Local": may only be set for externally-accessible services',
    ],
    [
      plain,
      'spec.healthCheckNodePort',
      31_000,
      "spec.healthCheckNodePort: Invalid value: 31000: may only be set when `type` is 'LoadBalancer' and…",
    ],
    [
      plain,
      'spec.allocateLoadBalancerNodePorts',
      false,
      "spec.allocateLoadBalancerNodePorts: Forbidden: may only be used when `type` is 'LoadBalancer'",
    ],
    [
      plain,
      'spec.loadBalancerClass',
      'a',
      "spec.loadBalancerClass: Forbidden: may only be used when `type` is 'LoadBalancer'",
    ],
    [
      plain,
      'spec.loadBalancerSourceRanges',
      ['10.0.0.0/8'],
      "spec.loadBalancerSourceRanges: Forbidden: may only be used when `type` is 'LoadBalancer'",
    ],
    [
      balanced,
      'spec.loadBalancerSourceRanges',
      ['10.0.0.0'],
      'spec.loadBalancerSourceRanges[0]: Invalid value: "10.0.0.0": must be a list of IP ranges. For example, …',
    ],
    [plain, 'spec.selector', { 'a b': 'c' }, 'spec.selector.a b: Invalid value: "a b": name part must consist of…'],
  ])('row %#', (json, path, value, problem) => {
    expectProblem(
      problemsOf(withValue(json, path, value)).map((line) => line.replace('spec.selector["a b"]', 'spec.selector.a b')),
      problem,
    );
  });

  it('an affinity of more than a day', () => {
    const json = withValue(plain, 'spec.sessionAffinity', 'ClientIP');
    expectProblem(
      problemsOf(withValue(json, 'spec.sessionAffinityConfig', { clientIP: { timeoutSeconds: 86_401 } })),
      'spec.sessionAffinityConfig.clientIP.timeoutSeconds: Invalid value: 86401: must be greater than 0 and less than 86400',
    );
  });
});

describe('the next version of a service', () => {
  const next = (json: Json, old: Json): corev1.ServiceSpec => {
    const object = readObject<corev1.Service>(json);
    service.prepareForUpdate?.(object, readObject(old));
    return object.spec ?? {};
  };

  it('keeps the addresses and node ports that it does not name', () => {
    const old = made({
      type: 'NodePort',
      clusterIP: '10.43.0.9',
      ports: [
        { name: 'a', port: 1, nodePort: 30_001 },
        { name: 'b', port: 2, nodePort: 30_002 },
      ],
    });
    const spec = next(
      made({
        type: 'NodePort',
        ports: [
          { name: 'b', port: 2 },
          { name: 'c', port: 3 },
        ],
      }),
      old,
    );
    expect(spec).toMatchObject({ clusterIP: '10.43.0.9', clusterIPs: ['10.43.0.9'] });
    expect(spec.ports?.map(({ nodePort }) => nodePort)).toEqual([30_002, undefined]);
  });

  it('drops what its new type cannot have, when the writer left it alone', () => {
    const old = made({
      type: 'LoadBalancer',
      clusterIP: '10.43.0.9',
      externalTrafficPolicy: 'Local',
      healthCheckNodePort: 31_000,
      loadBalancerClass: 'a',
      ports: [{ port: 80, nodePort: 30_001 }],
    });
    const inside = next(withValue(old, 'spec.type', 'ClusterIP'), old);
    for (const name of [
      'externalTrafficPolicy',
      'healthCheckNodePort',
      'loadBalancerClass',
      'allocateLoadBalancerNodePorts',
    ])
      expect(inside).not.toHaveProperty(name);
    expect(inside.ports?.[0]).not.toHaveProperty('nodePort');
    expect(inside.clusterIP).toBe('10.43.0.9');
    const name = made({ ...(inside as object), type: 'ExternalName', externalName: 'a.b' } as Json);
    const spec = next(name, made(inside as Json));
    for (const field of ['clusterIP', 'clusterIPs', 'ipFamilies', 'ipFamilyPolicy'])
      expect(spec).not.toHaveProperty(field);
  });

  it('may not change its address once it has one', () => {
    expectProblem(
      updateProblems(withValue(addressed, 'spec.clusterIP', '10.43.0.10'), addressed),
      'spec.clusterIPs[0]: Invalid value: ["10.43.0.10"]: may not change once set (it was ["10.43.0.9"])',
    );
    expectProblem(
      updateProblems(plain, addressed),
      'spec.clusterIPs[0]: Invalid value: []: primary clusterIP can not be unset (it was "10.43.0.9")',
    );
    expectProblem(
      updateProblems(withValue(headless, 'spec.clusterIP', '10.43.0.10'), headless),
      'spec.clusterIPs[0]: Invalid value: ["10.43.0.10"]: may not change once set (it was ["None"])',
    );
    expect(updateProblems(addressed, plain)).toEqual([]);
  });

  it('may not change the class of its load balancer', () => {
    const old = withValue(balanced, 'spec.loadBalancerClass', 'a');
    expectProblem(
      updateProblems(withValue(old, 'spec.loadBalancerClass', 'b'), old),
      'spec.loadBalancerClass: Invalid value: "b": field is immutable (it was "a")',
    );
  });
});

describe('a service is shown', () => {
  const cells = (json: Json): string[] => {
    const object = readObject<corev1.Service>(json);
    return service.columns.map((column) => column.cell(object));
  };
  it('with the columns of kubectl', () => {
    expect(service.columns.map(({ name }) => name).join(' ')).toBe(
      'NAME TYPE CLUSTER-IP EXTERNAL-IP PORT(S) AGE SELECTOR',
    );
    expect(cells(plain)).toEqual(['web', 'ClusterIP', '<none>', '<none>', '80/TCP', '', 'app=web']);
    expect(cells(headless).slice(1, 4)).toEqual(['ClusterIP', 'None', '<none>']);
    expect(cells(named).slice(1, 5)).toEqual(['ExternalName', '<none>', 'db.example.com', '<none>']);
    expect(cells(balanced)[3]).toBe('<pending>');
    const status: Json = { loadBalancer: { ingress: [{ ip: '1.2.3.4' }, { hostname: 'a.b' }] } };
    const served = withValue(withValue(balanced, 'status', status), 'spec.ports.0.nodePort', 30_001);
    expect(cells(served).slice(3, 5)).toEqual(['1.2.3.4,a.b', '80:30001/TCP']);
    expect(toJson(KINDS.Service.messageName, readObject(served))).toMatchObject({
      status: { loadBalancer: { ingress: [{ ip: '1.2.3.4', ipMode: 'VIP' }, { hostname: 'a.b' }] } },
    });
  });

  it.each<[json: Json, lines: string[]]>([
    [plain, []],
    [
      withValue(headless, 'spec.sessionAffinity', 'ClientIP'),
      ['spec.SessionAffinity is ignored for headless services'],
    ],
    [withValue(plain, 'spec.ipFamilies', ['IPv6']), ['spec.ipFamilies: IPv6 is not configured on this cluster']],
    [
      withValue(plain, 'spec.ipFamilyPolicy', 'RequireDualStack'),
      ['spec.ipFamilyPolicy: this cluster is not configured for dual-stack services'],
    ],
    [withValue(headless, 'spec.selector', undefined), []],
  ])('with its warnings: row %#', (json, lines) => {
    expect(service.warnings?.(readObject(json))).toEqual(lines);
  });

  it('by its address and type', () => {
    const object = readObject<corev1.Service>(addressed);
    const fields = Object.entries(service.selectableFields ?? {}).map(([name, value]) => [name, value(object)]);
    expect(fields).toEqual([
      ['spec.clusterIP', '10.43.0.9'],
      ['spec.type', 'ClusterIP'],
    ]);
  });

  it('with a status that makes sense', () => {
    const with_ = (address: Json): string[] => {
      const object = readObject<corev1.Service>(
        withValue(balanced, 'status', { loadBalancer: { ingress: [address] } }),
      );
      return (service.validateStatusUpdate?.(object, {}) ?? []).map(({ field, message }) => `${field}: ${message}`);
    };
    expect(with_({ ip: '1.2.3.4' })).toEqual([]);
    expectProblem(with_({ ip: 'x' }), 'status.loadBalancer.ingress[0].ip: Invalid value: "x": must be a valid IP…');
    expectProblem(
      with_({ hostname: '1.2.3.4' }),
      'status.loadBalancer.ingress[0].hostname: Invalid value: "1.2.3.4": must…',
    );
    expectProblem(
      with_({ hostname: 'a.b', ipMode: 'VIP' }),
      'status.loadBalancer.ingress[0].ipMode: Forbidden: may not be specified when `ip` is not set',
    );
  });
});
