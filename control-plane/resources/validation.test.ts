import { describe, expect, it } from 'vitest';
import { resolveResource } from './registry.ts';
import { definitionFor, problemsOf, readObject, updateProblems, withValue } from './test-objects.ts';
import { expectProblem, type Row, VALID, valid } from './valid-objects.ts';
import { invalidObject, validateObject } from './validate-object.ts';

const C = 'spec.containers.0';
const c = 'spec.containers[0]';
const long = (n: number): string => 'a'.repeat(n);

describe('an object of each kind', () => {
  it.each(Object.keys(VALID))('%s is valid', (kind) => {
    expect(problemsOf(valid(kind))).toEqual([]);
  });

  it.each(Object.keys(VALID))('%s may be replaced by itself', (kind) => {
    expect(updateProblems(valid(kind), valid(kind))).toEqual([]);
  });
});

describe('metadata', () => {
  it.each<Row>([
    ['Pod', 'metadata.name', undefined, 'metadata.name: Required value: name or generateName is required'],
    [
      'Pod',
      'metadata.name',
      'Web',
      'metadata.name: Invalid value: "Web": a lowercase RFC 1123 subdomain must consist of lower case…',
    ],
    ['Pod', 'metadata.name', 'web_1', 'metadata.name: Invalid value: "web_1": a lowercase RFC 1123 subdomain…'],
    ['Pod', 'metadata.name', long(254), `metadata.name: Invalid value: "${'a'.repeat(199)}…`],
    [
      'Namespace',
      'metadata.name',
      'a.b',
      'metadata.name: Invalid value: "a.b": a lowercase RFC 1123 label must consist of lower case…',
    ],
    [
      'Pod',
      'metadata.namespace',
      long(64),
      `metadata.namespace: Invalid value: "${long(64)}": must be no more than 63 bytes`,
    ],
    ['Namespace', 'metadata.namespace', 'x', 'metadata.namespace: Forbidden: not allowed on this type'],
    ['Pod', 'metadata.namespace', undefined, 'metadata.namespace: Required value'],
    ['Pod', 'metadata.namespace', 'A', 'metadata.namespace: Invalid value: "A": a lowercase RFC 1123 label…'],
    [
      'Pod',
      'metadata.generateName',
      'A-',
      'metadata.generateName: Invalid value: "A-": a lowercase RFC 1123 subdomain…',
    ],
    [
      'Pod',
      'metadata.labels',
      { '-a': '1' },
      'metadata.labels.-a: Invalid value: "-a": name part must consist of alphanumeric…',
    ],
    [
      'Pod',
      'metadata.labels',
      { '/a': '1' },
      'metadata.labels[/a]: Invalid value: "/a": prefix part must be non-empty',
    ],
    [
      'Pod',
      'metadata.labels',
      { a: 'b c' },
      'metadata.labels.a: Invalid value: "b c": a valid label must be an empty string or consist of…',
    ],
    [
      'Pod',
      'metadata.labels',
      { a: long(64) },
      `metadata.labels.a: Invalid value: "${long(64)}": must be no more than 63 bytes`,
    ],
    [
      'Pod',
      'metadata.annotations',
      { 'a b': '1' },
      'metadata.annotations.a b: Invalid value: "a b": name part must consist of…',
    ],
    [
      'Pod',
      'metadata.annotations',
      { a: long(262_144) },
      'metadata.annotations: Too long: may not be more than 262144 bytes',
    ],
    [
      'Pod',
      'metadata.finalizers',
      ['mine'],
      'metadata.finalizers[0]: Invalid value: "mine": name is neither a standard finalizer name nor is it fully qualified',
    ],
    [
      'Pod',
      'metadata.ownerReferences',
      [{ apiVersion: 'v1', kind: 'Pod', name: 'a' }],
      'metadata.ownerReferences[0].uid: Required value',
    ],
    [
      'Pod',
      'metadata.ownerReferences',
      ['a', 'b'].map((name) => ({ apiVersion: 'v1', kind: 'Pod', name, uid: name, controller: true })),
      'metadata.ownerReferences: Invalid value: ["Pod/a","Pod/b"]: Only one reference can have Controller set to true…',
    ],
  ])('of %s: %s', (kind, path, value, problem) => {
    expectProblem(problemsOf(withValue(valid(kind), path, value)), problem);
  });

  it('may have a generated name and any annotation', () => {
    const json = withValue(withValue(valid('Pod'), 'metadata.name', undefined), 'metadata.generateName', 'web-');
    expect(problemsOf(withValue(json, 'metadata.annotations', { 'Example.com/Any': '{"x": "y z"}' }))).toEqual([]);
  });
});

