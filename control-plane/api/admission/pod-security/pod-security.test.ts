import { describe, expect, it } from 'vitest';
import type { corev1 } from '../../../../proto/index.ts';
import { detailText, violationsOf } from './evaluate.ts';
import { isStricter, type Level, labelProblems, policyOf, policyText } from './levels.ts';
import { existingViolations } from './pod-security.ts';

/** A container that the restricted standard has nothing against. */
const tight: corev1.SecurityContext = {
  allowPrivilegeEscalation: false,
  capabilities: { drop: ['ALL'] },
  runAsNonRoot: true,
  seccompProfile: { type: 'RuntimeDefault' },
};

function container(securityContext: corev1.SecurityContext, rest: corev1.Container = {}): corev1.Container {
  return { name: 'c', securityContext: { ...tight, ...securityContext }, ...rest };
}

const pod = (spec: corev1.PodSpec): corev1.PodSpec => ({ containers: [container({})], ...spec });
const only = (securityContext: corev1.SecurityContext, rest?: corev1.Container): corev1.PodSpec => ({
  containers: [container(securityContext, rest)],
});

const VERSION = { minor: Number.POSITIVE_INFINITY };
function told(level: Level, spec: corev1.PodSpec, minor = VERSION.minor, annotations = {}): string {
  return detailText(violationsOf({ annotations }, spec, { level, minor }));
}

describe('the baseline standard', () => {
  const rows: [string, corev1.PodSpec, string][] = [
    ['an ordinary pod', { containers: [{ name: 'c' }] }, ''],
    ['the host network', pod({ hostNetwork: true }), 'host namespaces (hostNetwork=true)'],
    [
      'all host namespaces',
      pod({ hostNetwork: true, hostPID: true, hostIPC: true }),
      'host namespaces (hostNetwork=true, hostPID=true, hostIPC=true)',
    ],
    [
      'a privileged container',
      only({ privileged: true }),
      'privileged (container "c" must not set securityContext.privileged=true)',
    ],
    [
      'two privileged containers, one of them for init',
      { initContainers: [container({ privileged: true }, { name: 'i' })], ...only({ privileged: true }) },
      'privileged (containers "i", "c" must not set securityContext.privileged=true)',
    ],
    ['a default capability', only({ capabilities: { add: ['CHOWN'] } }), ''],
    [
      'other capabilities',
      only({ capabilities: { add: ['SYS_TIME', 'NET_ADMIN', 'CHOWN'] } }),
      'non-default capabilities (container "c" must not include "NET_ADMIN", "SYS_TIME" in securityContext.capabilities.add)',
    ],
    [
      'a folder of the node',
      pod({ volumes: [{ name: 'v', hostPath: { path: '/' } }] }),
      'hostPath volumes (volume "v")',
    ],
    [
      'two folders',
      pod({
        volumes: [
          { name: 'v', hostPath: { path: '/' } },
          { name: 'w', hostPath: { path: '/w' } },
        ],
      }),
      'hostPath volumes (volumes "v", "w")',
    ],
    [
      'a host port',
      only({}, { ports: [{ containerPort: 1, hostPort: 80 }] }),
      'hostPort (container "c" uses hostPort 80)',
    ],
    [
      'two host ports',
      only(
        {},
        {
          ports: [
            { containerPort: 1, hostPort: 80 },
            { containerPort: 2, hostPort: 443 },
          ],
        },
      ),
      'hostPort (container "c" uses hostPorts 443, 80)',
    ],
    [
      'an open /proc',
      only({ procMount: 'Unmasked' }),
      'procMount (container "c" must not set securityContext.procMount to "Unmasked")',
    ],
    ['an allowed SELinux type', only({ seLinuxOptions: { type: 'container_t', level: 's0' } }), ''],
    [
      'SELinux options',
      pod({ securityContext: { seLinuxOptions: { type: 'spc_t', user: 'u', role: 'r' } } }),
      'seLinuxOptions (pod set forbidden securityContext.seLinuxOptions: type "spc_t"; user may not be set; role may not be set)',
    ],
    [
      'no system call filter',
      {
        securityContext: { seccompProfile: { type: 'Unconfined' } },
        ...only({ seccompProfile: { type: 'Unconfined' } }),
      },
      'seccompProfile (pod and container "c" must not set securityContext.seccompProfile.type to "Unconfined")',
    ],
    [
      'no AppArmor',
      only({ appArmorProfile: { type: 'Unconfined' } }),
      'forbidden AppArmor profile (container "c" must not set AppArmor profile type to "Unconfined")',
    ],
    ['a safe sysctl', pod({ securityContext: { sysctls: [{ name: 'net.ipv4.tcp_syncookies', value: '1' }] } }), ''],
    [
      'another sysctl',
      pod({ securityContext: { sysctls: [{ name: 'kernel.msgmax', value: '1' }] } }),
      'forbidden sysctls (kernel.msgmax)',
    ],
    [
      'probes of other hosts',
      only(
        {},
        { livenessProbe: { httpGet: { host: '10.0.0.1' } }, lifecycle: { preStop: { httpGet: { host: 'x' } } } },
      ),
      'probe or lifecycle host (container "c" uses probe or lifecycle hosts "10.0.0.1", "x")',
    ],
    [
      'a Windows host process',
      pod({ securityContext: { windowsOptions: { hostProcess: true } } }),
      'hostProcess (pod must not set securityContext.windowsOptions.hostProcess=true)',
    ],
    [
      'an ephemeral container is one, too',
      pod({ ephemeralContainers: [container({ privileged: true }, { name: 'e' }) as corev1.EphemeralContainer] }),
      'privileged (container "e" must not set securityContext.privileged=true)',
    ],
  ];
  it.each(rows)('%s', (_, spec, text) => expect(told('baseline', spec)).toBe(text));
  it.each(rows)('%s, which nobody minds when privileged', (_, spec) => expect(told('privileged', spec)).toBe(''));

  it('reads the older AppArmor annotations', () => {
    const key = 'container.apparmor.security.beta.kubernetes.io/c';
    expect(told('baseline', pod({}), Number.POSITIVE_INFINITY, { [key]: 'runtime/default' })).toBe('');
    expect(told('baseline', pod({}), Number.POSITIVE_INFINITY, { [key]: 'unconfined' })).toBe(
      `forbidden AppArmor profile (annotation "${key}"="unconfined")`,
    );
  });
});

