import { describe, expect, test } from 'vitest';
import type { corev1 } from '../../../proto/index.ts';
import { planEndpoints } from './plan.ts';

const pod = (n: number, { ready = true, port = 8080, going = false } = {}): corev1.Pod => ({
  metadata: {
    name: `p${n}`,
    uid: `u${n}`,
    ...(going ? { deletionTimestamp: '2026-01-01T00:00:00Z' } : {}),
  },
  spec: { nodeName: 'n1', containers: [{ name: 'a', ports: [{ name: 'http', containerPort: port }] }] },
  status: {
    phase: 'Running',
    podIP: `10.42.${Math.floor(n / 256)}.${n % 256}`,
    conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }],
  },
});
const service = (spec: corev1.ServiceSpec = {}): corev1.Service => ({
  metadata: { name: 'web', labels: { a: '1' } },
  spec: { ports: [{ port: 80, targetPort: 'http', protocol: 'TCP' }], ...spec },
});
const text = ({ subsets = [] }: corev1.Endpoints): string =>
  subsets
    .map(({ addresses = [], notReadyAddresses = [], ports = [] }) =>
      [addresses, notReadyAddresses]
        .map((list) => list.map(({ targetRef }) => targetRef?.name).join())
        .concat(ports.map((p) => String(p.port)))
        .join(' '),
    )
    .join('; ');

describe('the Endpoints of a service', () => {
  test.each<[string, corev1.ServiceSpec, corev1.Pod[], string]>([
    ['no pods, no subset', {}, [], ''],
    ['ready and not ready in one subset', {}, [pod(2), pod(1, { ready: false })], 'p2 p1 8080'],
    ['other ports, other subset', {}, [pod(1), pod(2, { port: 81 })], 'p1  8080; p2  81'],
    ['one that is going is left out', {}, [pod(1), pod(2, { going: true })], 'p1  8080'],
    [
      'unless readiness does not count',
      { publishNotReadyAddresses: true },
      [pod(1, { ready: false }), pod(2, { going: true })],
      'p1,p2  8080',
    ],
    ['a pod without the port is left out', { ports: [{ port: 1, targetPort: 'other' }] }, [pod(1)], ''],
    ['but not of a service without address and ports', { clusterIP: 'None', ports: [] }, [pod(1)], 'p1 '],
  ])('%s', (_, spec, pods, expected) => {
    expect(text(planEndpoints(service(spec), pods))).toBe(expected);
  });

  test('are a thousand at most, those that take traffic first, and say so', () => {
    const pods = Array.from({ length: 1200 }, (_, n) => pod(n, { ready: n >= 600 }));
    const { metadata, subsets: [subset] = [] } = planEndpoints(service(), pods);
    expect([subset?.addresses?.length, subset?.notReadyAddresses?.length]).toEqual([600, 400]);
    expect(metadata?.annotations).toEqual({ 'endpoints.kubernetes.io/over-capacity': 'truncated' });
    expect(metadata?.labels).toMatchObject({ a: '1', 'endpoints.kubernetes.io/managed-by': 'endpoint-controller' });
  });
});
