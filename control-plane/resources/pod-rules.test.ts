import { describe, expect, it } from 'vitest';
import { problemsOf, withValue } from './test-objects.ts';
import { expectProblem, type Row, valid } from './valid-objects.ts';

const C = 'spec.containers.0';
const c = 'spec.containers[0]';

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