describe('the restricted standard', () => {
  const rows: [string, corev1.PodSpec, string][] = [
    ['a pod that gives up what it must', pod({}), ''],
    [
      'a pod that says nothing',
      { containers: [{ name: 'x' }] },
      'allowPrivilegeEscalation != false (container "x" must set securityContext.allowPrivilegeEscalation=false), ' +
        'unrestricted capabilities (container "x" must set securityContext.capabilities.drop=["ALL"]), ' +
        'runAsNonRoot != true (pod or container "x" must set securityContext.runAsNonRoot=true), ' +
        'seccompProfile (pod or container "x" must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")',
    ],
    [
      'what the pod says holds for its containers',
      {
        securityContext: { runAsNonRoot: true, seccompProfile: { type: 'Localhost', localhostProfile: 'p' } },
        containers: [
          { name: 'c', securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } } },
        ],
      },
      '',
    ],
    ['NET_BIND_SERVICE', only({ capabilities: { drop: ['ALL'], add: ['NET_BIND_SERVICE'] } }), ''],
    [
      'a capability that the baseline allows',
      only({ capabilities: { drop: ['ALL'], add: ['CHOWN'] } }),
      'unrestricted capabilities (container "c" must not include "CHOWN" in securityContext.capabilities.add)',
    ],
    ['root by number', pod({ securityContext: { runAsUser: 0 } }), 'runAsUser=0 (pod must not set runAsUser=0)'],
    [
      'root by wish',
      only({ runAsNonRoot: false }),
      'runAsNonRoot != true (container "c" must not set securityContext.runAsNonRoot=false)',
    ],
    [
      'a volume from the network',
      pod({
        volumes: [
          { name: 'v', nfs: { server: 's', path: '/' } },
          { name: 'w', emptyDir: {} },
        ],
      }),
      'restricted volume types (volume "v" uses restricted volume type "nfs")',
    ],
    [
      'folders of the node are named once',
      pod({
        volumes: [
          { name: 'v', hostPath: { path: '/' } },
          { name: 'w', nfs: { server: 's', path: '/' } },
        ],
      }),
      'restricted volume types (volumes "v", "w" use restricted volume types "hostPath", "nfs")',
    ],
    [
      'no system call filter',
      only({ seccompProfile: { type: 'Unconfined' } }),
      'seccompProfile (container "c" must not set securityContext.seccompProfile.type to "Unconfined")',
    ],
    [
      'the baseline comes first',
      { hostNetwork: true, ...only({ allowPrivilegeEscalation: true }) },
      'host namespaces (hostNetwork=true), allowPrivilegeEscalation != false (container "c" must set securityContext.allowPrivilegeEscalation=false)',
    ],
  ];
  it.each(rows)('%s', (_, spec, text) => expect(told('restricted', spec)).toBe(text));

  it('is milder in older versions', () => {
    const loose = { containers: [{ name: 'x', securityContext: { runAsNonRoot: true, runAsUser: 0 } }] };
    expect(told('restricted', loose, 7)).toBe('');
    expect(told('restricted', loose, 22)).toContain('unrestricted capabilities');
    expect(told('restricted', loose, 22)).not.toContain('runAsUser');
    expect(told('restricted', loose, 23)).toContain('runAsUser=0');
  });
});

