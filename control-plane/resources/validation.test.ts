import { describe, expect, it } from 'vitest';
import type { Json } from '../../proto/index.ts';
import { resolveResource } from './registry.ts';
import { definitionFor, problemsOf, readObject, updateProblems, withValue } from './test-objects.ts';
import { invalidObject, validateObject } from './validate-object.ts';

const template: Json = {
  metadata: { labels: { app: 'web' } },
  spec: { containers: [{ name: 'web', image: 'nginx:1.25' }] },
};

/** One valid object of each kind; every row of the tables below changes one field of one of them. */
const VALID: Readonly<Record<string, Json>> = {
  Namespace: { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } },
  Node: {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: 'n1' },
    spec: { podCIDR: '10.42.0.0/24', providerID: 'x://1' },
  },
  Pod: {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'web', namespace: 'shop' },
    spec: {
      containers: [{ name: 'web', image: 'nginx:1.25' }],
      initContainers: [{ name: 'init', image: 'busybox:1.0' }],
      tolerations: [{ key: 'k', operator: 'Exists' }],
      volumes: [{ name: 'data', emptyDir: {} }],
    },
  },
  ReplicaSet: {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    metadata: { name: 'web', namespace: 'shop' },
    spec: { selector: { matchLabels: { app: 'web' } }, template },
  },
  Deployment: {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web', namespace: 'shop' },
    spec: { selector: { matchLabels: { app: 'web' } }, template },
  },
  ConfigMap: { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'c', namespace: 'shop' }, data: { a: '1' } },
  Secret: { apiVersion: 'v1', kind: 'Secret', metadata: { name: 's', namespace: 'shop' }, stringData: { a: '1' } },
  Event: {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { name: 'e', namespace: 'shop' },
    involvedObject: { kind: 'Pod', namespace: 'shop', name: 'web' },
  },
  Lease: {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { name: 'l', namespace: 'shop' },
    spec: { leaseDurationSeconds: 15 },
  },
};

const valid = (kind: string): Json => VALID[kind] ?? null;

type Row = readonly [kind: string, path: string, value: Json | undefined, problem: string];

/** Asserts that the one problem is `problem`, or starts with it when it ends in `…`. */
function expectProblem(problems: readonly string[], problem: string): void {
  expect(problems).toHaveLength(1);
  if (problem.endsWith('…')) expect(problems[0]?.slice(0, problem.length - 1)).toBe(problem.slice(0, -1));
  else expect(problems[0]).toBe(problem);
}

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