describe('workloads', () => {
  const S = 'spec.strategy';
  it.each<Row>([
    ['Deployment', 'spec.selector', undefined, 'spec.selector: Required value'],
    ['Deployment', 'spec.selector', {}, 'spec.selector: Invalid value: {}: empty selector is invalid for deployment'],
    ['ReplicaSet', 'spec.selector', {}, 'spec.selector: Invalid value: {}: empty selector is invalid for replicaset'],
    [
      'Deployment',
      'spec.selector.matchLabels',
      { app: 'db' },
      'spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does not match template `labels`',
    ],
    [
      'Deployment',
      'spec.selector.matchExpressions',
      [{ key: 'app', operator: 'Near' }],
      'spec.selector.matchExpressions[0].operator: Unsupported value: "Near": supported values: "DoesNotExist", "Exists", "In", "NotIn"',
    ],
    [
      'Deployment',
      'spec.selector.matchExpressions',
      [{ key: 'app', operator: 'In' }],
      `spec.selector.matchExpressions[0].values: Required value: must be specified when \`operator\` is 'In' or 'NotIn'`,
    ],
    ['ReplicaSet', 'spec.template', undefined, 'spec.template: Required value'],
    ['Deployment', 'spec.template', undefined, 'spec.template: Required value'],
    ['Deployment', 'spec.replicas', -1, 'spec.replicas: Invalid value: -1: must be greater than or equal to 0'],
    [
      'Deployment',
      'spec.progressDeadlineSeconds',
      0,
      'spec.progressDeadlineSeconds: Invalid value: 0: must be greater than minReadySeconds',
    ],
    [
      'Deployment',
      'spec.template.spec.restartPolicy',
      'Never',
      'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"',
    ],
    [
      'Deployment',
      'spec.template.spec.containers.0.image',
      undefined,
      'spec.template.spec.containers[0].image: Required value',
    ],
    [
      'Deployment',
      'spec.template.spec.activeDeadlineSeconds',
      5,
      'spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in Deployment is not Supported',
    ],
    [
      'Deployment',
      S,
      { type: 'BlueGreen' },
      `${S}.type: Unsupported value: "BlueGreen": supported values: "Recreate", "RollingUpdate"`,
    ],
    [
      'Deployment',
      S,
      { type: 'Recreate', rollingUpdate: {} },
      `${S}.rollingUpdate: Forbidden: may not be specified when strategy \`type\` is 'Recreate'`,
    ],
    [
      'Deployment',
      S,
      { rollingUpdate: { maxSurge: 'many' } },
      `${S}.rollingUpdate.maxSurge: Invalid value: "many": must be an integer or percentage (e.g '5%')`,
    ],
    [
      'Deployment',
      S,
      { rollingUpdate: { maxUnavailable: '101%' } },
      `${S}.rollingUpdate.maxUnavailable: Invalid value: "101%": must not be greater than 100%`,
    ],
    [
      'Deployment',
      S,
      { rollingUpdate: { maxUnavailable: 0, maxSurge: '0%' } },
      `${S}.rollingUpdate.maxUnavailable: Invalid value: "0": may not be 0 when \`maxSurge\` is 0`,
    ],
    [
      'Deployment',
      S,
      { rollingUpdate: { maxSurge: -1 } },
      `${S}.rollingUpdate.maxSurge: Invalid value: -1: must be greater than or equal to 0`,
    ],
  ])('of %s: %s %j', (kind, path, value, problem) => {
    const problems = problemsOf(withValue(valid(kind), path, value));
    // A template is also matched against the selector.
    expectProblem(
      problems.filter((p) => path !== 'spec.template' || !p.includes('does not match')),
      problem,
    );
  });
});