describe('labels of a namespace', () => {
  const labels = (level: string, version?: string): Record<string, string> => ({
    'pod-security.kubernetes.io/enforce': level,
    ...(version === undefined ? {} : { 'pod-security.kubernetes.io/enforce-version': version }),
  });

  it.each([
    [{}, 'privileged:latest'],
    [labels('baseline'), 'baseline:latest'],
    [labels('restricted', 'v1.28'), 'restricted:v1.28'],
    [labels('strict'), 'restricted:latest'],
  ])('%j mean %s', (given, text) => expect(policyText(policyOf(given, 'enforce'))).toBe(text));

  it('that cannot be read are refused, unless they were there before', () => {
    const bad = labels('strict', '1.28');
    expect(labelProblems(bad, {}).map(({ field, message }) => `${field}: ${message}`)).toEqual([
      'metadata.labels[pod-security.kubernetes.io/enforce]: Invalid value: "strict": must be one of privileged, baseline, restricted',
      'metadata.labels[pod-security.kubernetes.io/enforce-version]: Invalid value: "1.28": must be "latest" or "v1.x"',
    ]);
    expect(labelProblems(bad, bad)).toEqual([]);
  });

  it('are compared by strictness', () => {
    const [privileged, baseline] = [policyOf({}, 'enforce'), policyOf(labels('baseline'), 'enforce')];
    expect([
      isStricter(baseline, privileged),
      isStricter(privileged, baseline),
      isStricter(baseline, baseline),
    ]).toEqual([true, false, false]);
  });

  it('that become stricter are held against the pods there are', () => {
    const bad = { metadata: { name: 'b' }, spec: { hostPID: true, containers: [] } };
    const pods: corev1.Pod[] = [
      bad,
      { ...bad, metadata: { name: 'a' } },
      { spec: { containers: [] } },
      { ...bad, status: { phase: 'Failed' } },
    ];
    expect(existingViolations('ns', pods, policyOf(labels('baseline'), 'enforce'))).toEqual([
      'existing pods in namespace "ns" violate the new PodSecurity enforce level "baseline:latest"',
      'a (and 1 other pod): host namespaces',
    ]);
  });
});
