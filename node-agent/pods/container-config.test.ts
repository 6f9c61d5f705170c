import { describe, expect, test } from 'vitest';
import { qosClass } from '../../lib/qos.ts';
import type { corev1 } from '../../proto/index.ts';
import { checkNonRoot, commandLine } from './container-config.ts';
import { hostsFile, podHostname, resolvConf } from './network-files.ts';
import { containerResources, oomScoreAdj, podResources } from './pod-resources.ts';

const image = (config: object): { config: object } => ({ config });

describe('the command line', () => {
  test.each([
    [{}, ['e', 'c']],
    [{ args: ['a'] }, ['e', 'a']],
    [{ command: ['x'] }, ['x']],
    [{ command: ['x'], args: ['$(V)'] }, ['x', 'v']],
  ])('of %j is %j', (container, expected) => {
    expect(commandLine(container, image({ entrypoint: ['e'], cmd: ['c'] }), new Map([['V', 'v']]))).toEqual(expected);
  });

  test('must not be empty', () => {
    expect(() => commandLine({}, image({}), new Map())).toThrow('no command specified');
  });
});

describe('runAsNonRoot', () => {
  const pod = (runAsUser?: number): corev1.Pod => ({
    metadata: { name: 'p', namespace: 'n', uid: 'u' },
    spec: { securityContext: { runAsNonRoot: true, ...(runAsUser === undefined ? {} : { runAsUser }) } },
  });
  const where = '(pod: "p_n(u)", container: c)';
  test.each([
    [pod(0), {}, `container's runAsUser breaks non-root policy ${where}`],
    [pod(), {}, `container has runAsNonRoot and image will run as root ${where}`],
    [pod(), { user: '0:5' }, `container has runAsNonRoot and image will run as root ${where}`],
    [
      pod(),
      { user: 'web' },
      `container has runAsNonRoot and image has non-numeric user (web), cannot verify user is non-root ${where}`,
    ],
  ])('refuses case %#', (p, config, message) => {
    expect(() => checkNonRoot(p, { name: 'c' }, image(config))).toThrow(message);
  });
  test.each([
    [pod(5), {}],
    [pod(), { user: '1000:0' }],
  ])('accepts case %#', (p, config) => {
    expect(() => checkNonRoot(p, { name: 'c' }, image(config))).not.toThrow();
  });
});

describe('requests and limits', () => {
  const of = (requests?: Record<string, string>, limits?: Record<string, string>): corev1.Container => ({
    name: 'c',
    resources: { ...(requests === undefined ? {} : { requests }), ...(limits === undefined ? {} : { limits }) },
  });

  test.each<[string, corev1.Container[], string]>([
    ['nothing asked for', [of()], 'BestEffort'],
    ['limits alone', [of(undefined, { cpu: '1', memory: '1Gi' })], 'Guaranteed'],
    [
      'requests equal to limits in other words',
      [of({ cpu: '1000m', memory: '1024Mi' }, { cpu: '1', memory: '1Gi' })],
      'Guaranteed',
    ],
    ['one container without', [of(undefined, { cpu: '1', memory: '1Gi' }), of()], 'Burstable'],
    ['a request only', [of({ cpu: '1m' })], 'Burstable'],
    ['a memory limit only', [of(undefined, { memory: '1Gi' })], 'Burstable'],
  ])('%s is %s', (_, containers, expected) => {
    expect(qosClass({ containers })).toBe(expected);
  });

  test('of a container become shares, quota and bytes', () => {
    expect(containerResources(of({ cpu: '500m' }, { cpu: '2', memory: '64Mi' }))).toEqual({
      cpuShares: 512,
      cpuQuotaUs: 200_000,
      cpuPeriodUs: 100_000,
      memoryLimitBytes: 67_108_864,
    });
    expect(containerResources(of(undefined, { cpu: '100m' }))).toEqual({
      cpuShares: 102,
      cpuQuotaUs: 10_000,
      cpuPeriodUs: 100_000,
    });
    expect(containerResources(of())).toEqual({ cpuShares: 2 });
  });

  test('of a pod are sums, limited only where every container is', () => {
    const limited = of(undefined, { cpu: '1', memory: '64Mi' });
    expect(podResources({ containers: [limited, limited] }, 99)).toEqual({
      cpuShares: 2048,
      cpuQuotaUs: 200_000,
      cpuPeriodUs: 100_000,
      memoryLimitBytes: 134_217_728,
      pidsLimit: 99,
    });
    expect(podResources({ containers: [limited, of()] }, 99)).toEqual({ cpuShares: 1024, pidsLimit: 99 });
    expect(
      podResources({ initContainers: [of(undefined, { cpu: '3', memory: '1Mi' })], containers: [limited] }, 99)
        .cpuShares,
    ).toBe(3072);
  });

  test('decide who goes first when memory runs out', () => {
    const gib = 1024 ** 3;
    expect(oomScoreAdj('Guaranteed', of(), 4 * gib)).toBe(-997);
    expect(oomScoreAdj('BestEffort', of(), 4 * gib)).toBe(1000);
    expect(oomScoreAdj('Burstable', of({ memory: '1Gi' }), 4 * gib)).toBe(750);
    expect(oomScoreAdj('Burstable', of({ memory: '4Gi' }), 4 * gib)).toBe(3);
    expect(oomScoreAdj('Burstable', of({ cpu: '1' }), 4 * gib)).toBe(999);
  });
});

