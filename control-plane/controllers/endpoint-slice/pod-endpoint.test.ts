import { describe, expect, test } from 'vitest';
import type { corev1 } from '../../../proto/index.ts';
import { groupsOf } from './endpoint-slice.ts';
import { endpointPorts, hasEndpoint, podEndpoint, targetPortOf } from './pod-endpoint.ts';

const ready = [{ type: 'Ready', status: 'True' }];
const pod = (status: corev1.PodStatus = {}, more: corev1.Pod = {}): corev1.Pod => ({
  metadata: { name: 'p', namespace: 'shop', uid: 'u', ...more.metadata },
  spec: { nodeName: 'n1', ...more.spec },
  status: { phase: 'Running', podIP: '10.42.0.7', conditions: ready, ...status },
});
const service = (spec: corev1.ServiceSpec = {}): corev1.Service => ({
  metadata: { name: 'web', namespace: 'shop' },
  spec,
});
const going = { metadata: { deletionTimestamp: '2026-01-01T00:00:00Z' } };

describe('a pod as an endpoint', () => {
  test.each<[string, corev1.Pod, boolean]>([
    ['runs', pod(), true],
    ['is not ready', pod({ conditions: [] }), true],
    ['is being deleted', pod({}, going), true],
    ['has no address yet', pod({ podIP: undefined }), false],
    ['has succeeded', pod({ phase: 'Succeeded' }), false],
    ['has failed', pod({ phase: 'Failed' }), false],
    ['has an address of IPv6 first', pod({ podIP: 'fd00::1', podIPs: [{ ip: 'fd00::1' }, { ip: '10.42.0.7' }] }), true],
  ])('%s', (_, one, expected) => {
    expect(hasEndpoint(one)).toBe(expected);
  });

  test.each<[string, corev1.Pod, corev1.ServiceSpec, [boolean, boolean, boolean]]>([
    ['ready', pod(), {}, [true, true, false]],
    ['not ready', pod({ conditions: [] }), {}, [false, false, false]],
    ['ready and going', pod({}, going), {}, [false, true, true]],
    ['not ready and going', pod({ conditions: [] }, going), {}, [false, false, true]],
    ['not ready but wanted so', pod({ conditions: [] }), { publishNotReadyAddresses: true }, [true, false, false]],
    ['going but wanted so', pod({}, going), { publishNotReadyAddresses: true }, [true, true, true]],
  ])('%s: ready, serving, terminating', (_, one, spec, [isReady, serving, terminating]) => {
    const { conditions } = podEndpoint(one, service(spec), () => undefined);
    expect(conditions).toEqual({ ready: isReady, serving, terminating });
  });

  test('has node, zone, reference, and a hostname beneath its own subdomain only', () => {
    const named = pod({}, { spec: { hostname: 'db-0', subdomain: 'web' } });
    expect(podEndpoint(named, service(), (node) => `zone of ${node}`)).toMatchObject({
      addresses: ['10.42.0.7'],
      hostname: 'db-0',
      nodeName: 'n1',
      zone: 'zone of n1',
      targetRef: { kind: 'Pod', namespace: 'shop', name: 'p', uid: 'u' },
    });
    const elsewhere = pod({}, { spec: { hostname: 'db-0', subdomain: 'other' } });
    expect(podEndpoint(elsewhere, service(), () => undefined)).not.toHaveProperty('hostname');
    expect(podEndpoint(elsewhere, service(), () => undefined)).not.toHaveProperty('zone');
  });

  const ports = (containerPort: number, name = 'http', protocol = 'TCP') => [{ name, containerPort, protocol }];
  const withPorts = (spec: corev1.PodSpec) => pod({}, { spec });
  test.each<[string, corev1.PodSpec, corev1.ServicePort, number | undefined]>([
    ['a number', {}, { port: 80, targetPort: '8080' }, 8080],
    ['nothing said', {}, { port: 80 }, 80],
    ['a name', { containers: [{ name: 'a', ports: ports(8080) }] }, { port: 80, targetPort: 'http' }, 8080],
    [
      'a name of another protocol',
      { containers: [{ name: 'a', ports: ports(53, 'dns', 'UDP') }] },
      { port: 53, targetPort: 'dns' },
      undefined,
    ],
    ['a name that nobody has', { containers: [{ name: 'a' }] }, { port: 80, targetPort: 'http' }, undefined],
    [
      'a name of a sidecar',
      { initContainers: [{ name: 's', restartPolicy: 'Always', ports: ports(9) }] },
      { port: 80, targetPort: 'http' },
      9,
    ],
    [
      'a name of an init container',
      { initContainers: [{ name: 's', ports: ports(9) }] },
      { port: 80, targetPort: 'http' },
      undefined,
    ],
  ])('target port: %s', (_, spec, port, expected) => {
    expect(targetPortOf(withPorts(spec), port)).toBe(expected);
  });

  test('pods whose named ports differ are in different slices; a port that a pod does not have is left out', () => {
    const web = service({ ports: [{ name: 'web', port: 80, targetPort: 'http', protocol: 'TCP' }] });
    const one = (name: string, number: number) =>
      pod({}, { metadata: { name }, spec: { containers: [{ name: 'a', ports: ports(number) }] } });
    const groups = groupsOf(web, [one('a', 1), one('b', 2), one('c', 1)], () => undefined);
    expect(groups.map((group) => [group.ports[0]?.port, group.endpoints.length])).toEqual([
      [1, 2],
      [2, 1],
    ]);
    expect(endpointPorts(pod(), web)).toEqual([]);
  });
});