describe('the other kinds', () => {
  it.each<Row>([
    ['ConfigMap', 'data', { 'a/b': '1' }, 'data[a/b]: Invalid value: "a/b": a valid config key must consist of…'],
    ['ConfigMap', 'binaryData', { a: 'eA==' }, 'data.a: Invalid value: "a": duplicate of key present in binaryData'],
    ['ConfigMap', 'data', { a: long(1_048_577) }, ': Too long: may not be more than 1048576 bytes'],
    ['Secret', 'stringData', { '..': 'x' }, `data[..]: Invalid value: "..": must not be '..'`],
    ['Secret', 'type', 'kubernetes.io/ssh-auth', 'data.ssh-privatekey: Required value'],
    ['Secret', 'type', 'kubernetes.io/dockerconfigjson', 'data[.dockerconfigjson]: Required value'],
    [
      'Node',
      'spec.taints',
      [{ key: 'a', effect: 'Never' }],
      'spec.taints[0].effect: Unsupported value: "Never": supported values: "NoExecute", "NoSchedule", "PreferNoSchedule"',
    ],
    ['Node', 'spec.taints', [{ effect: 'NoSchedule' }], 'spec.taints[0].key: Required value'],
    [
      'Node',
      'spec.taints',
      [
        { key: 'a', effect: 'NoSchedule' },
        { key: 'a', effect: 'NoSchedule', value: 'v' },
      ],
      'spec.taints[1]: Duplicate value: {"key":"a","value":"v","effect":"NoSchedule"}',
    ],
    ['Node', 'spec.podCIDR', '10.42.0.0', 'spec.podCIDRs[0]: Invalid value: "10.42.0.0": must be a valid CIDR value…'],
    [
      'Event',
      'involvedObject.namespace',
      'other',
      'involvedObject.namespace: Invalid value: "other": does not match event.namespace',
    ],
    ['Lease', 'spec.leaseDurationSeconds', 0, 'spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0'],
    [
      'Namespace',
      'spec.finalizers',
      ['mine'],
      'spec.finalizers[0]: Invalid value: "mine": name is neither a standard finalizer name…',
    ],
  ])('of %s: %s', (kind, path, value, problem) => {
    expectProblem(problemsOf(withValue(valid(kind), path, value)), problem);
  });

  it('never show the contents of a secret', () => {
    const json = withValue(withValue(valid('Secret'), 'type', 'kubernetes.io/dockercfg'), 'stringData', {
      '.dockercfg': 'hunter2',
    });
    expectProblem(
      problemsOf(json),
      'data[.dockercfg]: Invalid value: "<secret contents redacted>": must be valid JSON',
    );
  });

  it('need both halves of a TLS secret, and one of a name and a password', () => {
    expect(problemsOf(withValue(valid('Secret'), 'type', 'kubernetes.io/tls'))).toEqual([
      'data[tls.crt]: Required value',
      'data[tls.key]: Required value',
    ]);
    const basic = withValue(valid('Secret'), 'type', 'kubernetes.io/basic-auth');
    expect(problemsOf(basic)).toHaveLength(2);
    expect(problemsOf(withValue(basic, 'stringData', { password: 'x' }))).toEqual([]);
  });
});

describe('the refusal', () => {
  it('names the object, every field and every rule', () => {
    const json = withValue(withValue(valid('Deployment'), 'spec.replicas', -1), 'spec.minReadySeconds', -2);
    const error = invalidObject(
      resolveResource('deploy'),
      'web',
      validateObject(definitionFor(json), readObject(json)),
    );
    expect(error.reason).toBe('Invalid');
    expect(error.causes.map((cause) => cause.reason)).toEqual(['FieldValueInvalid', 'FieldValueInvalid']);
    expect(error.message).toBe(
      'Deployment.apps "web" is invalid: [spec.replicas: Invalid value: -1: must be greater than or equal to 0, ' +
        'spec.minReadySeconds: Invalid value: -2: must be greater than or equal to 0]',
    );
  });
});

describe('warnings', () => {
  it('say what is valid and surely not meant', () => {
    const json = withValue(
      withValue(valid('Pod'), `${C}.env`, [
        { name: 'A', value: '1' },
        { name: 'A', value: '2' },
      ]),
      `${C}.resources`,
      { limits: { memory: '100m', 'ephemeral-storage': '1Gi' } },
    );
    expect(problemsOf(json)).toEqual([]);
    expect(definitionFor(json).warnings?.(readObject(json))).toEqual([
      `${c}.resources.limits.ephemeral-storage is stored but the node does not limit the use of its disk yet`,
      `${c}.env[1]: hides an earlier definition of "A"`,
      `${c}.resources.requests.memory: fractional byte value "100m", must be an integer`,
      `${c}.resources.limits.memory: fractional byte value "100m", must be an integer`,
    ]);
  });
});