describe('the files of a pod', () => {
  const facts = {
    podIPs: ['10.0.0.2'],
    nodeName: 'node',
    clusterDomain: 'cluster.local',
    nodeHosts: '127.0.0.1 localhost\n',
    nodeResolvConf: '# x\nnameserver 1.1.1.1\nsearch home\noptions ndots:1 rotate\n',
  };
  const pod = (spec: corev1.PodSpec): corev1.Pod => ({ metadata: { name: 'web-0', namespace: 'n' }, spec });

  test('/etc/hosts names the pod, its subdomain and the aliases', () => {
    const text = hostsFile(pod({ subdomain: 'svc', hostAliases: [{ ip: '1.2.3.4', hostnames: ['a', 'b'] }] }), facts);
    expect(text).toContain('# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n');
    expect(text).toContain('10.0.0.2\tweb-0.svc.n.svc.cluster.local\tweb-0\n');
    expect(text.endsWith('# Entries added by HostAliases.\n1.2.3.4\ta\tb\n')).toBe(true);
  });

  test('/etc/hosts on the host network is the node’s', () => {
    expect(hostsFile(pod({ hostNetwork: true }), facts)).toBe(
      '# Kubernetes-managed hosts file (host network).\n127.0.0.1 localhost\n',
    );
  });

  test('a long name is cut to what Linux takes', () => {
    expect(podHostname({ metadata: { name: `${'a'.repeat(62)}.b` } }, 'd')).toBe('a'.repeat(62));
  });

  test.each([
    [{}, 'nameserver 1.1.1.1\nsearch home\noptions ndots:1 rotate\n'],
    [
      {
        dnsPolicy: 'None',
        dnsConfig: { nameservers: ['9.9.9.9'], searches: ['s'], options: [{ name: 'ndots', value: '3' }] },
      },
      'nameserver 9.9.9.9\nsearch s\noptions ndots:3\n',
    ],
    [
      { dnsPolicy: 'Default', dnsConfig: { nameservers: ['9.9.9.9'], options: [{ name: 'ndots', value: '5' }] } },
      'nameserver 1.1.1.1\nnameserver 9.9.9.9\nsearch home\noptions ndots:5 rotate\n',
    ],
    [{ dnsPolicy: 'None' }, ''],
  ])('/etc/resolv.conf of %j', (spec, expected) => {
    expect(resolvConf(pod(spec), facts)).toBe(expected);
  });
});
