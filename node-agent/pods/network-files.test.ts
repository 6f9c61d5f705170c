import { describe, expect, test } from 'vitest';
import type { corev1 } from '../../proto/index.ts';
import { hostsFile, podHostname, resolvConf } from './network-files.ts';

const facts = {
  podIPs: ['10.42.0.2'],
  nodeName: 'node',
  clusterDomain: 'cluster.local',
  dnsAddress: '10.43.0.10',
  nodeHosts: '127.0.0.1 localhost\n',
  nodeResolvConf: 'nameserver 192.168.1.1\nsearch home.\noptions edns0\n',
};
const pod = (spec: corev1.PodSpec): corev1.Pod => ({ metadata: { name: 'web-0', namespace: 'shop' }, spec });

const CLUSTER =
  'nameserver 10.43.0.10\nsearch shop.svc.cluster.local svc.cluster.local cluster.local home\noptions ndots:5\n';
const NODE = 'nameserver 192.168.1.1\nsearch home\noptions edns0\n';

describe('/etc/resolv.conf with a cluster DNS', () => {
  test.each<[corev1.PodSpec, string]>([
    [{}, CLUSTER],
    [{ dnsPolicy: 'ClusterFirst' }, CLUSTER],
    [{ dnsPolicy: 'ClusterFirst', hostNetwork: true }, NODE],
    [{ dnsPolicy: 'ClusterFirstWithHostNet', hostNetwork: true }, CLUSTER],
    [{ dnsPolicy: 'ClusterFirstWithHostNet' }, CLUSTER],
    [{ dnsPolicy: 'Default' }, NODE],
    [{ dnsPolicy: 'None' }, ''],
    [
      { dnsPolicy: 'None', dnsConfig: { nameservers: ['1.1.1.1'], searches: ['a.b'], options: [{ name: 'rotate' }] } },
      'nameserver 1.1.1.1\nsearch a.b\noptions rotate\n',
    ],
    [
      {
        dnsConfig: {
          nameservers: ['10.43.0.10', '1.1.1.1', '2.2.2.2', '3.3.3.3'],
          searches: ['svc.cluster.local', 'corp'],
          options: [{ name: 'ndots', value: '2' }, { name: 'single-request' }],
        },
      },
      'nameserver 10.43.0.10\nnameserver 1.1.1.1\nnameserver 2.2.2.2\nsearch shop.svc.cluster.local svc.cluster.local cluster.local home corp\noptions ndots:2 single-request\n',
    ],
  ])('of a pod with %j', (spec, expected) => {
    expect(resolvConf(pod(spec), facts)).toBe(expected);
  });

  test('search domains beyond what resolvers take are left out', () => {
    const searchesOf = (searches: string[]): string[] =>
      (/^search (.*)$/m.exec(resolvConf(pod({ dnsPolicy: 'None', dnsConfig: { searches } }), facts))?.[1] ?? '').split(
        ' ',
      );
    expect(searchesOf(Array.from({ length: 40 }, (_, index) => `d${index}`))).toHaveLength(32);
    const long = searchesOf(Array.from({ length: 20 }, (_, index) => `${index}${'x'.repeat(200)}`));
    expect(long).toHaveLength(10);
    expect(long.join(' ').length).toBeLessThanOrEqual(2048);
  });
});

describe('/etc/hosts', () => {
  const ownLine = (spec: corev1.PodSpec): string | undefined =>
    hostsFile(pod(spec), facts)
      .split('\n')
      .find((line) => line.startsWith('10.42.0.2'));

  test.each<[corev1.PodSpec, string]>([
    [{}, '10.42.0.2\tweb-0'],
    [{ hostname: 'a' }, '10.42.0.2\ta'],
    [{ subdomain: 'web' }, '10.42.0.2\tweb-0.web.shop.svc.cluster.local\tweb-0'],
    [{ hostname: 'a', subdomain: 'web' }, '10.42.0.2\ta.web.shop.svc.cluster.local\ta'],
    [{ subdomain: 'web', setHostnameAsFQDN: true }, '10.42.0.2\tweb-0.web.shop.svc.cluster.local\tweb-0'],
    [{ hostnameOverride: 'x.y', subdomain: 'web' }, '10.42.0.2\tx.y'],
  ])('of a pod with %j', (spec, expected) => {
    expect(ownLine(spec)).toBe(expected);
  });

  test('a name cut to what Linux takes is the same in its full form', () => {
    const long = { metadata: { name: 'n'.repeat(70), namespace: 'shop' }, spec: { subdomain: 'web' } };
    expect(hostsFile(long, facts)).toContain(`\t${'n'.repeat(63)}.web.shop.svc.cluster.local\t${'n'.repeat(63)}\n`);
    expect(podHostname({ ...long, spec: { subdomain: 'web', setHostnameAsFQDN: true } }, 'cluster.local')).toBe(
      `${'n'.repeat(63)}.web.shop.svc.cluster.local`,
    );
  });
});
