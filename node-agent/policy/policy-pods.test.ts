import { describe, expect, it } from 'vitest';
import type { corev1 } from '../../proto/index.ts';
import { policyPods } from './policy-pods.ts';

function pod(name: string, ip: string | undefined, more: Partial<corev1.Pod> = {}): corev1.Pod {
  return {
    metadata: { namespace: 'shop', name, uid: `uid-${name}`, labels: { app: name } },
    spec: { nodeName: 'n1', containers: [] },
    status: { phase: 'Running', ...(ip === undefined ? {} : { podIP: ip, podIPs: [{ ip }] }) },
    ...more,
  };
}

const seen = (peers: readonly corev1.Pod[], attached: readonly [corev1.Pod, string][] = []): string[] =>
  policyPods(
    peers,
    attached.map(([one, ip]) => ({ pod: one, ips: [ip] })),
    'n1',
  ).map(({ labels, ip, local }) => `${labels?.app} ${ip}${local ? '' : ' elsewhere'}`);

describe('pods that policies are about', () => {
  it('have an address of their own and have not ended', () => {
    const status = { podIP: '10.42.0.9' };
    const peers = [
      pod('here', '10.42.0.2'),
      pod('there', '10.42.1.2', { spec: { nodeName: 'n2' } }),
      pod('waiting', undefined),
      pod('host', '192.0.2.1', { spec: { nodeName: 'n1', hostNetwork: true } }),
      pod('done', undefined, { status: { ...status, phase: 'Succeeded' } }),
      pod('failed', undefined, { status: { ...status, phase: 'Failed' } }),
      pod('both', undefined, { status: { podIP: 'fd00::7', podIPs: [{ ip: 'fd00::7' }, { ip: '10.42.0.7' }] } }),
    ];
    expect(seen(peers)).toEqual(['here 10.42.0.2', 'there 10.42.1.2 elsewhere', 'both 10.42.0.7']);
  });

  it('are known from their attachment on, with the labels that the cluster has by now', () => {
    const young = pod('young', undefined);
    const relabelled = { ...young, metadata: { ...young.metadata, labels: { app: 'renamed' } } };
    expect(seen([], [[young, '10.42.0.3']])).toEqual(['young 10.42.0.3']);
    expect(seen([relabelled], [[young, '10.42.0.3']])).toEqual(['renamed 10.42.0.3']);
  });

  it('have the address that they got last, and nobody else has it then', () => {
    const again = pod('again', '10.42.0.4');
    expect(seen([again, pod('former', '10.42.0.5')], [[again, '10.42.0.5']])).toEqual(['again 10.42.0.5']);
  });

  it('bring the named ports of containers that stay', () => {
    const ports = [
      { name: 'main', containerPort: 80 },
      { name: 'dns', containerPort: 53, protocol: 'UDP' },
      { containerPort: 9 },
    ];
    const spec = {
      nodeName: 'n1',
      containers: [{ name: 'c', ports }],
      initContainers: [
        { name: 'once', ports: [{ name: 'early', containerPort: 1 }] },
        { name: 'beside', restartPolicy: 'Always', ports: [{ name: 'side', containerPort: 2 }] },
      ],
    };
    expect(policyPods([pod('p', '10.42.0.2', { spec })], [], 'n1')[0]?.namedPorts).toEqual([
      { name: 'main', protocol: 'TCP', port: 80 },
      { name: 'dns', protocol: 'UDP', port: 53 },
      { name: 'side', protocol: 'TCP', port: 2 },
    ]);
  });
});
