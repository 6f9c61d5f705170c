import { describe, it } from 'vitest';
import { problemsOf, withValue } from './test-objects.ts';
import { expectProblem, type Row, valid } from './valid-objects.ts';

const C = 'spec.containers.0';
const c = 'spec.containers[0]';

describe('a container', () => {
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
});