describe('a pod', () => {
  it.each<Row>([
    ['Pod', 'spec.containers', undefined, 'spec.containers: Required value'],
    ['Pod', `${C}.name`, undefined, `${c}.name: Required value`],
    ['Pod', `${C}.name`, 'Web', `${c}.name: Invalid value: "Web": a lowercase RFC 1123 label…`],
    ['Pod', `${C}.name`, 'init', 'spec.initContainers[0].name: Duplicate value: "init"'],
    ['Pod', `${C}.image`, undefined, `${c}.image: Required value`],
    [
      'Pod',
      `${C}.image`,
      ' nginx',
      `${c}.image: Invalid value: " nginx": must not have leading or trailing whitespace`,
    ],
    [
      'Pod',
      `${C}.imagePullPolicy`,
      'Sometimes',
      `${c}.imagePullPolicy: Unsupported value: "Sometimes": supported values: "Always", "IfNotPresent", "Never"`,
    ],
    [
      'Pod',
      'spec.restartPolicy',
      'Maybe',
      'spec.restartPolicy: Unsupported value: "Maybe": supported values: "Always", "Never", "OnFailure"',
    ],
    ['Pod', 'spec.dnsPolicy', 'Mine', 'spec.dnsPolicy: Unsupported value: "Mine": supported values: "ClusterFirst", …'],
    [
      'Pod',
      'spec.dnsPolicy',
      'None',
      'spec.dnsConfig.nameservers: Required value: must provide at least one DNS nameserver when `dnsPolicy` is None',
    ],
    [
      'Pod',
      'spec.dnsConfig',
      { nameservers: ['dns'] },
      'spec.dnsConfig.nameservers[0]: Invalid value: "dns": must be a valid IP address…',
    ],
    ['Pod', 'spec.hostname', 'a.b', 'spec.hostname: Invalid value: "a.b": a lowercase RFC 1123 label…'],
    [
      'Pod',
      'spec.hostAliases',
      [{ ip: '1.2.3' }],
      'spec.hostAliases[0].ip: Invalid value: "1.2.3": must be a valid IP address…',
    ],
    [
      'Pod',
      'spec.activeDeadlineSeconds',
      0,
      'spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive',
    ],
    [
      'Pod',
      'spec.terminationGracePeriodSeconds',
      -1,
      'spec.terminationGracePeriodSeconds: Invalid value: -1: must be greater than or equal to 0',
    ],
    [
      'Pod',
      'spec.nodeSelector',
      { disk: 's s d' },
      'spec.nodeSelector.disk: Invalid value: "s s d": a valid label must be…',
    ],
    ['Pod', 'spec.imagePullSecrets', [{}], 'spec.imagePullSecrets[0].name: Required value'],
    [
      'Pod',
      'spec.initContainers.0.readinessProbe',
      { tcpSocket: { port: 1 } },
      'spec.initContainers[0].readinessProbe: Forbidden: may not be set for init containers without restartPolicy=Always',
    ],
  ])('of %s: %s', (kind, path, value, problem) => {
    expectProblem(problemsOf(withValue(valid(kind), path, value)), problem);
  });

  it.each<Row>([
    ['Pod', `${C}.ports`, [{}], `${c}.ports[0].containerPort: Required value`],
    [
      'Pod',
      `${C}.ports`,
      [{ containerPort: 70_000 }],
      `${c}.ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive`,
    ],
    [
      'Pod',
      `${C}.ports`,
      [{ containerPort: 80, hostPort: -1 }],
      `${c}.ports[0].hostPort: Invalid value: -1: must be between 1 and 65535, inclusive`,
    ],
    [
      'Pod',
      `${C}.ports`,
      [{ containerPort: 80, protocol: 'tcp' }],
      `${c}.ports[0].protocol: Unsupported value: "tcp": supported values: "SCTP", "TCP", "UDP"`,
    ],
    [
      'Pod',
      `${C}.ports`,
      [{ containerPort: 80, name: 'a-much-too-long-name' }],
      `${c}.ports[0].name: Invalid value: "a-much-too-long-name": must be no more than 15 characters`,
    ],
    [
      'Pod',
      `${C}.ports`,
      [
        { containerPort: 80, name: 'a' },
        { containerPort: 81, name: 'a' },
      ],
      `${c}.ports[1].name: Duplicate value: "a"`,
    ],
    [
      'Pod',
      `${C}.ports`,
      [
        { containerPort: 80, hostPort: 8080 },
        { containerPort: 81, hostPort: 8080 },
      ],
      `${c}.ports[1].hostPort: Duplicate value: "TCP//8080"`,
    ],
    ['Pod', `${C}.env`, [{ value: 'x' }], `${c}.env[0].name: Required value`],
    [
      'Pod',
      `${C}.env`,
      [{ name: 'A=B' }],
      `${c}.env[0].name: Invalid value: "A=B": a valid environment variable name must consist only of…`,
    ],
    [
      'Pod',
      `${C}.env`,
      [{ name: 'A', valueFrom: {} }],
      `${c}.env[0].valueFrom: Invalid value: "": must specify one of: …`,
    ],
    [
      'Pod',
      `${C}.env`,
      [{ name: 'A', value: 'x', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }],
      `${c}.env[0].valueFrom: Invalid value: "": may not be specified when \`value\` is not empty`,
    ],
    [
      'Pod',
      `${C}.env`,
      [{ name: 'A', valueFrom: { fieldRef: { fieldPath: 'spec.replicas' } } }],
      `${c}.env[0].valueFrom.fieldRef.fieldPath: Unsupported value: "spec.replicas": supported values: "metadata.name", …`,
    ],
    [
      'Pod',
      `${C}.env`,
      [{ name: 'A', valueFrom: { configMapKeyRef: { name: 'c' } } }],
      `${c}.env[0].valueFrom.configMapKeyRef.key: Required value`,
    ],
    [
      'Pod',
      `${C}.env`,
      [{ name: 'A', valueFrom: { secretKeyRef: { key: 'k' } } }],
      `${c}.env[0].valueFrom.secretKeyRef.name: Required value`,
    ],
    [
      'Pod',
      `${C}.env`,
      [{ name: 'A', valueFrom: { resourceFieldRef: { resource: 'limits.disk' } } }],
      `${c}.env[0].valueFrom.resourceFieldRef.resource: Unsupported value: "limits.disk": supported values: "limits.cpu", …`,
    ],
    [
      'Pod',
      `${C}.env`,
      [{ name: 'A', valueFrom: { resourceFieldRef: { resource: 'limits.cpu', divisor: '2' } } }],
      `${c}.env[0].valueFrom.resourceFieldRef.divisor: Invalid value: "2": only divisor's values 1m and 1 are supported with the cpu resource`,
    ],
    [
      'Pod',
      `${C}.envFrom`,
      [{ prefix: 'A' }],
      `${c}.envFrom[0]: Invalid value: "": must specify one of: \`configMapRef\` or \`secretRef\``,
    ],
    [
      'Pod',
      `${C}.resources`,
      { requests: { cpu: '2' }, limits: { cpu: '1' } },
      `${c}.resources.requests.cpu: Invalid value: "2": must be less than or equal to cpu limit of 1`,
    ],
    [
      'Pod',
      `${C}.resources`,
      { requests: { memory: '-1' } },
      `${c}.resources.requests.memory: Invalid value: "-1": must be greater than or equal to 0`,
    ],
    [
      'Pod',
      `${C}.resources`,
      { requests: { disk: '1' } },
      `${c}.resources.requests.disk: Invalid value: "disk": must be a standard resource for containers`,
    ],
    [
      'Pod',
      `${C}.resources`,
      { requests: { 'x.io/gpu': '1' } },
      `${c}.resources.limits[x.io/gpu]: Required value: Limit must be set for non overcommitable resources`,
    ],
    [
      'Pod',
      `${C}.livenessProbe`,
      { periodSeconds: 5 },
      `${c}.livenessProbe: Required value: must specify a handler type`,
    ],
    [
      'Pod',
      `${C}.livenessProbe`,
      { exec: { command: ['a'] }, tcpSocket: { port: 1 } },
      `${c}.livenessProbe.tcpSocket: Forbidden: may not specify more than 1 handler type`,
    ],
    ['Pod', `${C}.livenessProbe`, { httpGet: {} }, `${c}.livenessProbe.httpGet.port: Required value`],
    [
      'Pod',
      `${C}.livenessProbe`,
      { httpGet: { port: 0 } },
      `${c}.livenessProbe.httpGet.port: Invalid value: 0: must be between 1 and 65535, inclusive`,
    ],
    [
      'Pod',
      `${C}.livenessProbe`,
      { tcpSocket: { port: 'a--b' } },
      `${c}.livenessProbe.tcpSocket.port: Invalid value: "a--b": must not contain consecutive hyphens`,
    ],
    ['Pod', `${C}.livenessProbe`, { exec: {} }, `${c}.livenessProbe.exec.command: Required value`],
    [
      'Pod',
      `${C}.livenessProbe`,
      { exec: { command: ['a'] }, successThreshold: 2 },
      `${c}.livenessProbe.successThreshold: Invalid value: 2: must be 1`,
    ],
    [
      'Pod',
      `${C}.readinessProbe`,
      { exec: { command: ['a'] }, timeoutSeconds: -1 },
      `${c}.readinessProbe.timeoutSeconds: Invalid value: -1: must be greater than or equal to 0`,
    ],
    [
      'Pod',
      `${C}.readinessProbe`,
      { exec: { command: ['a'] }, terminationGracePeriodSeconds: 3 },
      `${c}.readinessProbe.terminationGracePeriodSeconds: Invalid value: 3: must not be set for readinessProbes`,
    ],
    ['Pod', `${C}.lifecycle`, { preStop: {} }, `${c}.lifecycle.preStop: Required value: must specify a handler type`],
    [
      'Pod',
      `${C}.lifecycle`,
      { preStop: { sleep: { seconds: 31 } } },
      `${c}.lifecycle.preStop.sleep: Invalid value: 31: must be non-negative and less than…`,
    ],
    [
      'Pod',
      `${C}.securityContext`,
      { runAsUser: -1 },
      `${c}.securityContext.runAsUser: Invalid value: -1: must be between 0 and 2147483647, inclusive`,
    ],
    [
      'Pod',
      `${C}.securityContext`,
      { privileged: true, allowPrivilegeEscalation: false },
      `${c}.securityContext.allowPrivilegeEscalation: Invalid value: false: cannot set \`allowPrivilegeEscalation\` to false and \`privileged\` to true`,
    ],
    [
      'Pod',
      `${C}.securityContext`,
      { seccompProfile: { type: 'Localhost' } },
      `${c}.securityContext.seccompProfile.localhostProfile: Required value: must be set when seccomp type is Localhost`,
    ],
    ['Pod', `${C}.volumeMounts`, [{ name: 'other', mountPath: '/x' }], `${c}.volumeMounts[0].name: Not found: "other"`],
    ['Pod', `${C}.volumeMounts`, [{ name: 'data' }], `${c}.volumeMounts[0].mountPath: Required value`],
    [
      'Pod',
      `${C}.volumeMounts`,
      [
        { name: 'data', mountPath: '/x' },
        { name: 'data', mountPath: '/x' },
      ],
      `${c}.volumeMounts[1].mountPath: Invalid value: "/x": must be unique`,
    ],
    [
      'Pod',
      `${C}.volumeMounts`,
      [{ name: 'data', mountPath: '/x', subPath: '../y' }],
      `${c}.volumeMounts[0].subPath: Invalid value: "../y": must not contain '..'`,
    ],
    [
      'Pod',
      `${C}.volumeMounts`,
      [{ name: 'data', mountPath: '/x', mountPropagation: 'Bidirectional' }],
      `${c}.volumeMounts[0].mountPropagation: Forbidden: Bidirectional mount propagation is available only to privileged containers`,
    ],
  ])('container of %s: %s %j', (kind, path, value, problem) => {
    expectProblem(problemsOf(withValue(valid(kind), path, value)), problem);
  });

  it.each<Row>([
    ['Pod', 'spec.volumes', [{ emptyDir: {} }], 'spec.volumes[0].name: Required value'],
    ['Pod', 'spec.volumes', [{ name: 'a' }, { name: 'a' }], 'spec.volumes[1].name: Duplicate value: "a"'],
    [
      'Pod',
      'spec.volumes',
      [{ name: 'a', emptyDir: {}, hostPath: { path: '/x' } }],
      'spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type',
    ],
    [
      'Pod',
      'spec.volumes',
      [{ name: 'a', emptyDir: { medium: 'Tape' } }],
      'spec.volumes[0].emptyDir.medium: Unsupported value: "Tape": supported values: "", "Memory"',
    ],
    ['Pod', 'spec.volumes', [{ name: 'a', hostPath: {} }], 'spec.volumes[0].hostPath.path: Required value'],
    [
      'Pod',
      'spec.volumes',
      [{ name: 'a', hostPath: { path: '/a/../b' } }],
      `spec.volumes[0].hostPath.path: Invalid value: "/a/../b": must not contain '..'`,
    ],
    [
      'Pod',
      'spec.volumes',
      [{ name: 'a', hostPath: { path: '/a', type: 'Dir' } }],
      'spec.volumes[0].hostPath.type: Unsupported value: "Dir": supported values: "", …',
    ],
    ['Pod', 'spec.volumes', [{ name: 'a', configMap: {} }], 'spec.volumes[0].configMap.name: Required value'],
    ['Pod', 'spec.volumes', [{ name: 'a', secret: {} }], 'spec.volumes[0].secret.secretName: Required value'],
    [
      'Pod',
      'spec.volumes',
      [{ name: 'a', secret: { secretName: 's', defaultMode: 1000 } }],
      'spec.volumes[0].secret.defaultMode: Invalid value: 1000: must be a number between 0 and 0777 (octal), both inclusive',
    ],
    [
      'Pod',
      'spec.volumes',
      [{ name: 'a', configMap: { name: 'c', items: [{ key: 'k', path: '/p' }] } }],
      'spec.volumes[0].configMap.items[0].path: Invalid value: "/p": must be a relative path',
    ],
    [
      'Pod',
      'spec.volumes',
      [{ name: 'a', downwardAPI: { items: [{ path: 'p' }] } }],
      'spec.volumes[0].downwardAPI.items[0]: Required value: one of fieldRef and resourceFieldRef is required',
    ],
    [
      'Pod',
      'spec.volumes',
      [{ name: 'a', persistentVolumeClaim: {} }],
      'spec.volumes[0].persistentVolumeClaim.claimName: Required value',
    ],
    [
      'Pod',
      'spec.tolerations',
      [{ operator: 'Equal', value: 'v' }],
      'spec.tolerations[0].operator: Invalid value: "Equal": operator must be Exists when `key` is empty…',
    ],
    [
      'Pod',
      'spec.tolerations',
      [{ key: 'k', operator: 'Exists', value: 'v' }],
      `spec.tolerations[0].operator: Invalid value: "Exists": value must be empty when \`operator\` is 'Exists'`,
    ],
    [
      'Pod',
      'spec.tolerations',
      [{ key: 'k', tolerationSeconds: 5 }],
      `spec.tolerations[0].effect: Invalid value: "": effect must be 'NoExecute' when \`tolerationSeconds\` is set`,
    ],
    [
      'Pod',
      'spec.affinity',
      { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: {} } },
      'spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms: Required value',
    ],
    [
      'Pod',
      'spec.affinity',
      {
        nodeAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: {
            nodeSelectorTerms: [{ matchExpressions: [{ key: 'a', operator: 'In' }] }],
          },
        },
      },
      `spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[0].values: Required value: must be specified when \`operator\` is 'In' or 'NotIn'`,
    ],
    [
      'Pod',
      'spec.affinity',
      { nodeAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 101, preference: {} }] } },
      'spec.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].weight: Invalid value: 101: must be in the range 1-100',
    ],
    [
      'Pod',
      'spec.topologySpreadConstraints',
      [{ topologyKey: 'zone', whenUnsatisfiable: 'DoNotSchedule' }],
      'spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than zero',
    ],
    [
      'Pod',
      'spec.securityContext',
      { sysctls: [{ name: 'a..b', value: '1' }] },
      'spec.securityContext.sysctls[0].name: Invalid value: "a..b": must have at most 253 characters and match…',
    ],
  ])('volumes and scheduling of %s: %s %j', (kind, path, value, problem) => {
    expectProblem(problemsOf(withValue(valid(kind), path, value)), problem);
  });

  it('is told all its problems at once', () => {
    const json = withValue(withValue(valid('Pod'), `${C}.image`, undefined), 'spec.dnsPolicy', 'Mine');
    expect(problemsOf(withValue(json, 'metadata.name', 'A'))).toHaveLength(3);
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

describe('an update', () => {
  const sealed = (kind: string): Json => withValue(valid(kind), 'immutable', true);
  it.each<Row>([
    ['Deployment', 'metadata.name', 'other', 'metadata.name: Invalid value: "other": field is immutable'],
    [
      'Pod',
      'spec.hostname',
      'other',
      'spec.hostname: Forbidden: pod updates may not change fields other than `spec.containers[*].image`…',
    ],
    ['Pod', `${C}.command`, ['x'], `${c}.command: Forbidden: pod updates may not change fields other than…`],
    ['Pod', 'spec.nodeName', 'n1', 'spec.nodeName: Forbidden: pod updates may not change fields other than…'],
    [
      'Pod',
      'spec.containers',
      [
        { name: 'web', image: 'nginx:1.25' },
        { name: 'b', image: 'b' },
      ],
      'spec.containers: Forbidden: pod updates may not add or remove containers',
    ],
    [
      'Pod',
      'spec.tolerations',
      [{ key: 'other', operator: 'Exists' }],
      'spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds',
    ],
    [
      'Pod',
      'spec.schedulingGates',
      [{ name: 'g' }],
      `spec.schedulingGates: Forbidden: only deletion is allowed, but found new scheduling gate 'g'`,
    ],
    ['Secret', 'type', 'other', 'type: Invalid value: "other": field is immutable (it was "Opaque")'],
    [
      'Node',
      'spec.providerID',
      'x://2',
      'spec.providerID: Forbidden: node updates may not change providerID except from "" to valid',
    ],
  ])('of %s may not change %s', (kind, path, value, problem) => {
    expectProblem(updateProblems(withValue(valid(kind), path, value), valid(kind)), problem);
  });

  it.each<readonly [kind: string, path: string, value: Json | undefined]>([
    ['Pod', `${C}.image`, 'nginx:1.26'],
    ['Pod', 'spec.initContainers.0.image', 'busybox:1'],
    ['Pod', 'spec.activeDeadlineSeconds', 30],
    [
      'Pod',
      'spec.tolerations',
      [
        { key: 'k', operator: 'Exists' },
        { key: 'l', operator: 'Exists' },
      ],
    ],
    ['Pod', 'metadata.labels', { a: 'b' }],
    ['Deployment', 'spec.replicas', 5],
    ['Deployment', 'spec.template.spec.hostname', 'other'],
    ['ConfigMap', 'data', { b: '2' }],
    ['ConfigMap', 'immutable', true],
    ['Node', 'spec.unschedulable', true],
  ])('of %s may change %s', (kind, path, value) => {
    expect(updateProblems(withValue(valid(kind), path, value), valid(kind))).toEqual([]);
  });

  it('of a selector names what it was', () => {
    const json = withValue(valid('Deployment'), 'spec.selector.matchLabels', { app: 'web', tier: 'x' });
    const both = withValue(json, 'spec.template.metadata.labels', { app: 'web', tier: 'x' });
    expectProblem(
      updateProblems(both, valid('Deployment')),
      'spec.selector: Invalid value: {"matchLabels":{"app":"web","tier":"x"}}: field is immutable (it was {"matchLabels":{"app":"web"}})',
    );
  });

  it('may shorten a deadline, never lengthen or remove it', () => {
    const old = withValue(valid('Pod'), 'spec.activeDeadlineSeconds', 30);
    expect(updateProblems(withValue(old, 'spec.activeDeadlineSeconds', 20), old)).toEqual([]);
    expectProblem(
      updateProblems(withValue(old, 'spec.activeDeadlineSeconds', 40), old),
      'spec.activeDeadlineSeconds: Invalid value: 40: must be less than…',
    );
    expectProblem(
      updateProblems(valid('Pod'), old),
      'spec.activeDeadlineSeconds: Invalid value: null: must not update from a positive integer…',
    );
  });

  it.each(['ConfigMap', 'Secret'])('of an immutable %s changes nothing in it', (kind) => {
    const field = kind === 'Secret' ? 'stringData' : 'data';
    expect(updateProblems(sealed(kind), sealed(kind))).toEqual([]);
    const why = 'Forbidden: field is immutable when `immutable` is set';
    expect(updateProblems(withValue(sealed(kind), field, { a: '2' }), sealed(kind))).toEqual([`data: ${why}`]);
    expect(updateProblems(valid(kind), sealed(kind))).toEqual([`immutable: ${why}`]);
    expect(updateProblems(withValue(sealed(kind), 'metadata.labels', { a: 'b' }), sealed(kind))).toEqual([]);
  });

  it('adds no finalizer to an object that is going', () => {
    const old = withValue(valid('Pod'), 'metadata.deletionTimestamp', '2026-01-02T03:04:05Z');
    expectProblem(
      updateProblems(withValue(old, 'metadata.finalizers', ['x.io/a']), old),
      'metadata.finalizers: Forbidden: no new finalizers…',
    );
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
