/** Rules for IP addresses and ranges of them. Each gives what is wrong, as the end of `Invalid value: "x": …`. */
import { BlockList, isIPv4, isIPv6 } from 'node:net';
import type { NameRule } from '../../../lib/name-rules.ts';

/** An IPv4 address. */
export const ipv4Address: NameRule = (text) => (isIPv4(text) ? [] : ['must be a valid IPv4 address']);

/** An IPv6 address. */
export const ipv6Address: NameRule = (text) => (isIPv6(text) ? [] : ['must be a valid IPv6 address']);

/** `IPv4` or `IPv6`; undefined when `text` is no address. */
export function familyOf(text: string): 'IPv4' | 'IPv6' | undefined {
  if (isIPv4(text)) return 'IPv4';
  return isIPv6(text) ? 'IPv6' : undefined;
}

/** The ranges to which no traffic of a service may be sent, with the words for each. */
const SPECIAL: readonly (readonly [BlockList, string])[] = [
  [ranges('127.0.0.0/8', '::1/128'), 'may not be in the loopback range (127.0.0.0/8, ::1/128)'],
  [ranges('169.254.0.0/16', 'fe80::/10'), 'may not be in the link-local range (169.254.0.0/16, fe80::/10)'],
  [ranges('224.0.0.0/24', 'ff02::/16'), 'may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)'],
];

const UNSPECIFIED = ranges('0.0.0.0/32', '::/128');

/** An address (valid by itself) that traffic may be sent to: an endpoint, an external address. */
export const ordinaryAddress: NameRule = (text) => {
  const family = familyOf(text)?.toLowerCase() as 'ipv4' | 'ipv6' | undefined;
  if (family === undefined) return [];
  if (UNSPECIFIED.check(text, family)) return [`may not be unspecified (${JSON.stringify(text)})`];
  return SPECIAL.filter(([list]) => list.check(text, family)).map(([, words]) => words);
};

/** Whether the range `inner` lies within the range `outer` and is smaller. Both must be valid ranges. */
export function isStrictSubrange(inner: string, outer: string): boolean {
  const [innerAddress = '', innerBits = ''] = inner.split('/');
  const [outerAddress = '', outerBits = ''] = outer.split('/');
  const family = familyOf(innerAddress);
  if (family === undefined || family !== familyOf(outerAddress)) return false;
  return (
    Number(innerBits) > Number(outerBits) && ranges(outer).check(innerAddress, family === 'IPv4' ? 'ipv4' : 'ipv6')
  );
}

function ranges(...cidrs: readonly string[]): BlockList {
  const list = new BlockList();
  for (const range of cidrs) {
    const [address = '', bits = ''] = range.split('/');
    list.addSubnet(address, Number(bits), isIPv4(address) ? 'ipv4' : 'ipv6');
  }
  return list;
}
