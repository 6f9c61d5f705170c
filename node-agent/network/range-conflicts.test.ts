import { expect, test } from 'vitest';
import { podsOfOtherRange } from './pod-cidr.ts';
import type { PodAttachment } from './pod-network.ts';
import { rangeConflicts } from './range-conflicts.ts';
import type { LocalRoute } from './routes/links.ts';

const route = (dst: string, dev: string, changes: Partial<LocalRoute> = {}): LocalRoute => ({
  type: 'unicast',
  dst,
  dev,
  gateway: undefined,
  protocol: 'kernel',
  scope: 'link',
  src: undefined,
  onlink: false,
  metric: 0,
  ...changes,
});
const link = (name: string, address: string) => ({
  name,
  mtu: 1500,
  loopback: false,
  isSegment: true,
  addresses: [{ address, prefix: 32 }],
});

test.each<[string, LocalRoute[], string | undefined]>([
  ['a network that contains it', [route('10.0.0.0/8', 'eth0')], '10.0.0.0/8 of eth0'],
  ['a network inside it', [route('10.42.0.0/24', 'cni0')], '10.42.0.0/24 of cni0'],
  ['a network beside it', [route('10.41.0.0/16', 'eth0'), route('192.168.0.0/16', 'eth1')], undefined],
  ['the way to everything', [route('default', 'ppp0')], undefined],
  ['our own', [route('10.42.1.0/24', 'skiff0')], undefined],
  ['a route through a router', [route('10.0.0.0/8', 'eth0', { scope: 'global', gateway: '192.0.2.1' })], undefined],
  ['our unreachable one', [route('10.42.0.0/16', '', { type: 'unreachable', scope: 'global' })], undefined],
])('the pod range and %s', (_, routes, conflict) => {
  const ranges = [{ what: 'the pod range', cidr: '10.42.0.0/16', option: '--cluster-cidr' }];
  expect(rangeConflicts(ranges, { links: [link('skiff0', '10.42.1.1')], routes }, ['skiff0'])).toEqual(
    conflict === undefined
      ? []
      : [`the pod range 10.42.0.0/16 overlaps ${conflict} (another range: option --cluster-cidr of the server)`],
  );
});

test('an address alone is in the way, too', () => {
  const ranges = [{ what: 'the service range', cidr: '10.43.0.0/16', option: '--service-cidr' }];
  const [said] = rangeConflicts(ranges, { links: [link('lo', '10.43.0.53')], routes: [] }, ['skiff0']);
  expect(said).toContain('overlaps 10.43.0.53 of lo');
});

test('pods with addresses of an earlier range are found', () => {
  const pod = (podName: string, ...ips: string[]): PodAttachment => ({
    podUid: podName,
    podName,
    podNamespace: 'default',
    netnsPath: '',
    hostPorts: [],
    ips,
  });
  const pods = [pod('old', '10.42.0.9'), pod('new', '10.42.5.9'), pod('both', 'fd00::1', '10.42.5.10')];
  expect(podsOfOtherRange(pods, '10.42.5.0/24').map(({ podName }) => podName)).toEqual(['old']);
});
