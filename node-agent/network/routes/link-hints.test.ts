import { expect, test } from 'vitest';
import { hintMatters } from './link-hints.ts';

const matters = hintMatters({ bridge: 'skiff0', vxlan: 'skiffvx', podLinks: 'skiff' });

test.each([
  ['a pod comes', '3: skiff12345678@if2: <BROADCAST,MULTICAST> mtu 1500 qdisc noop state DOWN group default', false],
  ['a pod goes', 'Deleted 3: skiff12345678@NONE: <BROADCAST,MULTICAST> mtu 1500 master skiff0 state DOWN', false],
  ['the bridge follows', '2: skiff0: <BROADCAST,MULTICAST,UP> mtu 1500 qdisc noqueue state UNKNOWN', false],
  ['a port of a plugin', '9: veth1@if2: <BROADCAST,MULTICAST,UP> mtu 1500 master skiff0 state UP', false],
  ['a route of somebody', '10.99.0.0/16 via 192.0.2.2 dev eth0 proto static', false],
  ['a link is shorter', '5: eth0@e1: <BROADCAST,UP,LOWER_UP> mtu 1400 qdisc noqueue state UP group default', true],
  ['a new address', '5: eth0    inet 192.0.2.1/24 scope global eth0', true],
  ['an address less', 'Deleted 5: eth0    inet 192.0.2.1/24 scope global eth0', true],
  ['a route of ours goes', 'Deleted 10.42.2.0/24 via 192.0.2.2 dev eth0 proto 83 ', true],
  ['the tunnel goes', 'Deleted 6: skiffvx: <BROADCAST,MULTICAST> mtu 1450 qdisc noop state DOWN', true],
])('a hint when %s: %s', (_, line, expected) => {
  expect(matters(line)).toBe(expected);
});
